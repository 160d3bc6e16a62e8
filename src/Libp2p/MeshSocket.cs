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
    /// Connects. A failure is thrown from here: one of the socket's own gets lines of source into its trace, and what reads those stays in memory,
    /// though that a member's computer is away is nothing special.
    /// </summary>
    /// <exception cref="SocketException">It did not connect.</exception>
    public static async Task ConnectAsync(Socket socket, EndPoint endPoint, CancellationToken cancellationToken)
    {
        using var attempt = new SocketAsyncEventArgs { RemoteEndPoint = endPoint };
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        attempt.Completed += (_, _) => ended.TrySetResult();
        if (socket.ConnectAsync(attempt))
        {
            await using (cancellationToken.UnsafeRegister(static begun => Socket.CancelConnectAsync((SocketAsyncEventArgs)begun!), attempt)) await ended.Task;
        }
        if (attempt.SocketError == SocketError.Success) return;
        cancellationToken.ThrowIfCancellationRequested();
        throw new SocketException((int)attempt.SocketError);
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
