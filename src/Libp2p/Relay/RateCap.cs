namespace PeoplesCloud.Libp2p.Relay;

/// <summary>Bytes per second, with a burst of a tenth of a second; 0 is no limit. Thread-safe.</summary>
internal sealed class RateCap(long bytesPerSecond, TimeProvider time)
{
    private static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(100);
    private readonly Lock _lock = new();
    private readonly long _start = time.GetTimestamp();
    private TimeSpan _paidUntil = -Burst;

    /// <summary>Takes bytes, and waits until they may be sent.</summary>
    public ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        var wait = Take(bytes);
        return wait <= TimeSpan.Zero ? ValueTask.CompletedTask : new ValueTask(Task.Delay(wait, time, cancellationToken));
    }

    /// <summary>Takes bytes; answers how long the taker has to wait.</summary>
    internal TimeSpan Take(long bytes)
    {
        if (bytesPerSecond == 0) return TimeSpan.Zero;
        lock (_lock)
        {
            var now = time.GetElapsedTime(_start);
            var from = _paidUntil > now - Burst ? _paidUntil : now - Burst;
            _paidUntil = from + TimeSpan.FromSeconds((double)bytes / bytesPerSecond);
            return _paidUntil - now;
        }
    }
}
