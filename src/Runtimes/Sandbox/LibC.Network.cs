using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>The calls for network namespaces, and for sockets that .NET knows no address of.</summary>
internal static partial class LibC
{
    public const int NewNetwork = 0x40000000;
    public const int NetlinkFamily = 16;
    public const int PacketFamily = 17;
    public const int RawSocket = 3;

    private const int PacketLevel = 263;
    private const int PacketVirtualHeader = 15;
    private const nuint GetInterfaceIndex = 0x8933;
    private const ushort InternetProtocol = 0x0800;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int unshare(int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int setns(int descriptor, int kind);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int socket(int family, int type, int protocol);

    /// <summary>
    /// Lets a packet socket hear what comes by IPv4 on an interface, each frame behind a header (virtio_net_hdr) that says what is still to be
    /// done with it: within one machine checksums are left to whom it leaves by.
    /// </summary>
    public static int Hear(SafeHandle packetSocket, int device) =>
        SetVirtualHeader(packetSocket) != 0 ? -1 : bind(packetSocket, LinkAddress(stackalloc byte[20], device), 20);

    /// <summary>Makes a packet socket send frames behind the same header.</summary>
    public static int SetVirtualHeader(SafeHandle packetSocket) => setsockopt(packetSocket, PacketLevel, PacketVirtualHeader, BitConverter.GetBytes(1), sizeof(int));

    /// <summary>Sends a frame by an interface.</summary>
    public static nint SendFrame(SafeHandle packetSocket, ReadOnlySpan<byte> frame, int device)
    {
        const int dontWait = 0x40;
        return sendto(packetSocket, frame, (nuint)frame.Length, dontWait, LinkAddress(stackalloc byte[20], device), 20);
    }

    /// <summary>The number of an interface in the namespace of a socket; negative when it is not there.</summary>
    public static int InterfaceIndex(SafeHandle anySocket, ReadOnlySpan<byte> name)
    {
        Span<byte> request = stackalloc byte[40];
        request.Clear();
        name.CopyTo(request);
        return ioctl(anySocket, GetInterfaceIndex, request) == 0 ? BitConverter.ToInt32(request[16..]) : -1;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint send(SafeHandle socket, ReadOnlySpan<byte> bytes, nuint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint recv(SafeHandle socket, Span<byte> bytes, nuint count, int flags);

    // struct sockaddr_ll of packet(7).
    private static ReadOnlySpan<byte> LinkAddress(Span<byte> address, int device)
    {
        address.Clear();
        BitConverter.TryWriteBytes(address, (ushort)PacketFamily);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(address[2..], InternetProtocol);
        BitConverter.TryWriteBytes(address[4..], device);
        return address;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(SafeHandle socket, ReadOnlySpan<byte> address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(SafeHandle socket, int level, int name, ReadOnlySpan<byte> value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(SafeHandle socket, ReadOnlySpan<byte> bytes, nuint count, int flags, ReadOnlySpan<byte> address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeHandle descriptor, nuint request, Span<byte> value);
}
