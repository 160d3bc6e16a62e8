using System.Globalization;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Programs.Placing;

/// <summary>
/// The load by Linux's /proc/stat and /proc/meminfo (proc(5)). The processors' use is the average between two samples that are
/// at least half a second apart; the first answer is the average since the machine started. What cannot be read counts as 0.
/// </summary>
public sealed class ProcHostMeter : IHostMeter
{
    // Shorter spans would show the ticks of 10 ms in which the kernel counts rather than the load.
    private static readonly TimeSpan ShortestSpan = TimeSpan.FromMilliseconds(500);

    private readonly Func<string, string> _readFile;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private CpuTimes _sample;
    private long _sampled;
    private double _cpuPercent;

    /// <summary>Creates a meter and takes its first sample.</summary>
    /// <param name="readFile">Reads a file under /proc: File.ReadAllText.</param>
    /// <param name="time">The clock.</param>
    public ProcHostMeter(Func<string, string> readFile, TimeProvider time)
    {
        _readFile = readFile;
        _time = time;
        _sample = ReadCpu();
        _sampled = time.GetTimestamp();
        _cpuPercent = Percent(_sample.Busy, _sample.Total);
    }

    /// <inheritdoc/>
    public HostLoad Read()
    {
        lock (_lock)
        {
            if (_time.GetElapsedTime(_sampled) >= ShortestSpan)
            {
                var now = ReadCpu();
                _cpuPercent = Percent(now.Busy - _sample.Busy, now.Total - _sample.Total);
                _sample = now;
                _sampled = _time.GetTimestamp();
            }
            return new HostLoad(_cpuPercent, ReadMemoryPercent());
        }
    }

    // cpu user nice system idle iowait irq softirq steal ...: idle and iowait are not work; guest times are in user already.
    private CpuTimes ReadCpu()
    {
        var line = Lines("/proc/stat").FirstOrDefault(line => line.StartsWith("cpu ", StringComparison.Ordinal));
        if (line is null) return default;
        var times = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(Number).ToList();
        if (times.Count < 5) return default;
        var total = times.Sum();
        return new CpuTimes(total - times[3] - times[4], total);
    }

    private double ReadMemoryPercent()
    {
        double total = 0, available = 0;
        foreach (var line in Lines("/proc/meminfo"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2) continue;
            if (words[0] is "MemTotal:") total = Number(words[1]);
            else if (words[0] is "MemAvailable:") available = Number(words[1]);
        }
        return Percent(total - available, total);
    }

    private string[] Lines(string path)
    {
        try
        {
            return _readFile(path).Split('\n');
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static double Number(string text) => double.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static double Percent(double part, double whole) => whole > 0 ? Math.Clamp(100 * part / whole, 0, 100) : 0;

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct CpuTimes(double Busy, double Total);
}
