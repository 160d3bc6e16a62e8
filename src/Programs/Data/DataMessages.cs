using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace PeoplesCloud.Programs.Data;

/// <summary>A holder tells a guardian what there is.</summary>
/// <param name="Newest">The newest version.</param>
/// <param name="Lacking">How many files of it the guardian lacks, as far as the holder knows.</param>
/// <param name="Pending">How many files are changed and not in a version yet.</param>
/// <param name="IsLast">The program has left this host: there will be no newer one in this epoch.</param>
public sealed record DataNotice(DataOrigin Newest, int Lacking, int Pending, bool IsLast);

/// <summary>What a node has of a program's data, and what it last heard of its holder.</summary>
/// <param name="Newest">Its newest version; null when it has none.</param>
/// <param name="Told">What a holder told it last; null when none did.</param>
/// <param name="Silence">How long ago it last heard of that holder.</param>
/// <param name="Conflicts">Its conflicts, by name.</param>
public sealed record DataState(DataOrigin? Newest, DataNotice? Told, TimeSpan Silence, IReadOnlyList<string> Conflicts);

/// <summary>
/// The bytes between nodes; numbers are big-endian. docs/protocols/program-data.md.
/// <code>
/// origin = deploy:u64 epoch:u64 number:u64 content:32
/// notice = origin lacking:u32 pending:u32 last:u8
/// state  = has:u8 [ origin ] told:u8 [ notice ] silence:u64(ms) conflicts:u8 *( length:u8 name )
/// stamp  = deploy:u64 epoch:u64 number:u64
/// wanted = *hash:32                              1 to 32
/// chunks = *( length:u32 bytes )                 as many; length 0: not here
/// </code>
/// </summary>
public static class DataMessages
{
    /// <summary>A notice's length.</summary>
    public const int NoticeBytes = DataStamp.Size + DataHash.Size + 9;

    /// <summary>The longest answer with pieces.</summary>
    public const int MaxChunksBytes = DataLimits.BatchChunks * (4 + DataLimits.ChunkBytes);

    private const int MaxNameBytes = 120;

    /// <summary>Writes a notice.</summary>
    public static byte[] Encode(DataNotice notice)
    {
        var output = new ArrayBufferWriter<byte>(NoticeBytes);
        Write(output, notice);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads a notice; null when it is none.</summary>
    public static DataNotice? ReadNotice(ReadOnlySpan<byte> bytes)
    {
        var reader = new DataReader(bytes);
        var notice = ReadNotice(ref reader);
        return reader.IsAtEnd ? notice : null;
    }

    /// <summary>Writes a state.</summary>
    public static byte[] Encode(DataState state)
    {
        var output = new ArrayBufferWriter<byte>();
        output.Write([state.Newest is null ? (byte)0 : (byte)1]);
        if (state.Newest is { } newest) Write(output, newest);
        output.Write([state.Told is null ? (byte)0 : (byte)1]);
        if (state.Told is { } told) Write(output, told);
        DataVersionCodec.Write(output, (ulong)Math.Clamp(state.Silence.TotalMilliseconds, 0, uint.MaxValue));
        var conflicts = state.Conflicts.Where(name => Encoding.UTF8.GetByteCount(name) <= MaxNameBytes).Take(DataLimits.MaxConflicts).ToList();
        output.Write([(byte)conflicts.Count]);
        foreach (var name in conflicts)
        {
            var bytes = Encoding.UTF8.GetBytes(name);
            output.Write([(byte)bytes.Length]);
            output.Write(bytes);
        }
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads a state; null when it is none.</summary>
    public static DataState? ReadState(ReadOnlySpan<byte> bytes)
    {
        var reader = new DataReader(bytes);
        DataOrigin? newest = reader.Byte() == 1 ? new DataOrigin(reader.Stamp(), reader.Hash()) : null;
        var told = reader.Byte() == 1 ? ReadNotice(ref reader) : null;
        var silence = reader.Number();
        var conflicts = new string[reader.Byte()];
        if (conflicts.Length > DataLimits.MaxConflicts || silence > uint.MaxValue) return null;
        for (var i = 0; i < conflicts.Length; i++)
        {
            var name = reader.Take(reader.Byte());
            if (name.Length is 0 or > MaxNameBytes) return null;
            conflicts[i] = Encoding.UTF8.GetString(name);
            if (!IsConflictName(conflicts[i])) return null;
        }
        return reader.IsAtEnd ? new DataState(newest, told, TimeSpan.FromMilliseconds(silence), conflicts) : null;
    }

    /// <summary>Whether a text can be the name of a conflict: it is a part of a path here and there.</summary>
    public static bool IsConflictName(string name) =>
        name.StartsWith(DataStore.ConflictPrefix, StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(name) <= MaxNameBytes
        && name.All(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.') && !name.EndsWith(".new", StringComparison.Ordinal);

    /// <summary>Writes a stamp.</summary>
    public static byte[] Encode(DataStamp stamp)
    {
        var output = new ArrayBufferWriter<byte>(DataStamp.Size);
        DataVersionCodec.Write(output, stamp);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads a stamp; null when it is none.</summary>
    public static DataStamp? ReadStamp(ReadOnlySpan<byte> bytes)
    {
        var reader = new DataReader(bytes);
        var stamp = reader.Stamp();
        return reader.IsAtEnd ? stamp : null;
    }

    /// <summary>Writes what is wanted.</summary>
    public static byte[] Encode(IReadOnlyList<DataHash> hashes)
    {
        var bytes = new byte[hashes.Count * DataHash.Size];
        for (var i = 0; i < hashes.Count; i++) hashes[i].Write(bytes.AsSpan(i * DataHash.Size));
        return bytes;
    }

    /// <summary>Reads what is wanted; null when it is nothing or too much.</summary>
    public static IReadOnlyList<DataHash>? ReadWanted(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length % DataHash.Size != 0 || bytes.Length / DataHash.Size is < 1 or > DataLimits.BatchChunks) return null;
        var hashes = new DataHash[bytes.Length / DataHash.Size];
        for (var i = 0; i < hashes.Length; i++) hashes[i] = DataHash.Read(bytes[(i * DataHash.Size)..]);
        return hashes;
    }

    /// <summary>Writes pieces.</summary>
    public static byte[] EncodeChunks(IReadOnlyList<byte[]?> chunks)
    {
        var output = new byte[chunks.Sum(chunk => 4 + (chunk?.Length ?? 0))];
        var rest = output.AsSpan();
        foreach (var chunk in chunks)
        {
            BinaryPrimitives.WriteInt32BigEndian(rest, chunk?.Length ?? 0);
            chunk?.CopyTo(rest[4..]);
            rest = rest[(4 + (chunk?.Length ?? 0))..];
        }
        return output;
    }

    /// <summary>Reads as many pieces as were asked for; null when it is something else.</summary>
    public static IReadOnlyList<ReadOnlyMemory<byte>>? ReadChunks(ReadOnlyMemory<byte> bytes, int count)
    {
        var chunks = new List<ReadOnlyMemory<byte>>(count);
        for (; count > 0; count--)
        {
            if (bytes.Length < 4) return null;
            var length = BinaryPrimitives.ReadUInt32BigEndian(bytes.Span);
            if (length > DataLimits.ChunkBytes || length > bytes.Length - 4) return null;
            chunks.Add(bytes.Slice(4, (int)length));
            bytes = bytes[(4 + (int)length)..];
        }
        return bytes.IsEmpty ? chunks : null;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (ReadNotice(input) is { } notice && !Encode(notice).AsSpan().SequenceEqual(input)) throw new InvalidDataException("a notice was read that is written otherwise");
        if (ReadState(input) is { } state && ReadState(Encode(state)) is null) throw new InvalidDataException("a state was read that cannot be written");
        _ = ReadWanted(input);
        _ = ReadChunks(input.ToArray(), 3);
    }

    private static void Write(ArrayBufferWriter<byte> output, DataNotice notice)
    {
        Write(output, notice.Newest);
        var rest = output.GetSpan(9);
        BinaryPrimitives.WriteInt32BigEndian(rest, notice.Lacking);
        BinaryPrimitives.WriteInt32BigEndian(rest[4..], notice.Pending);
        rest[8] = notice.IsLast ? (byte)1 : (byte)0;
        output.Advance(9);
    }

    private static void Write(ArrayBufferWriter<byte> output, DataOrigin origin)
    {
        DataVersionCodec.Write(output, origin.Stamp);
        DataVersionCodec.Write(output, origin.Content);
    }

    private static DataNotice? ReadNotice(ref DataReader reader)
    {
        var newest = new DataOrigin(reader.Stamp(), reader.Hash());
        var (lacking, pending, last) = (reader.Number32(), reader.Number32(), reader.Byte());
        return !reader.IsShort && lacking <= int.MaxValue && pending <= int.MaxValue && last <= 1 ? new DataNotice(newest, (int)lacking, (int)pending, last == 1) : null;
    }
}
