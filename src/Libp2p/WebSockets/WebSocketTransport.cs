using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p.WebSockets;

/// <summary>Dials WebSocket over plain TCP: encryption is that of the mesh, inside.</summary>
internal sealed class WebSocketTransport(TcpTransport tcp, Libp2pLimits limits, TimeProvider time) : IDialTransport
{
    public bool CanDial(Multiaddr address) => address is { IsWebSocket: true, IsRelayed: false };

    public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        if (!address.TryGetEndPoint(out var endPoint)) throw new ArgumentException($"{address} has no IP address and port", nameof(address));
        var transport = await tcp.DialAsync(address, cancellationToken);
        try
        {
            return await TimeLimit.RunAsync(limits.ConnectTimeout, time, "the upgrade to WebSocket",
                token => WebSocketHandshake.DialAsync(transport, endPoint, limits, token), cancellationToken);
        }
        catch
        {
            await transport.DisposeAsync();
            throw;
        }
    }
}
