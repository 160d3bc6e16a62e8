using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Content;

/// <summary>What a UnixFS node is (values of the format).</summary>
public enum UnixFsType
{
    /// <summary>A part of a file, as old programs wrote leaves.</summary>
    Raw = 0,

    /// <summary>A folder whose entries are the node's links.</summary>
    Directory = 1,

    /// <summary>A file or a part of one.</summary>
    File = 2,

    /// <summary>Metadata; not used any more.</summary>
    Metadata = 3,

    /// <summary>A symbolic link; the data is its target.</summary>
    Symlink = 4,

    /// <summary>A node of a folder that is spread over several nodes: see <see cref="HamtShard"/>.</summary>
    HamtShard = 5,
}

// unixfs = %x08 type [%x12 length data] [%x18 filesize] *(%x20 blocksize) [%x28 hashtype] [%x30 fanout] [%x38 mode] [%x42 length mtime]
// Written in this order; read in any order, with block sizes packed (%x22) or not, unknown fields skipped, each single field at most once.
// Limits: it lies in one dag-pb node (2 MiB); sizes at most 2^63-1.

/// <summary>The data of a dag-pb node that is part of a UnixFS v1 file or folder. Mode and time are read over, not kept. Immutable.</summary>
/// <param name="Type">What the node is.</param>
/// <param name="Data">A leaf's bytes, a symbolic link's target, or the bits of a shard's slots.</param>
/// <param name="FileSize">Bytes of the file below and in this node; null when the field is missing.</param>
/// <param name="BlockSizes">For each link, the bytes of the file below it.</param>
/// <param name="HashType">How a shard places names (a multicodec); null when the field is missing.</param>
/// <param name="Fanout">Slots of a shard; null when the field is missing.</param>
public sealed record UnixFsData(UnixFsType Type, ReadOnlyMemory<byte> Data, long? FileSize, IReadOnlyList<long> BlockSizes, long? HashType = null, long? Fanout = null)
{
    private const int VarintWire = 0;
    private const int Fixed64Wire = 1;
    private const int BytesWire = 2;
    private const int Fixed32Wire = 5;

    /// <summary>Reads the data field of a node.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out UnixFsData? data)
    {
        data = null;
        long? type = null, fileSize = null, hashType = null, fanout = null;
        ReadOnlyMemory<byte>? content = null;
        var sizes = new List<long>();
        for (var rest = bytes; !rest.IsEmpty;)
        {
            if (!TryReadNumber(ref rest, out var tag)) return false;
            long number = 0;
            ReadOnlyMemory<byte> field = default;
            var read = (tag & 7) switch
            {
                VarintWire => TryReadNumber(ref rest, out number),
                BytesWire => TryReadNumber(ref rest, out var length) && TryTake(ref rest, length, out field),
                Fixed64Wire => TryTake(ref rest, 8, out _),
                Fixed32Wire => TryTake(ref rest, 4, out _),
                _ => false,
            };
            if (!read) return false;
            switch (tag)
            {
                case 0x08 when type is null: type = number; break;
                case 0x12 when content is null: content = field; break;
                case 0x18 when fileSize is null: fileSize = number; break;
                case 0x20: sizes.Add(number); break;
                case 0x22 when TryReadPacked(field, sizes): break;
                case 0x28 when hashType is null: hashType = number; break;
                case 0x30 when fanout is null: fanout = number; break;
                case <= 0x37: return false; // a known field twice, or with a wire type that it does not have
            }
        }
        if (type is not (>= 0 and <= (long)UnixFsType.HamtShard)) return false;
        data = new UnixFsData((UnixFsType)type, content ?? default, fileSize, sizes, hashType, fanout);
        return true;
    }

    /// <summary>Writes the canonical form; empty data is left out, as IPFS does.</summary>
    public byte[] ToBytes()
    {
        var output = new ArrayBufferWriter<byte>(16 + Data.Length + BlockSizes.Count * 4);
        WriteNumber(output, 0x08, (long)Type);
        if (!Data.IsEmpty)
        {
            WriteNumber(output, 0x12, Data.Length);
            output.Write(Data.Span);
        }
        if (FileSize is { } size) WriteNumber(output, 0x18, size);
        foreach (var blockSize in BlockSizes) WriteNumber(output, 0x20, blockSize);
        if (HashType is { } hashType) WriteNumber(output, 0x28, hashType);
        if (Fanout is { } fanout) WriteNumber(output, 0x30, fanout);
        return output.WrittenSpan.ToArray();
    }

    // Fuzz target: what is accepted means the same after writing and reading again.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryRead(input.ToArray(), out var data)) return;
        Invariant.Check(TryRead(data.ToBytes(), out var again), "what we write can be read");
        Invariant.Check(again.Type == data.Type && again.FileSize == data.FileSize && again.HashType == data.HashType && again.Fanout == data.Fanout && again.BlockSizes.SequenceEqual(data.BlockSizes)
            && again.Data.Span.SequenceEqual(data.Data.Span), "UnixFS data means the same after a round trip");
    }

    private static bool TryReadPacked(ReadOnlyMemory<byte> field, List<long> sizes)
    {
        while (!field.IsEmpty)
        {
            if (!TryReadNumber(ref field, out var size)) return false;
            sizes.Add(size);
        }
        return true;
    }

    private static bool TryReadNumber(ref ReadOnlyMemory<byte> rest, out long number)
    {
        var done = Varint.TryRead(rest.Span, out var value, out var read) == ParseStatus.Done;
        number = (long)value;
        rest = rest[read..];
        return done;
    }

    private static bool TryTake(ref ReadOnlyMemory<byte> rest, long length, out ReadOnlyMemory<byte> field)
    {
        field = default;
        if (length > rest.Length) return false;
        field = rest[..(int)length];
        rest = rest[(int)length..];
        return true;
    }

    private static void WriteNumber(ArrayBufferWriter<byte> output, byte tag, long value)
    {
        output.GetSpan(1)[0] = tag;
        output.Advance(1);
        Varint.Write(output, (ulong)value);
    }
}
