namespace PeoplesCloud.Simulation.Disk;

/// <summary>
/// What a power cut may leave of a trace. Kept is what was flushed; of everything else each piece may be there or not, in any order: names
/// made, changed and removed, and each sector of what was written. A rename is atomic: its new name never comes without the file, and
/// the old name goes only when the new one came. The method is that of Pillai and others, "All File Systems Are Not Created Equal"
/// (OSDI 2014), with the weakest file system that keeps POSIX's promises.
/// </summary>
public sealed class PowerCut
{
    /// <summary>The unit that a disk writes whole or not at all, in bytes.</summary>
    public const int SectorBytes = 512;

    private readonly string _root;
    private readonly Dictionary<int, FileState> _files = [];
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal); // durable ones; 0 is a folder
    private readonly List<NameChange> _changes = []; // of names that are not flushed
    private readonly List<object> _acknowledged = [];

    /// <summary>Nothing has happened yet.</summary>
    public PowerCut(string root) => _root = root;

    /// <summary>What was acknowledged before the cut.</summary>
    public IReadOnlyList<object> Acknowledged => _acknowledged;

    /// <summary>Goes on by one step: the cut is after it.</summary>
    public void Apply(DiskStep step)
    {
        switch (step)
        {
            case DiskStep.FolderMade made:
                Change(made.Path, Folder);
                break;
            case DiskStep.FileMade made:
                _files[made.File] = new FileState();
                Change(made.Path, made.File);
                break;
            case DiskStep.Written written:
                _files[written.File].Writes.Add(new FileWrite(written.Offset, written.Bytes, written.Offset + written.Bytes.Length));
                break;
            case DiskStep.Truncated truncated:
                _files[truncated.File].Writes.Add(new FileWrite(truncated.Length, null, truncated.Length));
                break;
            case DiskStep.Flushed flushed:
                _files[flushed.File].Flush();
                break;
            case DiskStep.Renamed renamed:
                var file = Current(renamed.From);
                var added = Change(renamed.To, file);
                Change(renamed.From, null, added);
                if (file == Folder) MoveBelow(renamed.From + "/", renamed.To + "/");
                break;
            case DiskStep.Deleted deleted:
                Change(deleted.Path, null);
                break;
            case DiskStep.FolderFlushed flushed:
                foreach (var change in _changes.Where(change => change.Folder == flushed.Folder)) Put(_names, change);
                _changes.RemoveAll(change => change.Folder == flushed.Folder);
                break;
            case DiskStep.Acknowledged acknowledged:
                _acknowledged.Add(acknowledged.What);
                break;
        }
    }

    /// <summary>The names below the root, each with its bytes (null: a folder), as one of the possible cuts leaves them.</summary>
    public SortedDictionary<string, byte[]?> Outcome(CutChoice choice)
    {
        var names = new Dictionary<string, int>(_names, StringComparer.Ordinal);
        var came = new HashSet<NameChange>();
        foreach (var change in _changes)
        {
            // The old name of a rename goes only when the new one came (or was flushed before: it is no change any more).
            if (change.Needs is { } needs && _changes.Contains(needs) && !came.Contains(needs)) continue;
            if (!(change.Needs is { } same && same.Folder == change.Folder && came.Contains(same)) && !choice.KeepsName()) continue;
            came.Add(change);
            Put(names, change);
        }
        var outcome = new SortedDictionary<string, byte[]?>(StringComparer.Ordinal);
        var contents = new Dictionary<int, byte[]>();
        foreach (var (path, file) in names.Where(named => IsReachable(names, named.Key)))
        {
            if (file != Folder && !contents.ContainsKey(file)) contents[file] = _files[file].Outcome(choice);
            outcome[Path.GetRelativePath(_root, path)] = file == Folder ? null : contents[file];
        }
        return outcome;
    }

    /// <summary>Writes an outcome into a folder.</summary>
    public static void Restore(SortedDictionary<string, byte[]?> outcome, string folder)
    {
        foreach (var (name, bytes) in outcome) // a folder sorts before what it holds
        {
            var path = Path.Combine(folder, name);
            if (bytes is null) Directory.CreateDirectory(path);
            else
            {
                File.WriteAllBytes(path, bytes);
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
        }
    }

    private const int Folder = 0;

    private NameChange Change(string path, int? file, NameChange? needs = null)
    {
        var change = new NameChange(Path.GetDirectoryName(path)!, path, file, needs);
        _changes.Add(change);
        return change;
    }

    // What is below a folder is found below its new name as well; whichever of both is there after the cut is the one that leads to it.
    private void MoveBelow(string from, string to)
    {
        foreach (var (path, file) in _names.Where(named => named.Key.StartsWith(from, StringComparison.Ordinal)).ToList()) _names[to + path[from.Length..]] = file;
        foreach (var change in _changes.Where(change => change.Path.StartsWith(from, StringComparison.Ordinal)).ToList()) Change(to + change.Path[from.Length..], change.File);
    }

    private int? Current(string path) => _changes.LastOrDefault(change => change.Path == path) is { } change ? change.File : _names.TryGetValue(path, out var file) ? file : null;

    private static void Put(Dictionary<string, int> names, NameChange change)
    {
        if (change.File is { } file) names[change.Path] = file;
        else names.Remove(change.Path);
    }

    private bool IsReachable(Dictionary<string, int> names, string path)
    {
        for (var folder = Path.GetDirectoryName(path); folder != _root; folder = Path.GetDirectoryName(folder))
        {
            if (folder is null || !names.TryGetValue(folder, out var file) || file != Folder) return false;
        }
        return true;
    }

    private sealed record NameChange(string Folder, string Path, int? File, NameChange? Needs)
    {
        public bool Equals(NameChange? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
    }

    /// <summary>Bytes at an offset; null cuts the file there.</summary>
    private sealed record FileWrite(long Offset, byte[]? Bytes, long End);

    private sealed class FileState
    {
        private byte[] _durable = [];

        public List<FileWrite> Writes { get; } = [];

        public void Flush()
        {
            foreach (var write in Writes) _durable = Do(_durable, write, _ => true);
            Writes.Clear();
        }

        public byte[] Outcome(CutChoice choice)
        {
            var bytes = _durable;
            foreach (var write in Writes)
            {
                bytes = choice.KeepsBytes() switch
                {
                    KeptBytes.None => bytes,
                    KeptBytes.LengthOnly => Do(bytes, write, _ => false),
                    KeptBytes.Some => Do(bytes, write, _ => choice.KeepsSector()),
                    _ => Do(bytes, write, _ => true),
                };
            }
            return bytes;
        }

        // A longer file holds zeros where nothing was written yet.
        private static byte[] Do(byte[] bytes, FileWrite write, Func<long, bool> keepsSector)
        {
            var done = new byte[write.Bytes is null ? write.End : Math.Max(bytes.LongLength, write.End)];
            bytes.AsSpan(0, Math.Min(bytes.Length, done.Length)).CopyTo(done);
            if (write.Bytes is null) return done;
            for (var at = write.Offset; at < write.End;)
            {
                var end = Math.Min(write.End, ((at / SectorBytes) + 1) * SectorBytes);
                if (keepsSector(at / SectorBytes)) write.Bytes.AsSpan((int)(at - write.Offset), (int)(end - at)).CopyTo(done.AsSpan((int)at));
                at = end;
            }
            return done;
        }
    }
}
