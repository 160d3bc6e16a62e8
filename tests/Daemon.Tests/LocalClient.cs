using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests;

/// <summary>Speaks the local API over a socket. Errors are thrown as <see cref="ApiException"/>.</summary>
internal sealed class LocalClient(string socketPath) : IDisposable
{
    private readonly HttpClient _http = SocketClient(socketPath);

    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type) => await ReadAsync(await _http.GetAsync(path, Cancelled), type);

    public async Task<T> PostAsync<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type) =>
        await ReadAsync(await _http.PostAsync(path, JsonContent.Create(request, requestType), Cancelled), type);

    public async Task PostAsync<TRequest>(string path, TRequest request, JsonTypeInfo<TRequest> requestType)
    {
        using var response = await _http.PostAsync(path, JsonContent.Create(request, requestType), Cancelled);
        await ThrowIfErrorAsync(response);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null) =>
        await _http.SendAsync(new HttpRequestMessage(method, path) { Content = content }, HttpCompletionOption.ResponseHeadersRead, Cancelled);

    /// <summary>The events of a long answer; an event of kind error is thrown.</summary>
    public async IAsyncEnumerable<Event<T>> EventsAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<Event<T>> type)
    {
        using var response = await SendAsync(method, path, content);
        await ThrowIfErrorAsync(response);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(Cancelled));
        while (await lines.ReadLineAsync(Cancelled) is { } line)
        {
            var happened = JsonSerializer.Deserialize(line, type)!;
            if (happened.Error is { } error) throw new ApiException(error);
            yield return happened;
        }
    }

    public async Task<T> PostAsync<T>(string path, JsonTypeInfo<T> type) => await ReadAsync(await _http.PostAsync(path, null, Cancelled), type);

    public void Dispose() => _http.Dispose();

    private static HttpClient SocketClient(string path) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://pc"),
        Timeout = Timeout.InfiniteTimeSpan,
    };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type)
    {
        using (response)
        {
            await ThrowIfErrorAsync(response);
            return (await response.Content.ReadFromJsonAsync(type, Cancelled))!;
        }
    }

    private static async Task ThrowIfErrorAsync(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode) throw new ApiException((await response.Content.ReadFromJsonAsync(LocalApiJson.Default.ErrorReply, Cancelled))!);
    }
}

/// <summary>The daemon answered an error.</summary>
internal sealed class ApiException(ErrorReply reply) : Exception($"{reply.Code}: {reply.Message} (try: {reply.Hint})")
{
    public ErrorReply Reply { get; } = reply;
}
