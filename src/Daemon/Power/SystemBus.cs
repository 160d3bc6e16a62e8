using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Daemon.Power;

/// <summary>
/// A connection to the machine's system bus (D-Bus), over its Unix socket: calls, signals, and the open files that come with answers. One caller at a time.
/// </summary>
internal sealed partial class SystemBus : IDisposable
{
    /// <summary>Where the bus is when nothing else is said.</summary>
    public const string DefaultAddress = "unix:path=/run/dbus/system_bus_socket";

    /// <summary>The bus itself.</summary>
    private const string Itself = "org.freedesktop.DBus";

    private const int Again = 11; // EAGAIN
    private const int WithoutWaiting = 0x40; // MSG_DONTWAIT
    private const int CloseOnExec = 0x40000000; // MSG_CMSG_CLOEXEC
    private const int MostFiles = 8; // that one message brings; the answers here have one
    private const int MaxLine = 512;

    private readonly Socket _socket;
    private readonly byte[] _bytes = new byte[BusMessage.MaxBytes];
    private readonly Queue<SafeFileHandle> _files = new();
    private readonly Queue<BusMessage> _signals = new();
    private int _count;
    private uint _serial;

    private SystemBus(Socket socket) => _socket = socket;

    /// <summary>Connects and says hello.</summary>
    /// <param name="address">Where the bus is: unix:path=PATH, or more, of which the first with a path is taken.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">There is none, or it does not let this user in.</exception>
    public static async Task<SystemBus> OpenAsync(string address, CancellationToken cancellationToken)
    {
        const string prefix = "unix:path=";
        var part = address.Split(';').FirstOrDefault(one => one.StartsWith(prefix, StringComparison.Ordinal)) ?? throw new IOException($"{address} is no address of a bus");
        var path = part[prefix.Length..].Split(',')[0];
        // Not left to the socket to say: a failed connect reads debug symbols for its stack trace, which then stay in memory.
        if (!File.Exists(path)) throw new IOException($"{path} does not exist");
        var bus = new SystemBus(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified));
        try
        {
            await bus._socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            await bus.IntroduceAsync(cancellationToken);
            _ = await bus.CallAsync(Itself, "/org/freedesktop/DBus", Itself, "Hello", [], cancellationToken);
            return bus;
        }
        catch (Exception e)
        {
            bus.Dispose();
            if (e is SocketException or ArgumentException) throw new IOException($"{path}: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Asks to be told of a signal.</summary>
    public Task ListenAsync(string sender, string path, string of, string member, CancellationToken cancellationToken) =>
        CallAsync(Itself, "/org/freedesktop/DBus", Itself, "AddMatch", [$"type='signal',sender='{sender}',path='{path}',interface='{of}',member='{member}'"], cancellationToken);

    /// <summary>Who has a name now, as messages name their sender; null when nobody has.</summary>
    public async Task<string?> OwnerOfAsync(string name, CancellationToken cancellationToken) =>
        (await CallAsync(Itself, "/org/freedesktop/DBus", Itself, "GetNameOwner", [name], cancellationToken)).Text;

    /// <summary>Calls a method and gives its answer, which may be an error.</summary>
    public async Task<BusMessage> CallAsync(string destination, string path, string of, string member, string[] arguments, CancellationToken cancellationToken)
    {
        var serial = ++_serial;
        await SendAsync(BusMessage.Call(serial, destination, path, of, member, arguments), cancellationToken);
        while (true)
        {
            var message = await NextAsync(cancellationToken);
            if (message.Kind is BusKind.Return or BusKind.Error && message.ReplyTo == serial) return message;
            DropFilesOf(message);
            if (message.Kind == BusKind.Signal) Keep(message);
        }
    }

    /// <summary>The next signal.</summary>
    public async Task<BusMessage> NextSignalAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_signals.TryDequeue(out var signal)) return signal;
            var message = await NextAsync(cancellationToken);
            DropFilesOf(message);
            if (message.Kind == BusKind.Signal) return message;
        }
    }

    /// <summary>The open file that an answer brought; null when it brought none.</summary>
    public SafeFileHandle? TakeFileOf(BusMessage answer)
    {
        if (answer.Files == 0 || !_files.TryDequeue(out var file)) return null;
        DropFilesOf(answer with { Files = answer.Files - 1 });
        return file;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
        while (_files.TryDequeue(out var file)) file.Dispose();
    }

    // Somebody else on the bus may send signals without end while this waits for an answer.
    private void Keep(BusMessage signal)
    {
        if (_signals.Count == 64) _signals.Dequeue();
        _signals.Enqueue(signal);
    }

    private void DropFilesOf(BusMessage message)
    {
        for (var left = message.Files; left > 0 && _files.TryDequeue(out var file); left--) file.Dispose();
    }

    // One byte for credentials, then lines: D-Bus Specification, "Authentication Protocol".
    private async Task IntroduceAsync(CancellationToken cancellationToken)
    {
        var user = Convert.ToHexStringLower(Encoding.ASCII.GetBytes(geteuid().ToString(CultureInfo.InvariantCulture)));
        await SendAsync(Encoding.ASCII.GetBytes($"\0AUTH EXTERNAL {user}\r\n"), cancellationToken);
        await ExpectAsync("OK", cancellationToken);
        await SendAsync("NEGOTIATE_UNIX_FD\r\n"u8.ToArray(), cancellationToken);
        await ExpectAsync("AGREE_UNIX_FD", cancellationToken);
        await SendAsync("BEGIN\r\n"u8.ToArray(), cancellationToken);
    }

    private async Task ExpectAsync(string word, CancellationToken cancellationToken)
    {
        int end;
        while ((end = _bytes.AsSpan(0, _count).IndexOf("\r\n"u8)) < 0)
        {
            if (_count > MaxLine) throw new IOException("what answers is no bus");
            await FillAsync(cancellationToken);
        }
        var line = Encoding.ASCII.GetString(_bytes, 0, end);
        Forget(end + 2);
        if (!line.StartsWith(word, StringComparison.Ordinal)) throw new IOException($"the bus does not let this user in: {new string([.. line.Where(c => !char.IsControl(c))])}");
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0) bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, cancellationToken)..];
    }

    private async Task<BusMessage> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (BusMessage.TryRead(_bytes.AsSpan(0, _count), out var message, out var length))
            {
                Forget(length);
                return message;
            }
            if (length < 0) throw new IOException("the bus sent a message that is not read here");
            await FillAsync(cancellationToken);
        }
    }

    private void Forget(int count)
    {
        _bytes.AsSpan(count, _count - count).CopyTo(_bytes);
        _count -= count;
    }

    // Waits without taking anything; what is there is then taken together with the open files that come with it, which .NET's sockets do not give.
    private async Task FillAsync(CancellationToken cancellationToken)
    {
        _ = await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, cancellationToken);
        var count = Receive(_bytes.AsSpan(_count));
        if (count == 0) throw new EndOfStreamException("the bus has gone");
        if (count > 0) _count += count;
        else if (Marshal.GetLastPInvokeError() is not Again and var error) throw new IOException($"recvmsg: errno {error}");
    }

    private unsafe int Receive(Span<byte> into)
    {
        Span<byte> control = stackalloc byte[16 + (MostFiles * sizeof(int))];
        fixed (byte* bytes = into, words = control)
        {
            var vector = new IoVector { Base = bytes, Length = (nuint)into.Length };
            var header = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = words, ControlLength = (nuint)control.Length };
            var count = (int)recvmsg(_socket.Handle, ref header, WithoutWaiting | CloseOnExec);
            // One control message at most: its length with its head of 16, SOL_SOCKET, SCM_RIGHTS.
            if (count >= 0 && header.ControlLength >= 16 && MemoryMarshal.Read<int>(control[8..]) == 1 && MemoryMarshal.Read<int>(control[12..]) == 1)
            {
                var length = (int)Math.Min(MemoryMarshal.Read<nuint>(control), header.ControlLength);
                for (var at = 16; at + sizeof(int) <= length; at += sizeof(int)) _files.Enqueue(new SafeFileHandle(MemoryMarshal.Read<int>(control[at..]), ownsHandle: true));
            }
            return count;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint recvmsg(nint socket, ref MessageHeader message, int flags);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint geteuid();

    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    // struct msghdr of Linux with 64 bits.
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct MessageHeader
    {
        public byte* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
