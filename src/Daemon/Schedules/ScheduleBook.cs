using System.Collections.Immutable;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Schedules;

/// <summary>
/// What this node keeps of the times of scheduled programs, as a guardian and as their host: one small file each (docs/layouts/schedules.md), durable
/// before a claim is answered. Thread-safe.
/// </summary>
internal sealed class ScheduleBook
{
    private readonly string _folder;
    private readonly IDisk _disk;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private ImmutableDictionary<EntryHash, ScheduleRecord> _records = ImmutableDictionary<EntryHash, ScheduleRecord>.Empty; // read without the lock, which waits for the disk

    /// <summary>Opens the book; makes its folder.</summary>
    public ScheduleBook(string folder, IDisk disk, TimeProvider time)
    {
        (_folder, _disk, _time) = (folder, disk, time);
        disk.MakeFolder(folder);
    }

    /// <summary>What is kept of a program.</summary>
    public ScheduleRecord Of(EntryHash program)
    {
        if (_records.TryGetValue(program, out var known)) return known;
        lock (_gate) return OfLocked(program);
    }

    /// <summary>Judges a message of a guardian and keeps what comes of it, durably, before it answers.</summary>
    public ScheduleAnswer Judge(SwarmId swarm, ScheduleClaim claim, PeerId from, ScheduleSight sight)
    {
        lock (_gate)
        {
            var record = OfLocked(claim.Program);
            var (answer, after) = ScheduleVoter.Judge(record, claim, from, sight);
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
        // What cannot be read may have been any time until now.
        var record = !File.Exists(path) ? ScheduleRecord.Empty
            : Read(path) is { } read && read.Program == program ? read.Record
            : ScheduleRecord.Empty with { Due = _time.GetUtcNow().ToUnixTimeSeconds(), IsOver = true };
        _records = _records.SetItem(program, record);
        return record;
    }

    private static (SwarmId Swarm, EntryHash Program, ScheduleRecord Record)? Read(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && file.Length <= ScheduleRecord.MaxBytes ? ScheduleRecord.TryDecode(File.ReadAllBytes(path)) : null;
    }

    private string PathOf(EntryHash program) => Path.Combine(_folder, program.ToString());
}
