using System.Runtime.InteropServices;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>
/// Time that goes on while the machine sleeps: timestamps are CLOCK_BOOTTIME, and timers ring at once when the machine wakes after they
/// were due. .NET's own timestamps and timers are CLOCK_MONOTONIC, which stands still in suspend; a lease that is measured with them
/// would still seem good after a night. The wall clock is the system's, which leases never look at.
/// One thread of its own waits for the next timer, so that a busy thread pool delays nobody; callbacks run on it, one after another, and
/// must be quick. Thread-safe.
/// </summary>
internal sealed partial class BootTimeProvider : TimeProvider, IDisposable
{
    private const int BootTime = 7; // CLOCK_BOOTTIME
    private const int CloseOnExec = 0x80000; // TFD_CLOEXEC
    private const int Absolute = 1; // TFD_TIMER_ABSTIME
    private const long Second = 1_000_000_000;

    /// <summary>A timer that is later than this says that the machine slept: no busy machine is as late, and a lease lasts several times as long.</summary>
    public static readonly TimeSpan WakeNotice = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly PriorityQueue<Alarm, long> _due = new();
    private readonly Thread _thread;
    private readonly int _timer;
    private long _jumped;
    private bool _disposed;

    /// <summary>
    /// Called on this clock's thread when a timer rings much later than it was due, before it does: the machine slept, or this process stood still. With
    /// how much later. Set it once, before there are timers; must be quick.
    /// </summary>
    public Action<TimeSpan>? Woke { get; set; }

    /// <summary>Starts the thread.</summary>
    public BootTimeProvider()
    {
        _timer = timerfd_create(BootTime, CloseOnExec);
        if (_timer < 0) throw new IOException($"timerfd_create: errno {Marshal.GetLastPInvokeError()}");
        _thread = new Thread(Run, maxStackSize: 512 << 10) { IsBackground = true, Name = "boot time" };
        _thread.Start();
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => Second;

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        _ = clock_gettime(BootTime, out var now);
        return (now.Seconds * Second) + now.Nanoseconds + Interlocked.Read(ref _jumped);
    }

    /// <summary>From now on all is as if the machine had slept for some time. For tests.</summary>
    internal void Jump(TimeSpan time)
    {
        lock (_gate)
        {
            Interlocked.Add(ref _jumped, (long)(time.TotalSeconds * Second));
            ArmNextLocked();
        }
    }

    /// <summary>A timer whose callback runs on this clock's thread.</summary>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var alarm = new Alarm(this, callback, state);
        alarm.Change(dueTime, period);
        return alarm;
    }

    /// <summary>Ends the thread; timers ring no more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            ArmLocked(1);
        }
        if (Thread.CurrentThread != _thread) _thread.Join();
    }

    private void Run()
    {
        Span<byte> rung = stackalloc byte[8];
        while (true)
        {
            _ = read(_timer, rung, 8); // an interruption by a signal is a look at the clock, no more
            NoticeSleep();
            while (NextDue() is { } alarm) alarm.Ring();
            lock (_gate)
            {
                if (_disposed) break;
                ArmNextLocked();
            }
        }
        _ = close(_timer);
    }

    private void NoticeSleep()
    {
        long late;
        lock (_gate) late = !_disposed && _due.TryPeek(out _, out var due) ? GetTimestamp() - due : 0;
        if (TimeSpan.FromSeconds((double)late / Second) is var time && time > WakeNotice) Woke?.Invoke(time);
    }

    private Alarm? NextDue()
    {
        lock (_gate)
        {
            if (_disposed) return null;
            while (_due.TryPeek(out var alarm, out var due))
            {
                // An alarm that was changed has an entry of its own for its new time.
                if (alarm.Due == due && due > GetTimestamp()) return null;
                _due.Dequeue();
                if (alarm.Due != due) continue;
                alarm.NextLocked();
                return alarm;
            }
            return null;
        }
    }

    private void AddLocked(Alarm alarm)
    {
        if (_disposed) return;
        _due.Enqueue(alarm, alarm.Due);
        ArmNextLocked();
    }

    private void ArmNextLocked()
    {
        while (_due.TryPeek(out var alarm, out var due))
        {
            if (alarm.Due == due)
            {
                ArmLocked(due);
                return;
            }
            _due.Dequeue();
        }
    }

    // Setting the time anew takes effect on the read that waits.
    private void ArmLocked(long due)
    {
        due = Math.Max(1, due - Interlocked.Read(ref _jumped));
        var setting = new TimerSetting { Value = new TimeSpec { Seconds = (nint)(due / Second), Nanoseconds = (nint)(due % Second) } };
        _ = timerfd_settime(_timer, Absolute, in setting, 0);
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int clock_gettime(int clock, out TimeSpec now);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int timerfd_create(int clock, int flags);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int timerfd_settime(int timer, int flags, in TimerSetting setting, nint old);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint read(int descriptor, Span<byte> buffer, nuint count);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int close(int descriptor);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimerSetting
    {
        public TimeSpec Interval;
        public TimeSpec Value;
    }

    private sealed class Alarm(BootTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        private long _period;

        /// <summary>The timestamp at which it rings; negative for never.</summary>
        public long Due { get; private set; } = -1;

        public void Ring() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                _period = period > TimeSpan.Zero ? (long)(period.TotalSeconds * Second) : 0;
                Due = dueTime == Timeout.InfiniteTimeSpan ? -1 : clock.GetTimestamp() + (long)(dueTime.TotalSeconds * Second);
                if (Due >= 0) clock.AddLocked(this);
            }
            return true;
        }

        /// <summary>After a sleep it rings once, not once for each time that was slept through.</summary>
        public void NextLocked()
        {
            Due = _period == 0 ? -1 : clock.GetTimestamp() + _period;
            if (Due >= 0) clock.AddLocked(this);
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
