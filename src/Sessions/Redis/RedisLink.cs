using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Redis;

/// <summary>Keeps one connection to a Redis: makes it again whenever it ends, after pauses that grow. Thread-safe.</summary>
internal sealed class RedisLink : IAsyncDisposable
{
    private readonly RedisOptions _options;
    private readonly string _use;
    private readonly Action<RespReply> _told;
    private readonly Func<RedisConnection, Task> _opened;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly Task _running;
    private TaskCompletionSource<RedisConnection> _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string _problem = "it was not reached yet";

    /// <summary>Begins to connect.</summary>
    /// <param name="options">Where, and what holds.</param>
    /// <param name="use">What for, for the log.</param>
    /// <param name="told">See <see cref="RedisConnection.OpenAsync"/>.</param>
    /// <param name="opened">Called with each new connection before it is used.</param>
    public RedisLink(RedisOptions options, string use, Action<RespReply> told, Func<RedisConnection, Task> opened)
    {
        (_options, _use, _told, _opened) = (options, use, told, opened);
        _running = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>The connection that is open now; null: there is none.</summary>
    public RedisConnection? Current
    {
        get
        {
            lock (_gate) return _open.Task.IsCompletedSuccessfully && _open.Task.Result.Reason is null ? _open.Task.Result : null;
        }
    }

    /// <summary>Why there is no connection, for people.</summary>
    public string Problem => _problem;

    /// <summary>The connection that is open, or comes in time.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.RedisAway"/>.</exception>
    public async Task<RedisConnection> RequireAsync(CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.Limits.Patience, _options.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token, cancellationToken);
        try
        {
            while (true)
            {
                Task<RedisConnection> open;
                lock (_gate) open = _open.Task;
                var connection = await open.WaitAsync(both.Token);
                if (connection.Reason is null) return connection;
                await Task.Delay(TimeSpan.FromMilliseconds(1), _options.Time, both.Token); // the loop is about to see it
            }
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcException(ErrorCode.RedisAway, $"{_options.Address} cannot be reached: {_problem}", inner: e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var limits = _options.Limits;
        var pause = limits.FirstPause;
        var said = "";
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await using var connection = await RedisConnection.OpenAsync(_options.Address, _options.Authorities, limits, _options.Time, _told, _stop.Token);
                await _opened(connection);
                lock (_gate) _open.TrySetResult(connection);
                RedisLog.Reached(_options.Logger, _options.Address, _use);
                (pause, said) = (limits.FirstPause, "");
                await connection.Over.WaitAsync(_stop.Token);
                _problem = connection.Reason?.Message ?? "";
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is IOException or RedisErrorException)
            {
                _problem = e is RedisErrorException ? $"it refuses: {e.Message}" : e.Message;
            }
            finally
            {
                lock (_gate)
                {
                    if (_open.Task.IsCompleted) _open = new TaskCompletionSource<RedisConnection>(TaskCreationOptions.RunContinuationsAsynchronously);
                }
            }
            // The same again and again is said once.
            if (_problem != said) RedisLog.Away(_options.Logger, _options.Address, _use, _problem);
            said = _problem;
            await WaitAsync(pause * (0.5 + _options.Random()));
            pause = pause * 2 < limits.LongestPause ? pause * 2 : limits.LongestPause;
        }
    }

    private async Task WaitAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, _options.Time, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            // All ends.
        }
    }
}

/// <summary>What a client of a Redis needs.</summary>
public sealed record RedisOptions
{
    /// <summary>Where it is.</summary>
    public required RedisAddress Address { get; init; }

    /// <summary>Who may have signed its certificate; null: whom this machine trusts.</summary>
    public X509Certificate2Collection? Authorities { get; init; }

    /// <summary>What holds.</summary>
    public RedisLimits Limits { get; init; } = RedisLimits.Default;

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>A number from 0 to 1, which spreads attempts.</summary>
    public required Func<double> Random { get; init; }

    /// <summary>What happens.</summary>
    public required ILogger Logger { get; init; }
}

/// <summary>Log messages of clients of a Redis, events 7120 to 7129.</summary>
internal static partial class RedisLog
{
    [LoggerMessage(7120, LogLevel.Information, "Connected with {Address} for {Use}")]
    public static partial void Reached(ILogger logger, RedisAddress address, string use);

    [LoggerMessage(7121, LogLevel.Warning, "No connection with {Address} for {Use}: {Reason}")]
    public static partial void Away(ILogger logger, RedisAddress address, string use, string reason);

    [LoggerMessage(7122, LogLevel.Error, "What heard a message failed")]
    public static partial void HearingFailed(ILogger logger, Exception e);
}
