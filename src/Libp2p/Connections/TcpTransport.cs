using System.Net.Sockets;

namespace PeoplesCloud.Libp2p.Connections;

/// <summary>Dials plain TCP.</summary>
internal sealed class TcpTransport(Libp2pLimits limits, TimeProvider time) : IDialTransport
{
    public bool CanDial(Multiaddr address) => address is { Port: not null, IsWebSocket: false, IsRelayed: false };

    public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        if (!address.TryGetEndPoint(out var endPoint)) throw new ArgumentException($"{address} has no IP address and port", nameof(address));
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            return await TimeLimit.RunAsync(limits.ConnectTimeout, time, "connecting", async token =>
            {
                await MeshSocket.ConnectAsync(socket, endPoint, token);
                return MeshSocket.Prepare(socket, limits);
            }, cancellationToken);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
