using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace PeoplesCloud.Content;

// shard = dag-pb node: data = UnixFS of type 5 (data: one bit a slot that is used, big-endian, without leading zero bytes; hashtype 0x22; fanout),
//         links = one a used slot, by index; name = index as upper-case hex, as wide as fanout-1 is, then the entry's name; no name: a shard below
// A name's slot at depth d: bits d*b to d*b+b-1, from the highest, of the first half of its MurmurHash3 x64-128 (b = log2 fanout).
// Limits: fanout a power of two from 8 to 1024 (UnixFS specification, "HAMT Directory"); depth 64/b.

/// <summary>One node of a folder that is too large for one: a hash array mapped trie (UnixFS v1 specification; kubo's <c>ipld/unixfs/hamt</c>).</summary>
internal sealed class HamtShard
{
    /// <summary>A folder whose names and CIDs have more bytes than this is written as shards: kubo's Import.UnixFSHAMTDirectorySizeThreshold.</summary>
    public const int ThresholdBytes = 256 << 10;

    /// <summary>Slots of a shard that we write.</summary>
    public const int WrittenFanout = 256;

    private const int WrittenBits = 8;
    private const int Murmur3Codec = 0x22;
    private const int MinFanout = 8;
    private const int MaxFanout = 1024;

    private HamtShard(int bits, IReadOnlyList<ShardSlot> slots)
    {
        Bits = bits;
        Slots = slots;
    }

    /// <summary>Bits of the hash that choose a slot.</summary>
    public int Bits { get; }

    /// <summary>Those that are used, by index.</summary>
    public IReadOnlyList<ShardSlot> Slots { get; }

    /// <summary>What an entry counts for <see cref="ThresholdBytes"/>.</summary>
    public static long WeightOf(DagPbLink link) => Encoding.UTF8.GetByteCount(link.Name ?? "") + link.Cid.Bytes.Length;

    /// <summary>Reads a shard's data and links; where it lies in its folder is judged by <see cref="Check"/>.</summary>
    /// <exception cref="Base.PcException">It is not valid or not known.</exception>
    public static HamtShard Parse(Cid cid, UnixFsData data, IReadOnlyList<DagPbLink> links)
    {
        if (data.HashType != Murmur3Codec || data.Fanout is not (>= MinFanout and <= MaxFanout) || !BitOperations.IsPow2(data.Fanout.Value))
            throw new Base.PcException(Base.ErrorCode.ContentUnsupported, $"folder {cid} is spread by a hash or a fanout that is not known");
        var fanout = (int)data.Fanout.Value;
        var width = PrefixWidth(fanout);
        var slots = new ShardSlot[links.Count];
        var last = -1;
        for (var i = 0; i < slots.Length; i++)
        {
            var name = links[i].Name ?? "";
            if (name.Length < width || !int.TryParse(name.AsSpan(0, width), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var index)
                || !name.StartsWith(Prefix(index, width), StringComparison.Ordinal) || index <= last || index >= fanout)
                throw UnixFsNode.Invalid(cid, "a name does not begin with its slot");
            last = index;
            slots[i] = new ShardSlot(index, links[i].Cid, name.Length == width ? null : links[i] with { Name = name[width..] });
            if (slots[i].Entry is { } entry) UnixFsNode.CheckName(cid, entry.Name!);
        }
        if (!data.Data.Span.SequenceEqual(BitField(slots.Select(s => s.Index), fanout))) throw UnixFsNode.Invalid(cid, "its bits are not its slots");
        return new HamtShard(BitOperations.Log2((uint)fanout), slots);
    }

    /// <summary>
    /// Refuses entries that do not belong where they are. So a name has one place, listing and looking up agree, and a shard that
    /// is linked from two places is an error instead of an endless folder.
    /// </summary>
    /// <exception cref="Base.PcException">A name is not where its hash says, or the shard has another fanout or no entry.</exception>
    public void Check(Cid cid, ShardPlace place)
    {
        if (Bits != place.Bits) throw UnixFsNode.Invalid(cid, "its fanout is not that of the folder");
        if (place.Depth > 0 && Slots.Count == 0) throw UnixFsNode.Invalid(cid, "a part of a folder is empty");
        foreach (var slot in Slots)
        {
            if (slot.Entry is { } entry ? !place.Below(slot.Index).Holds(entry.Name!) : !place.MayHaveBelow)
                throw UnixFsNode.Invalid(cid, "an entry is not where its name's hash says");
        }
    }

    /// <summary>A used slot; null when it is not used.</summary>
    public ShardSlot? Find(int index)
    {
        foreach (var slot in Slots)
            if (slot.Index == index) return slot;
        return null;
    }

    /// <summary>Writes a folder as shards, with the CIDs that kubo gives it.</summary>
    /// <param name="entries">With names and sizes.</param>
    /// <param name="store">Takes the block of a shard and answers its CID; inner ones first.</param>
    /// <returns>The root; null when two names have the same hash, which only happens on purpose.</returns>
    public static FilePart? Build(IReadOnlyList<DagPbLink> entries, Func<byte[], Cid> store)
    {
        var sorted = entries.Select(e => (Hash: ShardPlace.HashOf(e.Name!), Link: e)).OrderBy(e => e.Hash).ToArray();
        for (var i = 1; i < sorted.Length; i++)
            if (sorted[i].Hash == sorted[i - 1].Hash) return null;
        return Build(sorted, 0, store);
    }

    private static FilePart Build(ReadOnlySpan<(ulong Hash, DagPbLink Link)> entries, int depth, Func<byte[], Cid> store)
    {
        var links = new List<DagPbLink>();
        var slots = new List<int>();
        while (!entries.IsEmpty)
        {
            var index = IndexOf(entries[0].Hash);
            var count = 1;
            while (count < entries.Length && IndexOf(entries[count].Hash) == index) count++;
            var prefix = Prefix(index, PrefixWidth(WrittenFanout));
            slots.Add(index);
            if (count == 1)
            {
                links.Add(entries[0].Link with { Name = prefix + entries[0].Link.Name });
            }
            else
            {
                var below = Build(entries[..count], depth + 1, store);
                links.Add(new DagPbLink(below.Cid, prefix, below.DagBytes));
            }
            entries = entries[count..];
        }
        var data = new UnixFsData(UnixFsType.HamtShard, BitField(slots, WrittenFanout), null, [], Murmur3Codec, WrittenFanout);
        var block = new DagPbNode(links, data.ToBytes()).ToBytes();
        return new FilePart(store(block), 0, block.Length + links.Sum(l => l.Tsize!.Value));

        int IndexOf(ulong hash) => (byte)(hash >> (64 - WrittenBits * (depth + 1)));
    }

    private static int PrefixWidth(int fanout) => (fanout - 1).ToString("X", CultureInfo.InvariantCulture).Length;

    private static string Prefix(int index, int width) => index.ToString("X" + width.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static byte[] BitField(IEnumerable<int> slots, int fanout)
    {
        var bits = new byte[fanout / 8];
        foreach (var slot in slots) bits[^(slot / 8 + 1)] |= (byte)(1 << (slot % 8));
        return bits.AsSpan().TrimStart((byte)0).ToArray();
    }
}

/// <summary>A used slot of a shard.</summary>
/// <param name="Index">Which.</param>
/// <param name="Cid">What it points to.</param>
/// <param name="Entry">The folder's entry under its own name; null when the slot holds a shard below.</param>
internal readonly record struct ShardSlot(int Index, Cid Cid, DagPbLink? Entry);

/// <summary>Where a shard lies in its folder: the highest bits of the hashes of all names in and below it.</summary>
/// <param name="Bits">Bits that choose a slot.</param>
/// <param name="Depth">Shards above it.</param>
/// <param name="Path">Their chosen slots, <paramref name="Bits"/> each.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ShardPlace(int Bits, int Depth, ulong Path)
{
    /// <summary>Whether the hash has bits for another shard below.</summary>
    public bool MayHaveBelow => Bits * (Depth + 2) <= 64;

    /// <summary>The place of a folder's own block.</summary>
    public static ShardPlace Root(HamtShard shard) => new(shard.Bits, 0, 0);

    /// <summary>The hash that places a name.</summary>
    public static ulong HashOf(string name) => Murmur3.Hash64(Encoding.UTF8.GetBytes(name));

    /// <summary>The place behind a slot.</summary>
    public ShardPlace Below(int index) => new(Bits, Depth + 1, Path << Bits | (uint)index);

    /// <summary>The slot of a name in the shard that lies here.</summary>
    public int IndexOf(string name) => (int)(HashOf(name) >> (64 - Bits * (Depth + 1)) & (1u << Bits) - 1);

    /// <summary>Whether a name's hash leads here.</summary>
    public bool Holds(string name) => HashOf(name) >> (64 - Bits * Depth) == Path;
}
