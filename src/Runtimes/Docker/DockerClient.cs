using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>What the Engine API answered instead of what was asked for.</summary>
internal sealed class DockerException(HttpStatusCode status, string message) : Exception(message)
{
    /// <summary>The status of the answer.</summary>
    public HttpStatusCode Status { get; } = status;
}

/// <summary>
/// The Engine API over its Unix socket. Paths carry no version: Docker and Podman then speak their newest, and what is used here has been
/// the same since version 1.40. Thread-safe.
/// </summary>
internal sealed class DockerClient : IDisposable
{
    private readonly string _socket;
    private readonly TimeProvider _time;
    private readonly HttpClient _http;

    /// <summary>A client of the engine at a socket; nothing is connected yet.</summary>
    public DockerClient(string socket, TimeProvider time)
    {
        _socket = socket;
        _time = time;
        _http = new HttpClient(Handler(socket, _ => { })) { BaseAddress = BaseAddress, Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = DockerLimits.AnswerBytes };
    }

    private static Uri BaseAddress { get; } = new("http://docker");

    /// <summary>Asks for something short.</summary>
    /// <returns>The answer; undefined when it is empty.</returns>
    /// <exception cref="DockerException">The engine refused.</exception>
    /// <exception cref="PcException">There is no engine at the socket (<see cref="ErrorCode.DockerUnreachable"/>).</exception>
    public async Task<JsonElement> CallAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(DockerLimits.CallTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var answer = await SendAsync(method, path, ContentOf(body), HttpCompletionOption.ResponseContentRead, both.Token);
            return Parse(await answer.Content.ReadAsByteArrayAsync(both.Token));
        }
        catch (OperationCanceledException e) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Unreachable($"it did not answer within {DockerLimits.CallTimeout.TotalSeconds} s", e);
        }
    }

    /// <summary>Asks for something that takes as long as it takes: the end of a container, events, a build. Disposing the answer ends it.</summary>
    /// <exception cref="DockerException">The engine refused.</exception>
    /// <exception cref="PcException">There is no engine at the socket.</exception>
    public Task<HttpResponseMessage> OpenAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken) =>
        SendAsync(method, path, content, HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    /// <summary>Opens a connection that carries a container's input and output.</summary>
    /// <exception cref="DockerException">The engine refused.</exception>
    /// <exception cref="PcException">There is no engine at the socket.</exception>
    public async Task<DockerAttachment> AttachAsync(string path, JsonObject? body, CancellationToken cancellationToken)
    {
        Socket? connected = null;
        // A handler of its own: the connection is taken over, and its sending half is closed apart from the other.
        var http = new HttpClient(Handler(_socket, socket => connected = socket)) { BaseAddress = BaseAddress, Timeout = Timeout.InfiniteTimeSpan };
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = ContentOf(body) };
            request.Headers.Connection.Add("Upgrade");
            request.Headers.Upgrade.Add(new ProductHeaderValue("tcp"));
            var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (answer.StatusCode != HttpStatusCode.SwitchingProtocols) await ThrowIfRefusedAsync(answer, cancellationToken);
            return new DockerAttachment(http, connected!, await answer.Content.ReadAsStreamAsync(cancellationToken));
        }
        catch (HttpRequestException e)
        {
            http.Dispose();
            throw Unreachable(Reason(e), e);
        }
        catch
        {
            http.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>Writes a part of a path or query so that it is one.</summary>
    public static string Escape(string text) => Uri.EscapeDataString(text);

    /// <summary>The parameter of lists that selects by labels or events.</summary>
    public static string Filters(params ReadOnlySpan<(string Name, string Value)> filters)
    {
        var all = new JsonObject();
        foreach (var (name, value) in filters)
        {
            if (all[name] is not JsonArray values) all[name] = values = [];
            values.Add((JsonNode)value);
        }
        return Escape(all.ToJsonString());
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        HttpResponseMessage? answer = null;
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = content };
            answer = await _http.SendAsync(request, completion, cancellationToken);
            await ThrowIfRefusedAsync(answer, cancellationToken);
            return answer;
        }
        catch (HttpRequestException e)
        {
            answer?.Dispose();
            throw Unreachable(Reason(e), e);
        }
        catch
        {
            answer?.Dispose();
            throw;
        }
    }

    private static async Task ThrowIfRefusedAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.NotModified) return;
        await answer.Content.LoadIntoBufferAsync(DockerLimits.AnswerBytes, cancellationToken);
        var bytes = await answer.Content.ReadAsByteArrayAsync(cancellationToken);
        var told = TryParse(bytes) is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty("message", out var message) ? message.GetString() : null;
        throw new DockerException(answer.StatusCode, told ?? $"{(int)answer.StatusCode} {answer.ReasonPhrase}");
    }

    // With its length known: Docker refuses bodies of unknown length in places.
    private static ByteArrayContent? ContentOf(JsonObject? body)
    {
        if (body is null) return null;
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString()));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    private static JsonElement Parse(byte[] bytes) => bytes.Length == 0 ? default : TryParse(bytes) ?? throw new InvalidDataException("the engine's answer is no JSON");

    private static JsonElement? TryParse(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64 });
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private PcException Unreachable(string why, Exception inner) => new(
        ErrorCode.DockerUnreachable,
        $"no Docker answers at {_socket}: {why}",
        inner.InnerException is SocketException { SocketErrorCode: SocketError.AccessDenied } ? "run the daemon as root or in the group docker (either is root on this machine, in effect), or use a Docker or Podman of its own user (rootless)" : null,
        inner);

    private static string Reason(HttpRequestException e) => e.InnerException?.Message ?? e.Message;

    private static SocketsHttpHandler Handler(string socketPath, Action<Socket> connected) => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
                connected(socket);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };
}
