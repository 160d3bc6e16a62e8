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
        _link = new RedisLink(options, "commands", _ => { }, _ => Task.CompletedTask);
    }

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
    internal Task<RespReply> RunAsync(CancellationToken cancellationToken, params string[] words) => RunAsync([.. words.Select(word => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(word)))], cancellationToken);

    /// <summary>Runs a command; the answer is no error.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.RedisAway"/>, <see cref="ErrorCode.RedisRefused"/>.</exception>
    internal async Task<RespReply> RunAsync(ReadOnlyMemory<byte>[] words, CancellationToken cancellationToken)
    {
        var connection = await _link.RequireAsync(cancellationToken);
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
