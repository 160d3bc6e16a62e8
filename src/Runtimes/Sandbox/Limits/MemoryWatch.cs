namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>
/// Looks after the memory of all runs of a runtime, four times a second: one timer for all, since a timer and a file for each made two hundred
/// resting programs cost four per cent of a core. Without control groups a look at one run reads the host's process table, so that each round sees
/// some of the runs only. Thread-safe.
/// </summary>
internal sealed class MemoryWatch(bool isCheap, TimeProvider time) : IDisposable
{
    /// <summary>How many runs one round looks at where a look costs much: 16, so that many runs cost no more than a few per cent of a core.</summary>
    private const int CostlyLooks = 16;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private readonly List<Watched> _runs = [];
    private ITimer? _timer;
    private int _next;
    private bool _looking;
    private bool _disposed;

    /// <summary>Watches a run until what is returned is disposed.</summary>
    /// <param name="isOver">Whether it took more than it may.</param>
    /// <param name="end">Ends it; called once.</param>
    public IDisposable Add(Func<bool> isOver, Action end)
    {
        var run = new Watched(this, isOver, end);
        lock (_gate)
        {
            _runs.Add(run);
            if (_runs.Count == 1 && !_disposed)
            {
                _timer ??= time.CreateTimer(_ => Look(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _timer.Change(Interval, Interval);
            }
        }
        return run;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _timer?.Dispose();
        }
    }

    private void Look()
    {
        Watched[] runs;
        lock (_gate)
        {
            // A round that takes longer than the interval is not joined by the next one.
            if (_looking || _runs.Count == 0) return;
            _looking = true;
            runs = [.. Enumerable.Range(_next, isCheap ? _runs.Count : Math.Min(_runs.Count, CostlyLooks)).Select(index => _runs[index % _runs.Count])];
            _next = (_next + runs.Length) % _runs.Count;
        }
        try
        {
            foreach (var run in runs) Look(run);
        }
        finally
        {
            lock (_gate) _looking = false;
        }
    }

    private static void Look(Watched run)
    {
        try
        {
            if (!run.IsOver()) return;
            run.Dispose();
            run.End();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // It ends at this moment; if not, it is looked at again.
        }
    }

    private void Remove(Watched run)
    {
        lock (_gate)
        {
            _runs.Remove(run);
            if (_next >= _runs.Count) _next = 0;
            if (_runs.Count == 0 && !_disposed) _timer?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private sealed class Watched(MemoryWatch watch, Func<bool> isOver, Action end) : IDisposable
    {
        public bool IsOver() => isOver();

        public void End() => end();

        public void Dispose() => watch.Remove(this);
    }
}
