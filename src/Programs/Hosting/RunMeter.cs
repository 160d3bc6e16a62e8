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
    private long _endedBytes;
    private long _currentBytes;
    private long _transferred;
    private long _read;

    /// <summary>A process began.</summary>
    public void Begin(IRun run)
    {
        lock (_gate)
        {
            (_run, _read, _current, _currentBytes) = (run, time.GetTimestamp(), TimeSpan.Zero, 0);
        }
    }

    /// <summary>The process has ended; its runtime still knows what it took.</summary>
    public void End()
    {
        lock (_gate)
        {
            ReadLocked();
            _ended += _current;
            _endedBytes += _currentBytes;
            (_run, _current, _currentBytes) = (null, TimeSpan.Zero, 0);
        }
    }

    /// <summary>So many bytes went through a tunnel to one of its ports, or came from there.</summary>
    public void Transferred(int bytes) => Interlocked.Add(ref _transferred, bytes);

    /// <summary>What all processes took so far.</summary>
    public RunUse Read()
    {
        lock (_gate)
        {
            ReadLocked();
            return new RunUse(_ended + _current, (long)_memoryMebibyteSeconds, _endedBytes + _currentBytes + Interlocked.Read(ref _transferred));
        }
    }

    private void ReadLocked()
    {
        if (_run is null) return;
        var usage = _run.Usage();
        var now = time.GetTimestamp();
        if (usage.CpuTime > _current) _current = usage.CpuTime;
        if (usage.NetworkBytes > _currentBytes) _currentBytes = usage.NetworkBytes;
        if (usage.MemoryBytes > 0) _memoryMebibyteSeconds += usage.MemoryBytes / 1048576.0 * time.GetElapsedTime(_read, now).TotalSeconds;
        _read = now;
    }
}
