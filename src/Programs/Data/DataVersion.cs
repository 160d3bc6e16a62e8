using System.Runtime.InteropServices;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Programs.Data;

/// <summary>Which of two versions is newer: that of the later deploy, then of the higher epoch, then of the higher number within it.</summary>
/// <param name="Deploy">When the program was deployed, in milliseconds since 1970 by its owner's clock: the same in every node's feeds, rising with each redeploy.</param>
/// <param name="Epoch">The lease's epoch.</param>
/// <param name="Number">Counts the versions of one epoch; the first is 1, and 0 is "nothing yet".</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DataStamp(ulong Deploy, ulong Epoch, ulong Number) : IComparable<DataStamp>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 24;

    /// <summary>Whether both are of one holder's time with the program.</summary>
    public bool IsOfEpoch(DataStamp other) => Deploy == other.Deploy && Epoch == other.Epoch;

    /// <inheritdoc/>
    public int CompareTo(DataStamp other) => (Deploy, Epoch, Number).CompareTo((other.Deploy, other.Epoch, other.Number));

    /// <summary>Newer.</summary>
    public static bool operator >(DataStamp left, DataStamp right) => left.CompareTo(right) > 0;

    /// <summary>Older.</summary>
    public static bool operator <(DataStamp left, DataStamp right) => left.CompareTo(right) < 0;

    /// <summary>Newer or the same.</summary>
    public static bool operator >=(DataStamp left, DataStamp right) => left.CompareTo(right) >= 0;

    /// <summary>Older or the same.</summary>
    public static bool operator <=(DataStamp left, DataStamp right) => left.CompareTo(right) <= 0;
}

/// <summary>A version as others name it: its stamp and the hash of its list of files.</summary>
/// <param name="Stamp">Which one.</param>
/// <param name="Content">The hash of its entries: the same for the same files with the same bytes, whoever wrote them when.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DataOrigin(DataStamp Stamp, DataHash Content);

/// <summary>What an entry is. Numbers are on the wire.</summary>
public enum DataKind
{
    /// <summary>A folder.</summary>
    Folder = 1,

    /// <summary>A file.</summary>
    File = 2,

    /// <summary>A file that its owner may execute.</summary>
    Executable = 3,
}

/// <summary>A file or folder of a version.</summary>
/// <param name="Path">Relative, with <c>/</c> between names.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Bytes">A file's length; 0 for a folder.</param>
/// <param name="Chunks">A file's pieces in order, each of <see cref="DataLimits.ChunkBytes"/> but the last.</param>
public sealed record DataEntry(string Path, DataKind Kind, long Bytes, IReadOnlyList<DataHash> Chunks)
{
    /// <summary>How many bytes a piece has.</summary>
    public int BytesOf(int chunk) => (int)Math.Min(DataLimits.ChunkBytes, Bytes - ((long)chunk * DataLimits.ChunkBytes));

    /// <summary>How many pieces a file of this length has.</summary>
    public static long ChunksOf(long bytes) => (bytes + DataLimits.ChunkBytes - 1) / DataLimits.ChunkBytes;

    /// <summary>Whether it is what the other is, with the same bytes.</summary>
    public bool IsSameAs(DataEntry? other) => other is not null && other.Kind == Kind && other.Bytes == Bytes && other.Path == Path && other.Chunks.SequenceEqual(Chunks);
}

/// <summary>
/// One state of a program's data, as its holder saw it at one moment and signed it: a list of files whose pieces are named by their hashes.
/// docs/protocols/program-data.md. Immutable.
/// </summary>
public sealed record DataVersion
{
    /// <summary>Whose data.</summary>
    public required DataKey Key { get; init; }

    /// <summary>Which version.</summary>
    public required DataStamp Stamp { get; init; }

    /// <summary>Who ran the program, and signed this.</summary>
    public required PeerId Holder { get; init; }

    /// <summary>When it was taken, by the holder's clock.</summary>
    public required DateTimeOffset Taken { get; init; }

    /// <summary>What it was built on: what its epoch began with first, then what that began with, and so on. At most <see cref="DataLimits.MaxOrigins"/>.</summary>
    public required IReadOnlyList<DataOrigin> Origins { get; init; }

    /// <summary>Its files, by the bytes of their paths; a folder comes before what it holds.</summary>
    public required IReadOnlyList<DataEntry> Entries { get; init; }

    /// <summary>The hash of its entries.</summary>
    public DataHash Content => _content ??= DataVersionCodec.HashOf(Entries);

    /// <summary>How others name it.</summary>
    public DataOrigin Origin => new(Stamp, Content);

    /// <summary>All files together, in bytes.</summary>
    public long TotalBytes => Entries.Sum(entry => entry.Bytes);

    /// <summary>How many files there are.</summary>
    public int Files => Entries.Count(entry => entry.Kind != DataKind.Folder);

    /// <summary>All pieces, some more than once, each with its length.</summary>
    public IEnumerable<(DataHash Hash, int Bytes)> Chunks => Entries.SelectMany(entry => entry.Chunks.Select((hash, i) => (hash, entry.BytesOf(i))));

    private DataHash? _content;

    /// <summary>How many bytes of pieces another version lacks.</summary>
    public long BytesUnlike(DataVersion? other)
    {
        var there = other?.Chunks.Select(chunk => chunk.Hash).ToHashSet() ?? [];
        return Chunks.Where(chunk => there.Add(chunk.Hash)).Sum(chunk => (long)chunk.Bytes);
    }

    /// <summary>How many files of this version another one lacks or has otherwise, or has and this one not.</summary>
    public int FilesUnlike(DataVersion? other)
    {
        var there = (other?.Entries ?? []).Where(entry => entry.Kind != DataKind.Folder).ToDictionary(entry => entry.Path, StringComparer.Ordinal);
        var unlike = 0;
        foreach (var entry in Entries.Where(entry => entry.Kind != DataKind.Folder))
        {
            if (!there.Remove(entry.Path, out var same) || !entry.IsSameAs(same)) unlike++;
        }
        return unlike + there.Count;
    }

    /// <summary>
    /// Whether this version took over all that another, older one says: it was built on it or on a later one of the same holder, or one
    /// of those had the same files. If not, the other is a branch that would be lost with it.
    /// </summary>
    public bool TookOver(DataVersion older)
    {
        if (older.Entries.Count == 0 || older.Content == Content || Stamp.IsOfEpoch(older.Stamp)) return true;
        if (Origins.Any(origin => origin.Content == older.Content || (origin.Stamp.IsOfEpoch(older.Stamp) && origin.Stamp.Number >= older.Stamp.Number))) return true;
        // It never changed what it began with: then what it began with decides.
        return older.Origins is [var began, ..] && began.Content == older.Content && Origins.Any(origin => origin.Stamp >= began.Stamp && origin.Stamp.IsOfEpoch(began.Stamp));
    }
}
