using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>
/// Sums up what the processes of one program take, one after another. Whoever wants memory over time to be right calls <see cref="Read"/> now and
/// then: between two calls memory is taken as it was at the later one. Thread-safe.
/// </summary>
internal sealed class RunMeter(TimeProvider time)
{
    private readonly Lock _gate = new();
    private IRun? _run;
    private TimeSpan _ended;
    private TimeSpan _current;
    private double _memoryMebibyteSeconds;
    private long _read;

    /// <summary>A process began.</summary>
    public void Begin(IRun run)
    {
        lock (_gate)
        {
            (_run, _read, _current) = (run, time.GetTimestamp(), TimeSpan.Zero);
        }
    }

    /// <summary>The process has ended; its runtime still knows what it took.</summary>
    public void End()
    {
        lock (_gate)
        {
            ReadLocked();
            _ended += _current;
            (_run, _current) = (null, TimeSpan.Zero);
        }
    }

    /// <summary>What all processes took so far.</summary>
    public RunUse Read()
    {
        lock (_gate)
        {
            ReadLocked();
            return new RunUse(_ended + _current, (long)_memoryMebibyteSeconds, 0);
        }
    }

    private void ReadLocked()
    {
        if (_run is null) return;
        var usage = _run.Usage();
        var now = time.GetTimestamp();
        if (usage.CpuTime > _current) _current = usage.CpuTime;
        if (usage.MemoryBytes > 0) _memoryMebibyteSeconds += usage.MemoryBytes / 1048576.0 * time.GetElapsedTime(_read, now).TotalSeconds;
        _read = now;
    }
}
