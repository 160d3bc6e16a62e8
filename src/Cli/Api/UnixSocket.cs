using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Cli.Api;

/// <summary>
/// A connected Unix socket, blocking, by the system's own calls: loading System.Net.Sockets costs each command 8 ms (bench list).
/// Disposing it wakes a read that waits in another thread.
/// </summary>
internal sealed partial class UnixSocket : Stream
{
    private const int AfUnix = 1;
    private const int SockStreamCloexec = 0x80001; // SOCK_STREAM | SOCK_CLOEXEC
    private const int ShutBoth = 2;
    private const int MsgNoSignal = 0x4000; // an answer that nobody reads any more is an error, not a signal
    private const int AddressBytes = 110;   // struct sockaddr_un: family:u16 path:108
    private const int PathBytes = 107;      // with a zero at the end
    private const int Interrupted = 4;      // EINTR

    private readonly SafeFileHandle _socket;

    private UnixSocket(SafeFileHandle socket) => _socket = socket;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Connects; null and the error number (EACCES is 13) when nobody answers there.</summary>
    public static UnixSocket? Connect(string path, out int error)
    {
        error = 0;
        Span<byte> address = stackalloc byte[AddressBytes];
        address.Clear();
        address[BitConverter.IsLittleEndian ? 0 : 1] = AfUnix;
        if (Encoding.UTF8.GetByteCount(path) > PathBytes) return null;
        Encoding.UTF8.GetBytes(path, address[2..]);
        var socket = new SafeFileHandle(OpenSocket(AfUnix, SockStreamCloexec, 0), ownsHandle: true);
        if (!socket.IsInvalid && ConnectSocket(socket, address, AddressBytes) == 0) return new UnixSocket(socket);
        error = Marshal.GetLastPInvokeError();
        socket.Dispose();
        return null;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        while (true)
        {
            var count = Receive(_socket, buffer, (nuint)buffer.Length, 0);
            if (count >= 0) return (int)count;
            if (Marshal.GetLastPInvokeError() is not Interrupted and var error) throw new IOException($"the socket failed: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var count = Send(_socket, buffer, (nuint)buffer.Length, MsgNoSignal);
            if (count >= 0) buffer = buffer[(int)count..];
            else if (Marshal.GetLastPInvokeError() is not Interrupted and var error) throw new IOException($"the socket failed: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_socket.IsClosed)
        {
            _ = Shutdown(_socket, ShutBoth); // fails when the other side was first
            _socket.Dispose();
        }
        base.Dispose(disposing);
    }

    [LibraryImport("libc.so.6", EntryPoint = "socket", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint OpenSocket(int domain, int type, int protocol);

    [LibraryImport("libc.so.6", EntryPoint = "connect", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ConnectSocket(SafeFileHandle socket, ReadOnlySpan<byte> address, uint length);

    [LibraryImport("libc.so.6", EntryPoint = "recv", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Receive(SafeFileHandle socket, Span<byte> buffer, nuint length, int flags);

    [LibraryImport("libc.so.6", EntryPoint = "send", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Send(SafeFileHandle socket, ReadOnlySpan<byte> buffer, nuint length, int flags);

    [LibraryImport("libc.so.6", EntryPoint = "shutdown", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Shutdown(SafeFileHandle socket, int how);
}
