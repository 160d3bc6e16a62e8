namespace PeoplesCloud.Libp2p.Tests.Noise;

/// <summary>A clock that stands still until a test moves it; timers fire on the thread that does.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private long _now = 12_345_678_901; // an odd start and frequency, as clocks have

    public override long TimestampFrequency => 7_000_001;

    public override long GetTimestamp()
    {
        lock (_gate) return _now;
    }

    public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2031, 3, 5, 7, 11, 13, TimeSpan.Zero) + GetElapsedTime(0);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        lock (_gate) _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves the clock on in steps of a tenth, so that periods within are seen.</summary>
    public void Advance(TimeSpan span)
    {
        for (var step = 0; step < 10; step++)
        {
            ManualTimer[] due;
            lock (_gate)
            {
                _now += (long)(span.TotalSeconds / 10 * TimestampFrequency) + 1;
                due = [.. _timers.Where(timer => timer.IsDue(_now))];
            }
            foreach (var timer in due) timer.Fire();
        }
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private long _due = long.MaxValue;
        private TimeSpan _period;

        public bool IsDue(long now) => now >= Interlocked.Read(ref _due);

        public void Fire()
        {
            Interlocked.Exchange(ref _due, Next(_period));
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            Interlocked.Exchange(ref _due, Next(dueTime));
            return true;
        }

        public void Dispose()
        {
            Interlocked.Exchange(ref _due, long.MaxValue);
            lock (time._gate) time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private long Next(TimeSpan span) => span > TimeSpan.Zero ? time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency) : long.MaxValue;
    }
}
