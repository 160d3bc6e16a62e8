using System.Runtime.InteropServices;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>
/// Ends this process when it does not come round in time: a timer of the kernel that sends KILL. A process that is stopped (SIGSTOP, a
/// debugger), starved or hung cannot end its programs when their leases end, and another host starts them; but their sandboxes die with
/// it, and KILL reaches a stopped process too. Source of the idea: the watchdogs with which cluster managers fence a node (sbd).
/// The timer counts CLOCK_MONOTONIC: while the machine sleeps its programs sleep as well, and when it wakes, <see cref="BootTimeProvider"/> rings
/// before this does, so a laptop that slept keeps its daemon. Thread-safe.
/// </summary>
internal sealed partial class DeadMansSwitch : IDisposable
{
    private const int Monotonic = 1; // CLOCK_MONOTONIC
    private const int KillSignal = 9;

    private readonly Lock _gate = new();
    private readonly bool _possible;
    private readonly nint _timer;
    private bool _armed;
    private bool _disposed;

    /// <summary>Makes a switch that is not armed. Where the system has no such timer (a C library older than glibc 2.34) it does nothing.</summary>
    public DeadMansSwitch()
    {
        var wanted = new SignalEvent { Signal = KillSignal };
        try
        {
            _possible = timer_create(Monotonic, ref wanted, out _timer) == 0;
        }
        catch (EntryPointNotFoundException)
        {
            _possible = false;
        }
    }

    /// <summary>Whether this system has what it takes.</summary>
    public bool IsPossible => _possible;

    /// <summary>From now on this process ends after <paramref name="left"/>, unless this is called again before; null: it does not.</summary>
    public void Set(TimeSpan? left)
    {
        lock (_gate)
        {
            if (!_possible || _disposed || (left is null && !_armed)) return;
            var setting = default(TimerSetting);
            if (left is { } time)
            {
                var nanoseconds = Math.Max(1, (long)(time.TotalSeconds * 1_000_000_000));
                setting.Value = new TimeSpec { Seconds = (nint)(nanoseconds / 1_000_000_000), Nanoseconds = (nint)(nanoseconds % 1_000_000_000) };
            }
            _ = timer_settime(_timer, 0, in setting, 0);
            _armed = left is not null;
        }
    }

    /// <summary>Takes the timer away.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed || !_possible) return;
            _disposed = true;
            _ = timer_delete(_timer);
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int timer_create(int clock, ref SignalEvent wanted, out nint timer);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int timer_settime(nint timer, int flags, in TimerSetting setting, nint old);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int timer_delete(nint timer);

    /// <summary>struct sigevent: a value, the signal, how to notify (0: by the signal), and room up to 64 bytes.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct SignalEvent
    {
        public nint Value;
        public int Signal;
        public int Notify;
    }

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
}
