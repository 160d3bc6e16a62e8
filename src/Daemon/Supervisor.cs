using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Daemon;

/// <summary>What becomes of the node when a background part fails in a way that it did not foresee.</summary>
internal enum FailurePolicy
{
    /// <summary>The part starts again after a pause that doubles up to a minute.</summary>
    Restart,

    /// <summary>The node stops: going on could damage what it keeps.</summary>
    StopNode,
}

/// <summary>Owns the background parts: starts, watches and stops them. The one place where an unexpected exception of a loop ends.</summary>
internal sealed class Supervisor(TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<Exception> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly List<Task> _parts = [];

    /// <summary>Completes with the cause when a part stops the node.</summary>
    public Task<Exception> Failed => _failed.Task;

    /// <summary>Starts a part that ends when it is cancelled or has nothing more to do.</summary>
    public void Run(string part, FailurePolicy policy, Func<CancellationToken, Task> run)
    {
        lock (_gate)
        {
            if (_stop.IsCancellationRequested) return;
            _parts.RemoveAll(p => p.IsCompleted);
            _parts.Add(Task.Run(() => WatchAsync(part, policy, run), CancellationToken.None));
        }
    }

    /// <summary>Stops all parts and waits for them.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] parts;
        lock (_gate)
        {
            _stop.Cancel();
            parts = [.. _parts];
        }
        await Task.WhenAll(parts);
        _stop.Dispose();
    }

    private async Task WatchAsync(string part, FailurePolicy policy, Func<CancellationToken, Task> run)
    {
        var pause = FirstPause;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await run(_stop.Token);
                return;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (policy == FailurePolicy.StopNode)
            {
                DaemonLog.PartStopsNode(logger, part, e);
                _failed.TrySetResult(e);
                return;
            }
            catch (Exception e)
            {
                DaemonLog.PartRestarts(logger, part, pause, e);
            }
            try
            {
                await Task.Delay(pause, time, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));
        }
    }
}
