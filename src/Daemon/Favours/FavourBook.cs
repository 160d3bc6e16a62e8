using System.Globalization;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Favours;

/// <summary>
/// What programs of others took here, by day, until it is in a receipt. Kept in a small file that is not flushed: a power cut may cost this
/// host the minutes since the last save, which nobody was promised. Not thread-safe.
/// <code>favours = *( swarm SP program SP day SP processor-ms SP memory-mib-seconds SP bytes LF )</code>
/// </summary>
internal sealed class FavourBook
{
    /// <summary>Lines: days of programs that are not in a receipt yet. A host has at most 1,000 programs, and a receipt is due each day.</summary>
    private const int MaxLines = 10_000;

    private readonly string _path;
    private readonly Dictionary<(SwarmId Swarm, EntryHash Program, int Day), RunUse> _days = [];
    private readonly Dictionary<(EntryHash Program, ulong Epoch), RunUse> _seen = [];

    /// <summary>Reads what there is; a line that cannot be read is left out.</summary>
    public FavourBook(string path)
    {
        _path = path;
        if (!File.Exists(path)) return;
        foreach (var line in File.ReadLines(path).Take(MaxLines))
        {
            if (line.Split(' ') is [var swarm, var program, var day, var processor, var memory, var bytes] && SwarmId.TryParse(swarm, out var id) && EntryHash.TryParse(program, out var hash)
                && Number(day) is { } number and < int.MaxValue && Number(processor) is { } milliseconds and < 1L << 50 && Number(memory) is { } mebibytes && Number(bytes) is { } transferred)
                _days[(id, hash, (int)number)] = new RunUse(TimeSpan.FromMilliseconds(milliseconds), mebibytes, transferred);
        }
    }

    /// <summary>A program took so much since its run began; what is new of it counts for a day.</summary>
    public void Note(SwarmId swarm, EntryHash program, ulong epoch, RunUse total, int day)
    {
        var before = _seen.GetValueOrDefault((program, epoch), RunUse.None);
        _seen[(program, epoch)] = total;
        var more = new RunUse(Positive(total.Processor - before.Processor), Math.Max(0, total.MemoryMebibyteSeconds - before.MemoryMebibyteSeconds), Math.Max(0, total.Bytes - before.Bytes));
        if (more == RunUse.None || (_days.Count >= MaxLines && !_days.ContainsKey((swarm, program, day)))) return;
        var sum = _days.GetValueOrDefault((swarm, program, day), RunUse.None);
        _days[(swarm, program, day)] = new RunUse(sum.Processor + more.Processor, sum.MemoryMebibyteSeconds + more.MemoryMebibyteSeconds, sum.Bytes + more.Bytes);
    }

    /// <summary>The run has ended: its epoch never comes again.</summary>
    public void Forget(EntryHash program, ulong epoch) => _seen.Remove((program, epoch));

    /// <summary>The days before one, for which receipts are due.</summary>
    public IReadOnlyList<(SwarmId Swarm, EntryHash Program, int Day, RunUse Use)> Before(int day) =>
        [.. _days.Where(one => one.Key.Day < day).Select(one => (one.Key.Swarm, one.Key.Program, one.Key.Day, one.Value)).OrderBy(one => one.Day)];

    /// <summary>A day is in a receipt, or none is due for it.</summary>
    public void Remove(SwarmId swarm, EntryHash program, int day) => _days.Remove((swarm, program, day));

    /// <summary>Writes the file anew.</summary>
    public void Save()
    {
        var lines = _days.Select(one => string.Create(
            CultureInfo.InvariantCulture,
            $"{one.Key.Swarm} {one.Key.Program} {one.Key.Day} {(long)one.Value.Processor.TotalMilliseconds} {one.Value.MemoryMebibyteSeconds} {one.Value.Bytes}"));
        File.WriteAllLines(_path + ".new", lines);
        File.Move(_path + ".new", _path, overwrite: true);
    }

    private static TimeSpan Positive(TimeSpan time) => time > TimeSpan.Zero ? time : TimeSpan.Zero;

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
