namespace PeoplesCloud.Daemon.Swarms;

/// <summary>
/// Owns work that nobody waits for: sending a message, bringing programs in line. Bounded per key: what comes while a key has
/// too much under way is dropped, as a lossy network would. Stopping waits for all of it.
/// </summary>
internal sealed class Outbox<TKey>(int maxPerKey, Action<Exception> failed) : IAsyncDisposable
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, int> _underWay = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _idle;
    private int _count;
    private bool _closed;

    /// <summary>Begins work; false when it was dropped.</summary>
    public bool TryRun(TKey key, Func<CancellationToken, Task> work)
    {
        lock (_gate)
        {
            var count = _underWay.GetValueOrDefault(key);
            if (_closed || count >= maxPerKey) return false;
            _underWay[key] = count + 1;
            _count++;
        }
        _ = RunAsync(key, work);
        return true;
    }

    /// <summary>Completes at a moment at which nothing is under way.</summary>
    public Task WhenIdleAsync()
    {
        lock (_gate) return _count == 0 ? Task.CompletedTask : (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
    }

    /// <summary>Waits until nothing is under way, at most for <paramref name="patience"/>, then cancels what is left.</summary>
    public async Task CloseAsync(TimeSpan patience)
    {
        lock (_gate)
        {
            _closed = true;
            if (_count == 0) _drained.TrySetResult();
        }
        _stop.CancelAfter(patience);
        await _drained.Task;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync(TimeSpan.Zero);
        _stop.Dispose();
    }

    private async Task RunAsync(TKey key, Func<CancellationToken, Task> work)
    {
        try
        {
            await Task.Yield(); // the caller may hold a lock and goes on at once
            await work(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Stopping.
        }
        catch (Exception e)
        {
            failed(e);
        }
        finally
        {
            lock (_gate)
            {
                if (--_underWay[key] == 0) _underWay.Remove(key);
                if (--_count == 0)
                {
                    if (_closed) _drained.TrySetResult();
                    _idle?.TrySetResult();
                    _idle = null;
                }
            }
        }
    }
}
