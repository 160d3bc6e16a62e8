using System.Net;

namespace PeoplesCloud.Content;

/// <summary>
/// Asks one HTTP server for blocks: a trustless gateway, or the RPC API of a Kubo daemon. The server learns which blocks this node wants
/// and is trusted with nothing else: what it answers is bounded here and checked by whoever asked (<see cref="BlockFetcher"/>). A server
/// that fails is left alone for a while. Thread-safe.
/// </summary>
public sealed class HttpBlockSource : IBlockSource, IDisposable
{
    /// <summary>How long a server that failed is not asked. A file of thousands of blocks must not wait for it thousands of times.</summary>
    private static readonly TimeSpan Forgiven = TimeSpan.FromSeconds(30);

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, // a server could send us to an address inside our network
        AutomaticDecompression = DecompressionMethods.None, // a block is as long as it is, not as long as it unpacks to
        UseCookies = false,
        MaxResponseHeadersLength = 16, // KiB
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        MaxConnectionsPerServer = 8, // as many as a walk asks for at a time
    })
    {
        Timeout = Timeout.InfiniteTimeSpan, // the fetcher's limit for a source holds
    };

    private readonly HttpMethod _method;
    private readonly string _before;
    private readonly string _after;
    private readonly TimeProvider _time;
    private long? _failed;

    private HttpBlockSource(HttpMethod method, string before, string after, TimeProvider time)
    {
        _method = method;
        _before = before;
        _after = after;
        _time = time;
    }

    /// <summary>A gateway: <c>GET {gateway}/ipfs/{cid}?format=raw</c> (trustless gateway specification).</summary>
    public static HttpBlockSource OfGateway(Uri gateway, TimeProvider time) => new(HttpMethod.Get, gateway.AbsoluteUri.TrimEnd('/') + "/ipfs/", "?format=raw", time);

    /// <summary>A Kubo daemon: <c>POST {api}/api/v0/block/get?arg={cid}</c> (Kubo's RPC API). It looks in the whole of IPFS for what it does not hold.</summary>
    public static HttpBlockSource OfKubo(Uri api, TimeProvider time) => new(HttpMethod.Post, api.AbsoluteUri.TrimEnd('/') + "/api/v0/block/get?arg=", "", time);

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> FetchAsync(Cid cid, CancellationToken cancellationToken)
    {
        if (_failed is { } at && _time.GetElapsedTime(at) < Forgiven) return null;
        using var request = new HttpRequestMessage(_method, $"{_before}{cid}{_after}");
        if (_method == HttpMethod.Get) request.Headers.Accept.ParseAdd("application/vnd.ipld.raw");
        try
        {
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable) _failed = _time.GetTimestamp();
            return response.StatusCode == HttpStatusCode.OK ? await ReadAsync(response.Content, cancellationToken) : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            _failed = _time.GetTimestamp();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    // The whole body; null when it is longer than a block may be.
    private static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        if (content.Headers.ContentLength > IBlockStore.MaxBlockBytes) return null;
        await using var body = await content.ReadAsStreamAsync(cancellationToken);
        // One byte more than is expected, so that the end shows without growing.
        var bytes = new byte[(content.Headers.ContentLength ?? 64 << 10) + 1];
        for (var length = 0; ;)
        {
            var read = await body.ReadAsync(bytes.AsMemory(length), cancellationToken);
            if (read == 0) return bytes.AsMemory(0, length);
            length += read;
            if (length > IBlockStore.MaxBlockBytes) return null;
            if (length == bytes.Length) Array.Resize(ref bytes, Math.Min(2 * length, IBlockStore.MaxBlockBytes + 1));
        }
    }
}
