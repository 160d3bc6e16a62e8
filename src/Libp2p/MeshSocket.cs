using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.Libp2p;

/// <summary>What every TCP socket of the mesh is set to, dialled or accepted.</summary>
internal static class MeshSocket
{
    private const int IpProtoTcp = 6;
    private const int TcpCongestion = 13; // linux/tcp.h
    private const int TcpNotSentLowAt = 25;

    /// <summary>No delay for small writes, few unsent bytes in the kernel, queues on the way kept short; then the stream that owns the socket.</summary>
    public static NetworkStream Prepare(Socket socket, Libp2pLimits limits)
    {
        socket.NoDelay = true;
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption(IpProtoTcp, TcpNotSentLowAt, BitConverter.GetBytes(limits.SocketUnsentBytes));
            if (socket.RemoteEndPoint is IPEndPoint { Address: var far } && !IPAddress.IsLoopback(far)) AskForBbr(socket);
        }
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>
    /// Asks the kernel for BBR (Cardwell et al., ACM Queue 14:5, 2016) on this socket. It sends at the rate that the path was seen to
    /// take instead of filling the queue of a home's router until packets drop, so what one member sends in bulk does not hold up the
    /// small messages beside it. The kernel may not have BBR, or not allow it to this user (<c>net.ipv4.tcp_allowed_congestion_control</c>);
    /// then the socket keeps what the machine uses.
    /// </summary>
    /// <returns>Whether the kernel did.</returns>
    internal static bool AskForBbr(Socket socket)
    {
        try
        {
            socket.SetRawSocketOption(IpProtoTcp, TcpCongestion, "bbr"u8);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
