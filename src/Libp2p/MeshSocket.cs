using System.Net.Sockets;

namespace PeoplesCloud.Libp2p;

/// <summary>What every TCP socket of the mesh is set to, dialled or accepted.</summary>
internal static class MeshSocket
{
    private const int IpProtoTcp = 6;
    private const int TcpNotSentLowAt = 25; // linux/tcp.h

    /// <summary>No delay for small writes, few unsent bytes in the kernel; then the stream that owns the socket.</summary>
    public static NetworkStream Prepare(Socket socket, Libp2pLimits limits)
    {
        socket.NoDelay = true;
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption(IpProtoTcp, TcpNotSentLowAt, BitConverter.GetBytes(limits.SocketUnsentBytes));
        }
        return new NetworkStream(socket, ownsSocket: true);
    }
}
