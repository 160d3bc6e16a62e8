using System.Globalization;
using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Redis;

/// <summary>Commands to a Redis, over a connection that is made again when it broke. A command that may have been run is not sent a second time. Thread-safe.</summary>
public sealed class RedisClient : IAsyncDisposable
{
    private readonly RedisOptions _options;
    private readonly RedisLink _link;

    /// <summary>Begins to connect.</summary>
    public RedisClient(RedisOptions options)
    {
        _options = options;
        var isFirst = true;
        _link = new RedisLink(options, "commands", _ => { }, _ =>
        {
            if (!isFirst) ConnectedAgain?.Invoke();
            isFirst = false;
            return Task.CompletedTask;
        });
    }

    /// <summary>Raised when it is connected again after it was not, before a command is sent.</summary>
    internal event Action? ConnectedAgain;

    /// <summary>Whether it is connected now.</summary>
    public bool IsConnected => _link.Current is not null;

    /// <summary>Why it is not, for people.</summary>
    public string Problem => _link.Problem;

    /// <summary>Asks whether it is there.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.RedisAway"/>, <see cref="ErrorCode.RedisRefused"/>.</exception>
    public async Task PingAsync(CancellationToken cancellationToken) => await RunAsync(cancellationToken, "PING");

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _link.DisposeAsync();

    /// <summary>Runs a command whose words are text.</summary>
    internal Task<RespReply> RunAsync(CancellationToken cancellationToken, params string[] words) => RunAsync(Bytes(words), cancellationToken);

    /// <summary>The same for what must not wait until a Redis is back.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.RedisAway"/>, <see cref="ErrorCode.RedisRefused"/>.</exception>
    internal Task<RespReply> RunNowAsync(CancellationToken cancellationToken, params string[] words) => RunNowAsync(Bytes(words), cancellationToken);

    /// <summary>The same for any bytes.</summary>
    internal Task<RespReply> RunNowAsync(ReadOnlyMemory<byte>[] words, CancellationToken cancellationToken) => _link.Current is { } connection
        ? RunOnAsync(connection, words, cancellationToken)
        : throw new PcException(ErrorCode.RedisAway, $"{_options.Address} cannot be reached: {_link.Problem}");

    /// <summary>Runs a command; the answer is no error.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.RedisAway"/>, <see cref="ErrorCode.RedisRefused"/>.</exception>
    internal async Task<RespReply> RunAsync(ReadOnlyMemory<byte>[] words, CancellationToken cancellationToken) =>
        await RunOnAsync(await _link.RequireAsync(cancellationToken), words, cancellationToken);

    private static ReadOnlyMemory<byte>[] Bytes(string[] words) => [.. words.Select(word => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(word)))];

    private async Task<RespReply> RunOnAsync(RedisConnection connection, ReadOnlyMemory<byte>[] words, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.Limits.AnswerTimeout, _options.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var reply = await connection.AskAsync(words, both.Token);
            return reply.Kind == RespKind.Error ? throw new PcException(ErrorCode.RedisRefused, $"{_options.Address} refuses {Encoding.UTF8.GetString(words[0].Span)}: {RespErrors.Clean(reply.Text)}") : reply;
        }
        catch (IOException e)
        {
            throw new PcException(ErrorCode.RedisAway, $"{_options.Address} went away before it answered: {e.Message}", inner: e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.RedisAway, $"{_options.Address} did not answer within {_options.Limits.AnswerTimeout.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s", inner: e);
        }
    }
}

/// <summary>Texts that a server sent.</summary>
internal static class RespErrors
{
    /// <summary>Without what a terminal or a log would act on.</summary>
    public static string Clean(string text) => new([.. text.Take(200).Select(c => char.IsControl(c) ? ' ' : c)]);
}
