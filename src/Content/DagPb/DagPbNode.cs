using System.Diagnostics.CodeAnalysis;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Content;

/// <summary>A link of a dag-pb node.</summary>
/// <param name="Cid">The block it points to.</param>
/// <param name="Name">The name; empty between the parts of a file; null when the field is missing.</param>
/// <param name="Tsize">What its maker says all blocks below weigh together, in bytes; null when the field is missing. Never to be trusted.</param>
public sealed record DagPbLink(Cid Cid, string? Name, long? Tsize);

// node = *(%x12 length link) [%x0A length data]                      protobuf, links before data
// link = %x0A length cid [%x12 length name] [%x18 tsize]             fields in this order, varints in shortest form
// Limits: a block has at most 2 MiB; tsize at most 2^63-1; name is UTF-8; cid is sha2-256 of dag-pb or raw.
// Only this canonical form is read, so that reading and writing again gives the same bytes and the same CID.

/// <summary>A dag-pb node (IPLD's dag-pb specification): links and opaque data. Immutable.</summary>
public sealed class DagPbNode
{
    /// <summary>What a node without links begins with.</summary>
    internal const byte DataTag = 0x0a;

    private const byte LinkTag = 0x12;
    private const byte HashTag = 0x0a;
    private const byte NameTag = 0x12;
    private const byte TsizeTag = 0x18;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A node of these links, in this order, and this data; null writes no data field.</summary>
    public DagPbNode(IReadOnlyList<DagPbLink> links, ReadOnlyMemory<byte>? data)
    {
        Links = links;
        Data = data;
    }

    /// <summary>The links, in the order they have in the block.</summary>
    public IReadOnlyList<DagPbLink> Links { get; }

    /// <summary>The data; null when the field is missing.</summary>
    public ReadOnlyMemory<byte>? Data { get; }

    /// <summary>Reads a whole block. The node's data refers to the block's memory.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> block, [NotNullWhen(true)] out DagPbNode? node)
    {
        node = null;
        if (block.Length > IBlockStore.MaxBlockBytes) return false;
        var links = new List<DagPbLink>();
        ReadOnlyMemory<byte>? data = null;
        for (var rest = block; !rest.IsEmpty;)
        {
            var tag = rest.Span[0];
            if (data is not null || tag is not (LinkTag or DataTag)) return false; // data is the last field
            if (!TryReadField(ref rest, out var field)) return false;
            if (tag == DataTag) data = field;
            else if (TryReadLink(field, out var link)) links.Add(link);
            else return false;
        }
        node = new DagPbNode(links, data);
        return true;
    }

    /// <summary>Writes the canonical form.</summary>
    /// <exception cref="ArgumentException">A name is not valid Unicode or a size is negative.</exception>
    public byte[] ToBytes()
    {
        var names = new byte[Links.Count][];
        var total = Data is { } d ? 1 + Varint.SizeOf((ulong)d.Length) + d.Length : 0;
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = Links[i].Name is { } name ? StrictUtf8.GetBytes(name) : [];
            var size = LinkSize(Links[i], names[i].Length);
            total += 1 + Varint.SizeOf((ulong)size) + size;
        }
        var bytes = new byte[total];
        var at = 0;
        for (var i = 0; i < names.Length; i++)
        {
            var link = Links[i];
            WriteLength(bytes, ref at, LinkTag, LinkSize(link, names[i].Length));
            WriteLength(bytes, ref at, HashTag, link.Cid.Bytes.Length);
            link.Cid.Bytes.CopyTo(bytes.AsSpan(at));
            at += link.Cid.Bytes.Length;
            if (link.Name is not null)
            {
                WriteLength(bytes, ref at, NameTag, names[i].Length);
                names[i].CopyTo(bytes, at);
                at += names[i].Length;
            }
            if (link.Tsize is { } tsize) WriteLength(bytes, ref at, TsizeTag, tsize);
        }
        if (Data is { } data)
        {
            WriteLength(bytes, ref at, DataTag, data.Length);
            data.Span.CopyTo(bytes.AsSpan(at));
        }
        return bytes;
    }

    // Fuzz target: what is accepted is written back byte for byte.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryRead(input.ToArray(), out var node)) Invariant.Check(node.ToBytes().AsSpan().SequenceEqual(input), "dag-pb is canonical");
    }

    private static bool TryReadLink(ReadOnlyMemory<byte> rest, [NotNullWhen(true)] out DagPbLink? link)
    {
        link = null;
        if (rest.IsEmpty || rest.Span[0] != HashTag || !TryReadField(ref rest, out var hash) || !Cid.TryFromBytes(hash.Span, out var cid)) return false;
        string? name = null;
        if (!rest.IsEmpty && rest.Span[0] == NameTag)
        {
            if (!TryReadField(ref rest, out var nameBytes) || !System.Text.Unicode.Utf8.IsValid(nameBytes.Span)) return false;
            name = Encoding.UTF8.GetString(nameBytes.Span);
        }
        long? tsize = null;
        if (!rest.IsEmpty && rest.Span[0] == TsizeTag)
        {
            if (Varint.TryRead(rest.Span[1..], out var value, out var read) != ParseStatus.Done) return false;
            tsize = (long)value;
            rest = rest[(1 + read)..];
        }
        link = new DagPbLink(cid, name, tsize);
        return rest.IsEmpty;
    }

    // A length-delimited field whose tag byte was looked at; the length is checked against what is there before anything is made of it.
    private static bool TryReadField(ref ReadOnlyMemory<byte> rest, out ReadOnlyMemory<byte> field)
    {
        field = default;
        if (Varint.TryRead(rest.Span[1..], out var length, out var read) != ParseStatus.Done) return false;
        var start = 1 + read;
        if (length > (ulong)(rest.Length - start)) return false;
        field = rest.Slice(start, (int)length);
        rest = rest[(start + (int)length)..];
        return true;
    }

    private static int LinkSize(DagPbLink link, int nameBytes)
    {
        var hash = link.Cid.Bytes.Length;
        var size = 1 + Varint.SizeOf((ulong)hash) + hash;
        if (link.Name is not null) size += 1 + Varint.SizeOf((ulong)nameBytes) + nameBytes;
        if (link.Tsize is { } tsize) size += 1 + Varint.SizeOf((ulong)tsize);
        return size;
    }

    private static void WriteLength(byte[] bytes, ref int at, byte tag, long value)
    {
        bytes[at++] = tag;
        at += Varint.Write(bytes.AsSpan(at), (ulong)value);
    }
}
