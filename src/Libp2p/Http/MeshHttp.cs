using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using PeoplesCloud.Libp2p.Http;

namespace PeoplesCloud.Libp2p;

/// <summary>HTTP/1.1 over libp2p streams (protocol id <c>/http/1.1</c>), in both directions; see docs/protocols/http-over-libp2p.md.</summary>
public static class MeshHttp
{
    /// <summary>The protocol id of the libp2p HTTP specification.</summary>
    public const string Protocol = "/http/1.1";

    /// <summary>An idle pooled stream is closed after this. Shorter than Kestrel's own limit (130 s), so that the client closes first.</summary>
    private static readonly TimeSpan PooledIdleTimeout = TimeSpan.FromSeconds(60);

    /// <summary>The same for bulk, whose connection ends with its last stream.</summary>
    private static readonly TimeSpan PooledBulkIdleTimeout = TimeSpan.FromSeconds(15);

    /// <summary>A pooled stream takes no new request after this, so that requests move to a better connection when there is one: a direct one in place of a relayed one.</summary>
    private static readonly TimeSpan PooledLifetime = TimeSpan.FromMinutes(2);

    /// <summary>Streams at once to one peer; further requests wait. Half of what a peer accepts by default (<see cref="Libp2pLimits.MaxInboundStreams"/>).</summary>
    private const int MaxStreamsPerPeer = 128;

    /// <summary>The host's <c>/http/1.1</c> streams as the connections of a Kestrel; each has an <see cref="IRemotePeerFeature"/>. Stop the server before the host.</summary>
    public static IConnectionListenerFactory CreateTransport(Libp2pHost host) => new MeshListenerFactory(host);

    /// <summary>Kestrel serves the host's streams, see <see cref="CreateTransport"/>, and does not say what it is.</summary>
    public static void ListenOn(this KestrelServerOptions options, Libp2pHost host)
    {
        options.AddServerHeader = false;
        options.Listen(new MeshEndPoint(host.Self), listen => listen.Protocols = HttpProtocols.Http1);
    }

    /// <summary>
    /// A client for <c>http://&lt;peer id in base36&gt;/path</c>; see <see cref="UriOf"/>. Streams are pooled by peer. A peer that cannot be reached
    /// is an <see cref="HttpRequestException"/> around a <see cref="Libp2pException"/>. Cancelling a request resets its stream.
    /// Dispose it before the host.
    /// </summary>
    /// <param name="host">Opens the streams.</param>
    /// <param name="use">What the requests are for.</param>
    public static HttpClient CreateClient(Libp2pHost host, StreamUse use = StreamUse.Quick) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (context, cancellationToken) =>
        {
            if (!PeerId.TryParse(context.DnsEndPoint.Host, out var peer)) throw new Libp2pException(Libp2pError.Unreachable, $"{context.DnsEndPoint.Host} is no peer id in base36");
            var stream = await host.OpenStreamAsync(peer, Protocol, use, cancellationToken);
            return new DuplexStream(stream, resetOnDispose: true);
        },
        MaxConnectionsPerServer = MaxStreamsPerPeer,
        PooledConnectionIdleTimeout = use == StreamUse.Bulk ? PooledBulkIdleTimeout : PooledIdleTimeout,
        PooledConnectionLifetime = PooledLifetime,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false, // a member must not send us to another peer
        ActivityHeadersPropagator = null,
    });

    /// <summary>The URI of a path on a peer; the path starts with a slash.</summary>
    public static Uri UriOf(PeerId peer, string path) => new($"http://{peer.ToBase36()}{path}");
}
