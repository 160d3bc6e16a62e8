using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Daemon.Tunnels;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Web;

/// <summary>
/// Passes a browser's request on to a web program and its answer back, both as they come, without holding either. WebSockets and other
/// upgrades become a plain exchange of bytes. Connections are kept for the next request and belong to one version of one program.
/// </summary>
internal sealed class WebForwarder : IDisposable
{
    private static readonly HttpRequestOptionsKey<(LocalSwarm Swarm, string Program, int Port, TimeSpan? Patience)> Target = new("target");

    // About one connection, not about the request (RFC 9110 section 7.6.1), or written anew here.
    private static readonly HashSet<string> OfConnection = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Host", "HTTP2-Settings",
    };

    private readonly TunnelDialer _dialer;
    private readonly HttpMessageInvoker _client;

    /// <summary>Forwards through tunnels.</summary>
    public WebForwarder(TunnelDialer dialer)
    {
        _dialer = dialer;
        _client = new HttpMessageInvoker(
            new SocketsHttpHandler
            {
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                AutomaticDecompression = DecompressionMethods.None,
                ActivityHeadersPropagator = null,
                MaxConnectionsPerServer = WebLimits.MaxConnectionsPerProgram,
                PooledConnectionIdleTimeout = WebLimits.IdleTimeout,
                PooledConnectionLifetime = WebLimits.ConnectionLifetime,
                ConnectCallback = ConnectAsync,
            },
            disposeHandler: true);
    }

    /// <summary>Forwards one request.</summary>
    /// <exception cref="PcException">The program cannot be reached.</exception>
    /// <exception cref="WebAnswerException">It was reached, and gave no answer or none that is one.</exception>
    public async Task ForwardAsync(HttpContext context, LocalSwarm swarm, string program)
    {
        // 1. Which program runs under this name now.
        var (found, port) = _dialer.Find(swarm, program, null, web: true);
        using var request = RequestOf(context, $"{found.Id}.program", port.Number);
        request.Options.Set(Target, (swarm, program, port.Number, WebPage.IsLookedAt(context.Request) ? WebLimits.PagePatience : null));

        // 2. Its answer.
        HttpResponseMessage response;
        try
        {
            response = await _client.SendAsync(request, context.RequestAborted);
        }
        catch (Exception e) when (e is HttpRequestException && !context.RequestAborted.IsCancellationRequested)
        {
            throw e.InnerException is PcException unreached ? unreached : new WebAnswerException(program, e.InnerException ?? e);
        }
        using (response)
        {
            context.Response.StatusCode = (int)response.StatusCode;
            CopyHeaders(response, context.Response);
            if (response.StatusCode == HttpStatusCode.SwitchingProtocols) await UpgradeAsync(context, request, response);
            else await CopyBodyAsync(context, response);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        if (!context.InitialRequestMessage.Options.TryGetValue(Target, out var target)) throw new InvalidOperationException("every request names its program");
        return (await _dialer.DialAsync(target.Swarm, target.Program, target.Port, cancellationToken, target.Patience)).Stream;
    }

    private static HttpRequestMessage RequestOf(HttpContext context, string authority, int port)
    {
        var from = context.Request;
        var raw = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var path = PathOf(raw);
        // As the browser wrote it: what is escaped how is the program's business.
        var uri = new Uri($"http://{authority}:{port}{path}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var request = new HttpRequestMessage(new HttpMethod(from.Method), uri) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        if (from.ContentLength > 0 || context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true }) request.Content = new StreamContent(from.Body);
        foreach (var (name, values) in from.Headers)
        {
            if (OfConnection.Contains(name)) continue;
            if (!request.Headers.TryAddWithoutValidation(name, values.AsEnumerable())) request.Content?.Headers.TryAddWithoutValidation(name, values.AsEnumerable());
        }
        request.Headers.Host = from.Host.Value;
        if (context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true })
        {
            request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
            request.Headers.TryAddWithoutValidation("Upgrade", from.Headers.Upgrade.AsEnumerable());
        }
        return request;
    }

    // A request may name the whole address (RFC 9112, section 3.2.2).
    private static string PathOf(string target)
    {
        if (target.StartsWith('/')) return target;
        var authority = target.IndexOf("://", StringComparison.Ordinal);
        var path = authority < 0 ? -1 : target.IndexOf('/', authority + 3);
        return path < 0 ? "/" : target[path..];
    }

    private static void CopyHeaders(HttpResponseMessage from, HttpResponse to)
    {
        foreach (var (name, values) in from.Headers.NonValidated.Concat(from.Content.Headers.NonValidated))
        {
            if (OfConnection.Contains(name)) continue;
            to.Headers.Append(name, name.Equals("Set-Cookie", StringComparison.OrdinalIgnoreCase) ? values.Select(WebGuard.OwnCookie).ToArray() : values.ToArray());
        }
    }

    private static async Task CopyBodyAsync(HttpContext context, HttpResponseMessage response)
    {
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await using var body = await response.Content.ReadAsStreamAsync(context.RequestAborted);
        await context.Response.StartAsync(context.RequestAborted); // the headers come before the first byte: events are waited for
        await context.Response.Body.FlushAsync(context.RequestAborted);
        var buffer = new byte[WebLimits.BufferBytes];
        int count;
        while ((count = await body.ReadAsync(buffer, context.RequestAborted)) > 0)
        {
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private async Task UpgradeAsync(HttpContext context, HttpRequestMessage request, HttpResponseMessage response)
    {
        if (!request.Headers.Contains("Upgrade") || context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } feature)
            throw new WebAnswerException("the program", new InvalidOperationException("it changed to another protocol, which was not asked for"));
        context.Response.Headers.Connection = "Upgrade";
        if (response.Headers.NonValidated.TryGetValues("Upgrade", out var protocols)) context.Response.Headers.Upgrade = protocols.ToArray();
        await using var near = await feature.UpgradeAsync();
        await using var far = await response.Content.ReadAsStreamAsync(context.RequestAborted);
        // Neither can be closed one way only. A WebSocket says goodbye by a frame of its own, so the end of one way is the end.
        await PortEnd.JoinAsync(EndOf(near, context.Abort), EndOf(far, far.Dispose), _dialer.Limits.Ports.BufferBytes, context.RequestAborted);

        static PortEnd EndOf(Stream stream, Action abort) => new(stream, stream.DisposeAsync, abort);
    }
}

/// <summary>A web program was reached and gave no answer, or none that is HTTP.</summary>
internal sealed class WebAnswerException(string program, Exception why) : Exception($"{program} did not answer: {why.Message}", why);
