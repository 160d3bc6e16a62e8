using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Data;

/// <summary>A live folder: the one that a program changes.</summary>
/// <param name="Folder">Its name: data-1, data-2, ...</param>
/// <param name="Began">What it began with; its epoch is the holder's time to which it belongs, with the number 0.</param>
/// <param name="Origins">What it was built on, the version that it began with first.</param>
internal sealed record LiveFolder(string Folder, DataStamp Began, IReadOnlyList<DataOrigin> Origins);

/// <summary>
/// What a node keeps of one program's data: the newest version that it has whole, conflicts, and the folder in which the program runs or ran
/// here. docs/layouts/program-data.md. One writer at a time (the caller's); reading pieces is thread-safe.
/// <code>
/// newest                        a signed version; all its pieces are in objects/
/// live                          which folder is the live one, and what it began with
/// data-NUMBER/                  that folder, which the program sees as data/
/// data.conflict-HOST-EPOCH      a signed version that a newer one did not take over; all its pieces are in objects/
/// objects/HASH                  a piece of a file
/// </code>
/// </summary>
internal sealed class DataStore
{
    /// <summary>What the name of a conflict begins with.</summary>
    public const string ConflictPrefix = "data.conflict-";

    private const string TemporarySuffix = ".new";
    private const int MaxOpenFiles = 64;

    private readonly string _folder;
    private readonly ISignatureVerifier _verifier;
    private readonly HashSet<DataHash> _objects = [];
    private readonly List<(DataHash Hash, SafeFileHandle File)> _written = [];
    private readonly Lock _gate = new();
    private SortedDictionary<string, (DataVersion Version, byte[] Signed)> _conflicts = new(StringComparer.Ordinal);
    private long _bytes;

    /// <summary>Opens what there is in a folder that is there and durable. What a cut left of something unfinished is removed.</summary>
    public DataStore(string folder, DataKey key, IDisk disk, ISignatureVerifier verifier)
    {
        (_folder, Key, Disk, _verifier) = (folder, key, disk, verifier);
        disk.CreateFolder(ObjectsFolder, DurableWrites.OwnerFolder); // its name is flushed with that of the first version
        foreach (var path in Directory.EnumerateFiles(ObjectsFolder))
        {
            if (!DataHash.TryParse(Path.GetFileName(path), out var hash))
            {
                disk.Delete(path);
                continue;
            }
            _objects.Add(hash);
            _bytes += new FileInfo(path).Length;
        }
        if (TryLoad("newest", out var newest, out var signed)) (Newest, NewestSigned) = (newest, signed);
        foreach (var path in Directory.EnumerateFiles(folder, ConflictPrefix + "*").Where(path => !path.EndsWith(TemporarySuffix, StringComparison.Ordinal)))
            if (TryLoad(Path.GetFileName(path), out var conflict, out var bytes)) _conflicts[Path.GetFileName(path)] = (conflict, bytes);
        // A record whose folder is not there was cut off before both were durable, and before any program saw the folder.
        Live = LiveFolderCodec.Read(LiveFile) is { } live && Directory.Exists(Path.Combine(folder, live.Folder)) ? live : null;
        // A record that cannot be read is a failing disk: then nothing of what a program wrote is removed.
        if (Live is not null || LiveFolderCodec.Read(LiveFile) is not null || !File.Exists(LiveFile)) foreach (var old in LiveFolders().Where(old => old != Live?.Folder)) RemoveFolder(old);
    }

    /// <summary>What is durable goes through it.</summary>
    public IDisk Disk { get; }

    /// <summary>Whose data.</summary>
    public DataKey Key { get; }

    /// <summary>The newest version that is here whole; null when there is none.</summary>
    public DataVersion? Newest { get; private set; }

    /// <summary>It as its holder signed it.</summary>
    public byte[] NewestSigned { get; private set; } = [];

    /// <summary>The folder in which the program runs or ran here; null when there is none.</summary>
    public LiveFolder? Live { get; private set; }

    /// <summary>The live folder's path.</summary>
    public string LivePath => Path.Combine(_folder, Live!.Folder);

    /// <summary>What newer versions did not take over, by name.</summary>
    public IReadOnlyDictionary<string, (DataVersion Version, byte[] Signed)> Conflicts => _conflicts;

    /// <summary>All pieces together, in bytes.</summary>
    public long Bytes
    {
        get
        {
            lock (_gate) return _bytes;
        }
    }

    private string LiveFile => Path.Combine(_folder, "live");

    private string ObjectsFolder => Path.Combine(_folder, "objects");

    /// <summary>Whether a piece is here.</summary>
    public bool Has(DataHash hash)
    {
        lock (_gate) return _objects.Contains(hash);
    }

    /// <summary>A piece; null when it is not here. One that was damaged is removed and is not here any more.</summary>
    public byte[]? Read(DataHash hash)
    {
        if (!Has(hash)) return null;
        try
        {
            using var file = File.OpenHandle(ObjectPath(hash));
            var length = RandomAccess.GetLength(file);
            if (length <= DataLimits.ChunkBytes)
            {
                var bytes = new byte[length];
                if (RandomAccess.Read(file, bytes, 0) == length && DataHash.Of(bytes) == hash) return bytes;
            }
        }
        catch (FileNotFoundException)
        {
            // Removed meanwhile, or by somebody else.
        }
        Remove(hash);
        return null;
    }

    /// <summary>Writes a piece; it is durable after <see cref="FlushPieces"/>. Nothing when it is here already.</summary>
    public void Write(DataHash hash, ReadOnlySpan<byte> bytes)
    {
        if (Has(hash) || _written.Exists(written => written.Hash == hash)) return;
        var temporary = ObjectPath(hash) + TemporarySuffix;
        Disk.Delete(temporary);
        _written.Add((hash, Disk.Create(temporary, bytes, DurableWrites.OwnerFile)));
        lock (_gate) _bytes += bytes.Length;
        if (_written.Count >= MaxOpenFiles) FlushPieces();
    }

    /// <summary>Makes the pieces that were written durable, and has them.</summary>
    public void FlushPieces()
    {
        if (_written.Count == 0) return;
        // At once: the file system commits them together.
        Parallel.ForEach(_written, written => Disk.Flush(written.File));
        foreach (var (hash, file) in _written)
        {
            file.Dispose();
            Disk.Rename(ObjectPath(hash) + TemporarySuffix, ObjectPath(hash));
            lock (_gate) _objects.Add(hash);
        }
        _written.Clear();
        Disk.FlushFolder(ObjectsFolder);
    }

    /// <summary>Makes a version whose pieces are here the newest; durable when this returns.</summary>
    public void Commit(DataVersion version, byte[] signed)
    {
        FlushPieces();
        Disk.Replace(Path.Combine(_folder, "newest"), signed);
        (Newest, NewestSigned) = (version, signed);
    }

    /// <summary>Keeps a version whose pieces are here as a conflict; durable when this returns. Answers its name.</summary>
    public string KeepConflict(DataVersion version, byte[] signed, string host)
    {
        FlushPieces();
        if (_conflicts.FirstOrDefault(kept => kept.Value.Version.Content == version.Content).Key is { } same) return same;
        var first = string.Create(CultureInfo.InvariantCulture, $"{ConflictPrefix}{host}-{version.Stamp.Epoch}");
        var name = first;
        for (var i = 2; _conflicts.ContainsKey(name); i++) name = string.Create(CultureInfo.InvariantCulture, $"{first}-{i}");
        Disk.Replace(Path.Combine(_folder, name), signed);
        var conflicts = new SortedDictionary<string, (DataVersion, byte[])>(_conflicts, StringComparer.Ordinal) { [name] = (version, signed) };
        while (conflicts.Count > DataLimits.MaxConflicts)
        {
            var oldest = conflicts.Where(kept => kept.Key != name).MinBy(kept => kept.Value.Item1.Taken).Key;
            Disk.Delete(Path.Combine(_folder, oldest));
            conflicts.Remove(oldest); // one that comes back after a cut lacks its pieces, and is none
        }
        _conflicts = conflicts;
        return name;
    }

    /// <summary>Removes a conflict that somebody has taken care of; false when there is none of that name.</summary>
    public bool DropConflict(string name)
    {
        if (!_conflicts.ContainsKey(name)) return false;
        Disk.Delete(Path.Combine(_folder, name));
        Disk.FlushFolder(_folder);
        var conflicts = new SortedDictionary<string, (DataVersion, byte[])>(_conflicts, StringComparer.Ordinal);
        conflicts.Remove(name);
        _conflicts = conflicts;
        return true;
    }

    /// <summary>
    /// Makes a new live folder with a version's files, or an empty one; durable before it counts. The one before goes, so the caller has
    /// kept what is in it.
    /// </summary>
    /// <exception cref="IOException">The disk refuses, or a piece is damaged.</exception>
    public void MakeLive(DataVersion? from, DataStamp began, IReadOnlyList<DataOrigin> origins)
    {
        var number = LiveFolders().Select(NumberOf).DefaultIfEmpty().Max() + 1;
        var name = string.Create(CultureInfo.InvariantCulture, $"data-{number}");
        var folder = Path.Combine(_folder, name);
        Disk.CreateFolder(folder, DurableWrites.OwnerFolder);
        if (from is not null) VersionWriter.Write(this, from, folder, Disk);
        SetLive(new LiveFolder(name, began, origins));
    }

    /// <summary>Lets the live folder go on as that of another epoch; durable when this returns.</summary>
    public void ContinueLive(DataStamp began, IReadOnlyList<DataOrigin> origins) => SetLive(Live! with { Began = began, Origins = origins });

    /// <summary>Forgets the live folder, whose content is kept or not wanted.</summary>
    public void DropLive()
    {
        if (Live is null) return;
        Disk.Delete(LiveFile);
        Disk.FlushFolder(_folder);
        var old = Live.Folder;
        Live = null;
        RemoveFolder(old);
    }

    /// <summary>Removes pieces that no version here needs, nor those that others are just fetching.</summary>
    public void Collect(IEnumerable<DataVersion> fetched)
    {
        var needed = fetched.Append(Newest).Concat(_conflicts.Values.Select(kept => kept.Version)).OfType<DataVersion>().SelectMany(version => version.Chunks).Select(chunk => chunk.Hash).ToHashSet();
        DataHash[] all;
        lock (_gate) all = [.. _objects];
        foreach (var hash in all.Where(hash => !needed.Contains(hash))) Remove(hash);
    }

    /// <summary>Removes everything of this program.</summary>
    public static void Remove(string folder, IDisk disk)
    {
        // First what says that there is something: a cut in the middle leaves no half of a version.
        foreach (var name in new[] { "newest", "live" }) disk.Delete(Path.Combine(folder, name));
        disk.FlushFolder(folder);
        Directory.Delete(folder, recursive: true);
    }

    private void SetLive(LiveFolder live)
    {
        var before = Live?.Folder;
        Disk.Replace(LiveFile, LiveFolderCodec.Encode(live));
        Live = live;
        if (before is not null && before != live.Folder) RemoveFolder(before);
    }

    private bool TryLoad(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out DataVersion? version, out byte[] signed)
    {
        (version, signed) = (null, []);
        var file = new FileInfo(Path.Combine(_folder, name));
        if (!file.Exists || file.Length > DataLimits.MaxVersionBytes) return false;
        signed = File.ReadAllBytes(file.FullName);
        return DataVersionCodec.TryRead(signed, _verifier, out version) && version.Key == Key && version.Chunks.All(chunk => _objects.Contains(chunk.Hash));
    }

    private void Remove(DataHash hash)
    {
        lock (_gate)
        {
            if (!_objects.Remove(hash)) return;
            var file = new FileInfo(ObjectPath(hash));
            if (file.Exists) _bytes -= file.Length;
        }
        Disk.Delete(ObjectPath(hash));
    }

    private string ObjectPath(DataHash hash) => Path.Combine(ObjectsFolder, hash.ToString());

    private IEnumerable<string> LiveFolders() => Directory.EnumerateDirectories(_folder, "data-*").Select(path => Path.GetFileName(path)).Where(name => NumberOf(name) > 0);

    private static int NumberOf(string name) => int.TryParse(name.AsSpan("data-".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private void RemoveFolder(string name)
    {
        try
        {
            Directory.Delete(Path.Combine(_folder, name), recursive: true); // does not follow links
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            // Left to the next start; nothing reads it.
        }
    }
}
