using System.Text;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Data;

/// <summary>What was in a folder at one moment.</summary>
/// <param name="Entries">Its files and folders; null when it could not be copied, which <paramref name="Problem"/> says, or not yet, since it changes without rest.</param>
/// <param name="Bytes">All files together.</param>
/// <param name="Pending">0 when it is of one moment. Else how many files are in another state than then: an older one of them, or none, is among the entries.</param>
/// <param name="LeftOut">What is not copied, in words.</param>
/// <param name="Problem">Why there are no entries; null when there are, or when there will be.</param>
internal sealed record DataSnapshot(IReadOnlyList<DataEntry>? Entries, long Bytes, int Pending, IReadOnlyList<string> LeftOut, string? Problem);

/// <summary>
/// Looks at the folder of a program and copies what changed into the store, piece by piece. A snapshot is of one moment: everything is
/// looked at before and after copying, and when something changed between, it is done again; at last while the program is paused.
/// What is copied is flushed in the folder too: after a power cut the program finds at least what its guardians have.
/// </summary>
/// <param name="path">The folder.</param>
/// <param name="store">Takes the pieces.</param>
/// <param name="limits">How often and how much.</param>
/// <param name="time">The clock.</param>
internal sealed class DataScanner(string path, DataStore store, DataLimits limits, TimeProvider time)
{
    /// <summary>A file whose change is as young as this may change again without a new time: the kernel's clock moves in steps of up to 10 ms.</summary>
    private static readonly TimeSpan Young = TimeSpan.FromMilliseconds(100);

    private const int MaxLeftOut = 8;

    private readonly byte[] _buffer = new byte[DataLimits.ChunkBytes];
    private Dictionary<string, Known> _known = new(StringComparer.Ordinal);
    private List<string> _folders = [];

    /// <summary>Copies what has changed since the last snapshot.</summary>
    /// <param name="pause">Stops the program until what it answers is disposed of; answers null when it cannot.</param>
    /// <param name="mostPausedBytes">How much may have changed for a pause; below <see cref="DataLimits.MaxLongPauseBytes"/>, more than that waits for a later attempt.</param>
    public async ValueTask<DataSnapshot> TakeAsync(Func<ValueTask<IAsyncDisposable?>> pause, long mostPausedBytes = long.MaxValue)
    {
        for (var attempt = 0; attempt < limits.MaxAttempts; attempt++)
        {
            if (TryTake(isStill: false, out var snapshot)) return snapshot;
        }
        var (bytes, changed) = Changed(Look());
        if (changed.Bytes > mostPausedBytes && mostPausedBytes < limits.MaxLongPauseBytes) return new DataSnapshot(null, bytes, Math.Max(1, changed.Files), [], null);
        if (changed.Bytes <= mostPausedBytes && await pause() is { } paused)
        {
            await using (paused)
            {
                if (TryTake(isStill: true, out var still)) return still;
            }
        }
        return EachByItself();
    }

    /// <summary>All files together, in bytes, and how many of them changed since the last snapshot.</summary>
    public (long Bytes, int Changed) Measure()
    {
        var seen = Look();
        return (seen.Bytes, seen.Files.Count(file => !IsKnown(file)) + _known.Keys.Except(seen.Files.Select(file => file.Path), StringComparer.Ordinal).Count());
    }

    private bool TryTake(bool isStill, out DataSnapshot snapshot)
    {
        var seen = Look();
        var (entries, known, unsteady) = Copy(seen);
        snapshot = seen.Problem is { } problem ? new DataSnapshot(null, seen.Bytes, 0, seen.Told(), problem) : new DataSnapshot(entries, seen.Bytes, 0, seen.Told(), null);
        if (seen.Problem is not null) return true;
        foreach (var file in known) _known[file.Key] = file.Value; // read again only if it changes
        if (unsteady > 0 || !(isStill || seen.IsSameAs(Look()))) return false;
        (_known, _folders) = (known, seen.Folders);
        return true;
    }

    // A program that never rests and cannot be paused: each file is whole, if not all of one moment.
    private DataSnapshot EachByItself()
    {
        var before = _known;
        var seen = Look();
        var (entries, known, unsteady) = Copy(seen);
        if (seen.Problem is { } problem) return new DataSnapshot(null, seen.Bytes, 0, seen.Told(), problem);
        var copied = entries.Select(entry => entry.Path).ToHashSet(StringComparer.Ordinal);
        entries.AddRange(seen.Files.Where(file => !copied.Contains(file.Path)).Select(file => before.GetValueOrDefault(file.Path)?.Entry).OfType<DataEntry>());
        (_known, _folders) = (known, seen.Folders);
        return new DataSnapshot(Sorted(entries), seen.Bytes, unsteady == 0 && seen.IsSameAs(Look()) ? 0 : Math.Max(1, unsteady), seen.Told(), null);
    }

    private (List<DataEntry> Entries, Dictionary<string, Known> Known, int Unsteady) Copy(Seen seen)
    {
        var entries = new List<DataEntry>(seen.Files.Count + seen.Folders.Count);
        var known = new Dictionary<string, Known>(seen.Files.Count, StringComparer.Ordinal);
        var unsteady = 0;
        if (seen.Problem is not null) return (entries, known, 0);
        using var root = OpenFolder.Open(path);
        foreach (var folder in seen.Folders) entries.Add(new DataEntry(folder, DataKind.Folder, 0, []));
        var changed = seen.Folders.Except(_folders, StringComparer.Ordinal).Select(Above).ToHashSet(StringComparer.Ordinal);
        foreach (var file in seen.Files)
        {
            var copied = IsKnown(file) ? _known[file.Path] : CopyFile(root, file, seen, ref unsteady);
            if (copied is null) continue;
            if (!_known.TryGetValue(file.Path, out var before) || before.Status.Inode != copied.Status.Inode) changed.Add(Above(file.Path));
            known[file.Path] = copied;
            entries.Add(copied.Entry);
        }
        foreach (var above in changed)
        {
            using var folder = root.TryEnterPath(above);
            if (folder is not null) store.Disk.FlushFolder(folder.Path);
        }
        return (Sorted(entries), known, unsteady);
    }

    private Known? CopyFile(OpenFolder root, SeenFile file, Seen seen, ref int unsteady)
    {
        var isYoung = time.GetUtcNow() - file.Changed < Young;
        using var handle = root.TryOpenFile(file.Path, out var status);
        if (handle is null)
        {
            // Gone, or not readable by us: told apart by looking again, which the caller does.
            seen.LeaveOut($"{Quoted.Text(file.Path)} cannot be read");
            return null;
        }
        if (status != file.Status || Read(handle, file) is not { } chunks || !FileStatus.TryRead(handle, out var after, out _) || after != status)
        {
            unsteady++;
            return null;
        }
        store.Disk.Flush(handle);
        return new Known(status, isYoung, new DataEntry(file.Path, status.Executable ? DataKind.Executable : DataKind.File, status.Bytes, chunks));
    }

    private DataHash[]? Read(SafeFileHandle handle, SeenFile file)
    {
        var chunks = new DataHash[DataEntry.ChunksOf(file.Status.Bytes)];
        for (var i = 0; i < chunks.Length; i++)
        {
            var length = (int)Math.Min(DataLimits.ChunkBytes, file.Status.Bytes - ((long)i * DataLimits.ChunkBytes));
            var read = 0;
            while (read < length && RandomAccess.Read(handle, _buffer.AsSpan(read, length - read), ((long)i * DataLimits.ChunkBytes) + read) is var more and > 0) read += more;
            if (read < length) return null;
            chunks[i] = DataHash.Of(_buffer.AsSpan(0, length));
            store.Write(chunks[i], _buffer.AsSpan(0, length));
        }
        return chunks;
    }

    private bool IsKnown(SeenFile file) => _known.TryGetValue(file.Path, out var known) && known.Status == file.Status && !known.WasYoung;

    private (long Bytes, (long Bytes, int Files) Changed) Changed(Seen seen)
    {
        var changed = seen.Files.Where(file => !IsKnown(file)).ToList();
        return (seen.Bytes, (changed.Sum(file => file.Status.Bytes), changed.Count));
    }

    private Seen Look()
    {
        var seen = new Seen();
        using var root = OpenFolder.Open(path);
        Look(root, "", 0, seen);
        if (seen.Files.Count + seen.Folders.Count > DataLimits.MaxEntries) seen.Problem = $"it has more than {DataLimits.MaxEntries} files and folders";
        seen.Files.Sort((left, right) => string.CompareOrdinal(left.Path, right.Path));
        return seen;
    }

    private static void Look(OpenFolder folder, string above, int depth, Seen seen)
    {
        foreach (var name in folder.Names())
        {
            if (seen.Files.Count + seen.Folders.Count > DataLimits.MaxEntries) return;
            var path = above + name;
            if (!DataVersionCodec.IsName(name) || Encoding.UTF8.GetByteCount(path) > DataLimits.MaxPathBytes)
            {
                seen.LeaveOut($"{Quoted.Text(path)} has a name that cannot be copied");
                continue;
            }
            if (!folder.TryLook(name, out var status)) continue; // gone
            if (status.Kind == FileKind.File)
            {
                seen.Files.Add(new SeenFile(path, status));
                seen.Bytes += status.Bytes;
                continue;
            }
            if (status.Kind != FileKind.Folder)
            {
                seen.LeaveOut($"{Quoted.Text(path)} is {(status.Kind == FileKind.Link ? "a symbolic link" : "a pipe, socket or device")}");
                continue;
            }
            if (depth >= DataLimits.MaxDepth)
            {
                seen.LeaveOut($"{Quoted.Text(path)} is more than {DataLimits.MaxDepth} folders deep");
                continue;
            }
            using var inner = folder.TryEnter(name);
            if (inner is null)
            {
                if (folder.TryLook(name, out var now) && now.Kind == FileKind.Folder) seen.LeaveOut($"{Quoted.Text(path)} cannot be read");
                continue;
            }
            seen.Folders.Add(path);
            Look(inner, path + "/", depth + 1, seen);
        }
    }

    private static string Above(string path) => path.LastIndexOf('/') is var slash and >= 0 ? path[..slash] : "";

    // By the bytes of UTF-8, so that the order is the same on every machine.
    private static List<DataEntry> Sorted(List<DataEntry> entries)
    {
        var sorted = entries.ToArray();
        Array.Sort(entries.Select(entry => Encoding.UTF8.GetBytes(entry.Path)).ToArray(), sorted, Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right)));
        return [.. sorted];
    }

    /// <summary>A file as it was copied. One that was young is read again next time.</summary>
    private sealed record Known(FileStatus Status, bool WasYoung, DataEntry Entry);

    private sealed record SeenFile(string Path, FileStatus Status)
    {
        public DateTimeOffset Changed => DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(Status.ChangedSeconds, 0, 253_402_300_799)).AddTicks(Status.ChangedNanoseconds / 100);
    }

    private sealed class Seen
    {
        private readonly List<string> _leftOut = [];
        private int _leftOutCount;

        public List<SeenFile> Files { get; } = [];

        public List<string> Folders { get; } = [];

        public long Bytes { get; set; }

        public string? Problem { get; set; }

        /// <summary>Counts what is not copied, and keeps the first few of it in words.</summary>
        public void LeaveOut(string what)
        {
            if (_leftOut.Count < MaxLeftOut) _leftOut.Add(what);
            _leftOutCount++;
        }

        /// <summary>What is not copied.</summary>
        public List<string> Told() => _leftOutCount > MaxLeftOut ? [.. _leftOut, $"{_leftOutCount - MaxLeftOut} more"] : _leftOut;

        public bool IsSameAs(Seen other) => Files.SequenceEqual(other.Files) && Folders.Order(StringComparer.Ordinal).SequenceEqual(other.Folders.Order(StringComparer.Ordinal), StringComparer.Ordinal);
    }
}
