using System.Net;
using System.Net.WebSockets;

namespace PeoplesCloud.Libp2p.WebSockets;

/// <summary>Runs the upgrade of a connected stream to a <see cref="WebSocketStream"/>, either side. A failed one leaves the stream to the caller.</summary>
internal static class WebSocketHandshake
{
    /// <summary>Asks for the upgrade.</summary>
    /// <exception cref="Libp2pException">The other side refuses it or answers something else.</exception>
    public static async ValueTask<WebSocketStream> DialAsync(Stream transport, IPEndPoint endPoint, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        var key = WebSocketUpgrade.NewKey();
        await transport.WriteAsync(WebSocketUpgrade.Request(endPoint.ToString(), key), cancellationToken);

        // Byte by byte: what follows the head is the first frame.
        var head = new byte[limits.MaxUpgradeBytes];
        var length = 0;
        while (!head.AsSpan(0, length).EndsWith(WebSocketUpgrade.End))
        {
            if (length == head.Length) throw Bad($"the answer to the upgrade is longer than {head.Length} bytes");
            length += await ReadAsync(transport, head.AsMemory(length, 1), cancellationToken);
        }
        if (WebSocketUpgrade.ReadResponse(head.AsSpan(0, length), key) is { } reason) throw Bad(reason);
        return Over(transport, isServer: false);
    }

    /// <summary>Answers a request for the upgrade.</summary>
    /// <exception cref="Libp2pException">The other side asks for something else; it was told so.</exception>
    public static async ValueTask<WebSocketStream> AcceptAsync(Stream transport, Libp2pLimits limits, CancellationToken cancellationToken)
    {
        var head = new byte[limits.MaxUpgradeBytes];
        var length = 0;
        var end = -1;
        while (end < 0)
        {
            if (length == head.Length) throw Bad($"the request for an upgrade is longer than {head.Length} bytes");
            length += await ReadAsync(transport, head.AsMemory(length), cancellationToken);
            end = head.AsSpan(0, length).IndexOf(WebSocketUpgrade.End);
        }
        // Nothing may follow the request before it is answered.
        var key = "";
        var reason = end + WebSocketUpgrade.End.Length == length ? WebSocketUpgrade.ReadRequest(head.AsSpan(0, length), out key) : "more than a request was sent";
        if (reason is not null)
        {
            await transport.WriteAsync(WebSocketUpgrade.Refusal.ToArray(), cancellationToken);
            throw Bad(reason);
        }
        await transport.WriteAsync(WebSocketUpgrade.Response(key), cancellationToken);
        return Over(transport, isServer: true);
    }

    // yamux asks after silent peers itself; pings of the other side are answered.
    private static WebSocketStream Over(Stream transport, bool isServer) =>
        new(WebSocket.CreateFromStream(transport, new WebSocketCreationOptions { IsServer = isServer, KeepAliveInterval = TimeSpan.Zero }), transport);

    private static async ValueTask<int> ReadAsync(Stream transport, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = await transport.ReadAsync(buffer, cancellationToken);
        return count > 0 ? count : throw new Libp2pException(Libp2pError.ConnectionClosed, "the connection ended during the upgrade to WebSocket");
    }

    private static Libp2pException Bad(string why) => new(Libp2pError.ProtocolViolation, why);
}
