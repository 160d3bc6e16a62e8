using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Schedules;

/// <summary>
/// What this node keeps of the times of scheduled programs, as a guardian and as their host: one small file each (docs/protocols/schedules.md), durable
/// before a claim is answered. Thread-safe.
/// </summary>
internal sealed class ScheduleBook
{
    private readonly string _folder;
    private readonly IDisk _disk;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly long _since;
    private ImmutableDictionary<EntryHash, ScheduleRecord> _records = ImmutableDictionary<EntryHash, ScheduleRecord>.Empty; // read without the lock, which waits for the disk

    /// <summary>Opens the book; makes its folder.</summary>
    public ScheduleBook(string folder, IDisk disk, TimeProvider time)
    {
        (_folder, _disk, _time) = (folder, disk, time);
        disk.MakeFolder(folder);
        _since = Since();
    }

    /// <summary>What is kept of a program.</summary>
    public ScheduleRecord Of(EntryHash program)
    {
        if (_records.TryGetValue(program, out var known)) return known;
        lock (_gate) return OfLocked(program);
    }

    /// <summary>The latest time that is kept of a program; after a guardian has ceased to grant, no later one comes.</summary>
    public long LatestOf(EntryHash program)
    {
        lock (_gate) return OfLocked(program).Due;
    }

    /// <summary>Judges a message of a guardian and keeps what comes of it, durably, before it answers.</summary>
    /// <param name="swarm">The swarm.</param>
    /// <param name="claim">The message.</param>
    /// <param name="from">Who sent it.</param>
    /// <param name="look">What this node knows; asked in turn with <see cref="LatestOf"/>, so that nothing is granted between ceasing to grant and saying what was.</param>
    public ScheduleAnswer Judge(SwarmId swarm, ScheduleClaim claim, PeerId from, Func<ScheduleSight> look)
    {
        lock (_gate)
        {
            var record = OfLocked(claim.Program);
            var (answer, after) = ScheduleVoter.Judge(record, claim, from, look());
            if (after == record) return answer;
            try
            {
                _disk.Replace(PathOf(claim.Program), after.Encode(swarm, claim.Program));
            }
            catch (IOException)
            {
                return new ScheduleAnswer(ScheduleRefusal.Disk, record.Due, record.IsOver); // what is on the disk now is one or the other; both refuse what the old one refuses
            }
            _records = _records.SetItem(claim.Program, after);
            return answer;
        }
    }

    /// <summary>Forgets programs that are over for good.</summary>
    /// <param name="isOver">Whether a program is.</param>
    public void Forget(Func<SwarmId, EntryHash, bool> isOver)
    {
        lock (_gate)
        {
            foreach (var file in Directory.EnumerateFiles(_folder))
            {
                if (Read(file) is not { } read || !isOver(read.Swarm, read.Program)) continue;
                _disk.Delete(file); // one that comes back after a power cut is forgotten another time
                _records = _records.Remove(read.Program);
            }
        }
    }

    private ScheduleRecord OfLocked(EntryHash program)
    {
        if (_records.TryGetValue(program, out var known)) return known;
        var path = PathOf(program);
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        // What cannot be read may have been any time until now, and what was before this folder was somewhere else.
        var record = !File.Exists(path) ? Until(Math.Min(_since, now))
            : Read(path) is { } read && read.Program == program ? read.Record
            : Until(now);
        _records = _records.SetItem(program, record);
        return record;
    }

    private static ScheduleRecord Until(long due) => ScheduleRecord.Empty with { Due = due, IsOver = true };

    // A home that was put back from an export has none of its times: those before are over.
    private long Since()
    {
        var path = Path.Combine(_folder, "since");
        if (File.Exists(path) && long.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out var since)) return since;
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        _disk.Replace(path, Encoding.ASCII.GetBytes(now.ToString(CultureInfo.InvariantCulture)));
        return now;
    }

    private static (SwarmId Swarm, EntryHash Program, ScheduleRecord Record)? Read(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && file.Length <= ScheduleRecord.MaxBytes ? ScheduleRecord.TryDecode(File.ReadAllBytes(path)) : null;
    }

    private string PathOf(EntryHash program) => Path.Combine(_folder, program.ToString());
}
