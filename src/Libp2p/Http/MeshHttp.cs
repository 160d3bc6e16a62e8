using Microsoft.AspNetCore.Hosting;

namespace PeoplesCloud.Libp2p;

/// <summary>HTTP/1.1 over libp2p streams (protocol id <c>/http/1.1</c>), in both directions; see docs/protocols/http-over-libp2p.md.</summary>
public static class MeshHttp
{
    /// <summary>The protocol id of the libp2p HTTP specification.</summary>
    public const string Protocol = "/http/1.1";

    /// <summary>Kestrel serves the host's <c>/http/1.1</c> streams and nothing else; each connection has an <see cref="IRemotePeerFeature"/>.</summary>
    public static void UseLibp2p(this IWebHostBuilder builder, Libp2pHost host) => throw new NotSupportedException();

    /// <summary>A client for <c>http://&lt;peer id in base36&gt;/path</c>; see <see cref="UriOf"/>. Streams are pooled by peer. Dispose it before the host.</summary>
    public static HttpClient CreateClient(Libp2pHost host) => throw new NotSupportedException();

    /// <summary>The URI of a path on a peer; the path starts with a slash.</summary>
    public static Uri UriOf(PeerId peer, string path) => new($"http://{peer.ToBase36()}{path}");
}
