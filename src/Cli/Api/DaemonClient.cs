using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Sessions;

namespace PeoplesCloud.Cli.Api;

/// <summary>
/// Speaks the local API (docs/protocols/local-api.md) over a home's Unix socket, one connection a request, blocking.
/// Errors of the daemon are thrown as <see cref="DaemonErrorException"/>.
/// </summary>
internal sealed class DaemonClient(string home)
{
    /// <summary>The home whose daemon this speaks with.</summary>
    public string Home { get; } = home;

    private const int SwitchingProtocols = 101;

    private static LocalApiJson Json => LocalApiJson.Default;

    /// <summary>Whether a daemon answers.</summary>
    public bool Answers(out StatusReply? status)
    {
        try
        {
            status = Get("/v1/status", Json.StatusReply);
            return true;
        }
        catch (PcException exception) when (exception.Code is ErrorCode.NoDaemon or ErrorCode.DaemonWentAway)
        {
            status = null;
            return false;
        }
    }

    /// <summary>Asks and reads an answer.</summary>
    public T Get<T>(string path, JsonTypeInfo<T> type) => Read(Open("GET", path, null), type);

    /// <summary>Asks and returns the answer as it came.</summary>
    public byte[] GetBytes(string path)
    {
        using var body = Open("GET", path, null);
        // By hand: Stream.CopyTo begins with the pool of arrays, which costs a command more than this.
        var content = new byte[16 * 1024];
        var length = 0;
        while (body.Read(content.AsSpan(length)) is > 0 and var read)
            if ((length += read) == content.Length) Array.Resize(ref content, content.Length * 2);
        Array.Resize(ref content, length);
        return content;
    }

    /// <summary>Sends nothing but the request and reads an answer.</summary>
    public T Send<T>(string method, string path, JsonTypeInfo<T> type) => Read(Open(method, path, null), type);

    /// <summary>Sends a message and reads an answer.</summary>
    public T Post<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<T> type) =>
        Read(Open("POST", path, JsonSerializer.SerializeToUtf8Bytes(request, requestType)), type);

    /// <summary>Sends a message; the answer says no more than that it was done.</summary>
    public void Post<TRequest>(string path, TRequest request, JsonTypeInfo<TRequest> requestType) =>
        Open("POST", path, JsonSerializer.SerializeToUtf8Bytes(request, requestType)).Dispose();

    /// <summary>Sends a request whose answer says no more than that it was done.</summary>
    public void Send(string method, string path) => Open(method, path, null).Dispose();

    /// <summary>Sends a message and returns the events of the answer as they come. An event of kind error is thrown.</summary>
    public IEnumerable<Event<T>> PostForEvents<TRequest, T>(string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<Event<T>> eventType)
    {
        using var body = Open("POST", path, JsonSerializer.SerializeToUtf8Bytes(request, requestType));
        foreach (var happened in Events(body, eventType)) yield return happened;
    }

    /// <summary>The events of an answer in lines, as they come. An event of kind error is thrown.</summary>
    public static IEnumerable<Event<T>> Events<T>(Stream body, JsonTypeInfo<Event<T>> type)
    {
        using var lines = new StreamReader(body, Encoding.UTF8);
        while (lines.ReadLine() is { } line)
        {
            if (line.Length == 0) continue;
            var happened = Parse(Encoding.UTF8.GetBytes(line), type);
            if (happened.Error is not null) throw new DaemonErrorException(happened.Error);
            yield return happened;
        }
    }

    /// <summary>Sends a request and returns the body of a good answer; the caller disposes it.</summary>
    /// <exception cref="DaemonErrorException">The daemon answered an error.</exception>
    public HttpBody Open(string method, string path, byte[]? content)
    {
        var connection = Connect();
        try
        {
            var head = new StringBuilder().Append(method).Append(' ').Append(path).Append(" HTTP/1.1\r\nHost: pc\r\nConnection: close\r\n");
            if (content is not null) head.Append("Content-Type: application/json\r\n");
            if (content is not null || method != "GET") head.Append("Content-Length: ").Append(content?.Length ?? 0).Append("\r\n");
            connection.Write([.. Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), .. content ?? []]);
            var body = HttpBody.Receive(connection);
            if (body.Status is >= 200 and < 300) return body;
            throw ErrorOf(body, path);
        }
        catch (IOException exception)
        {
            connection.Dispose();
            throw new PcException(ErrorCode.DaemonWentAway, "the connection to the daemon broke", inner: exception);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Turns a connection into one that carries something else than HTTP, both ways at once; the caller disposes both ends.</summary>
    /// <exception cref="DaemonErrorException">The daemon answered an error.</exception>
    public (HttpBody Input, Stream Output) OpenUpgraded(string path, string protocol)
    {
        var connection = Connect();
        try
        {
            connection.Write(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: pc\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"));
            var body = HttpBody.Receive(connection);
            return body.Status == SwitchingProtocols ? (body, connection) : throw ErrorOf(body, path);
        }
        catch (IOException exception)
        {
            connection.Dispose();
            throw new PcException(ErrorCode.DaemonWentAway, "the connection to the daemon broke", inner: exception);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>A part of a path, escaped.</summary>
    public static string Escape(string part) => Uri.EscapeDataString(part);

    private UnixSocket Connect()
    {
        const int AccessDenied = 13; // EACCES
        if (UnixSocket.Connect(HomeFolder.SocketOf(Home), out var error) is { } connection) return connection;
        if (error == AccessDenied) throw new PcException(ErrorCode.AccessDenied, $"the daemon of {Home} belongs to another user", "run the command as the user who started the daemon");
        var up = Launcher.Line(Home, "up");
        throw new PcException(ErrorCode.NoDaemon, $"no daemon answers in {Home}", PyCloudRun.Read(Home) is null ? up : $"{up}; or name one of the nodes of pc sessions, which run there: --home {PyCloudNodes.HomeOf(Home, 1)}");
    }

    private static T Read<T>(HttpBody body, JsonTypeInfo<T> type)
    {
        using (body)
        {
            var content = new MemoryStream();
            body.CopyTo(content);
            return Parse(content.GetBuffer().AsSpan(0, (int)content.Length), type);
        }
    }

    private static T Parse<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new JsonException("null");
        }
        catch (JsonException exception)
        {
            throw new PcException(ErrorCode.DaemonAnswer, "the daemon's answer could not be understood", inner: exception);
        }
    }

    private static Exception ErrorOf(HttpBody body, string path)
    {
        try
        {
            return new DaemonErrorException(Read(body, Json.ErrorReply));
        }
        catch (PcException)
        {
            return new PcException(ErrorCode.DaemonAnswer, $"the daemon answered {body.Status} to {path.Split('?')[0]}");
        }
    }
}
