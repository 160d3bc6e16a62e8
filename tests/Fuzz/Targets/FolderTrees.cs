using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Content;

namespace PeoplesCloud.Fuzz.Targets;

/// <summary>
/// Trees that no honest program makes: the input says which nodes to make, with links to those before and sizes that may lie. All that a
/// person can ask of one must end in content within the limits or in an error for people.
/// <code>tree = *( kind:u8 count:u8 count*( target:u8 size:u8 ) length:u8 data:length )</code>
/// </summary>
internal static class FolderTrees
{
    private const int MaxNodes = 64;
    private const long MaxBytes = 1 << 12; // a leaf of one byte may lie 32 nodes deep, each some hundred bytes of garbage, and those of one input are counted together

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var store = new MemoryBlockStore();
        var nodes = new List<Cid>();
        while (!input.IsEmpty && nodes.Count < MaxNodes) nodes.Add(Put(store, nodes, ref input));
        if (nodes.Count == 0) return;
        var reader = new UnixFsReader(new BlockFetcher(store, []), new UnixFsLimits { MaxBytes = MaxBytes, MaxEntries = 500, MaxDepth = 20, MaxBlocks = 500 });
        Use(() => Read(reader, nodes[^1]));
        Use(() => Count(reader.WalkAsync(nodes[^1], CancellationToken.None)));
        Use(() => Count(reader.ListAsync(nodes[^1], null, CancellationToken.None)));
        Use(() => _ = reader.StatAsync(nodes[^1], "a/b", CancellationToken.None).GetAwaiter().GetResult());
    }

    private static Cid Put(MemoryBlockStore store, List<Cid> nodes, ref ReadOnlySpan<byte> input)
    {
        var kind = Next(ref input);
        var links = new List<DagPbLink>();
        var sizes = new List<long>();
        for (var count = Next(ref input) % 24; count > 0 && !input.IsEmpty; count--)
        {
            var (target, size) = (Next(ref input), Next(ref input));
            if (nodes.Count == 0) break;
            var cid = nodes[target % nodes.Count];
            var isOdd = (size & 0x80) != 0;
            links.Add(new DagPbLink(cid, kind % 8 is 0 or 3 ? "" : kind % 8 == 5 ? $"{size % 16:X}{(isOdd ? "name" : "")}" : ((char)('a' + (size % 26))).ToString(), size));
            // Mostly what the child says, so that some get far.
            sizes.Add(isOdd ? size : SizeOf(store, cid));
        }
        var length = Math.Min(Next(ref input), input.Length);
        var data = input[..length].ToArray();
        input = input[length..];
        var block = kind % 8 == 7
            ? data
            : new DagPbNode(links, (kind % 8 == 6 ? Encoded(data) : new UnixFsData((UnixFsType)(kind % 8), data, (kind & 0x80) != 0 ? kind : data.Length + sizes.Sum(), sizes,
                kind % 8 == 5 ? 0x22 : null, kind % 8 == 5 ? 16 : null)).ToBytes()).ToBytes();
        var made = Cid.V1(kind % 8 == 7 ? Cid.Raw : Cid.DagPb, SHA256.HashData(block));
        store.PutAsync([(made, block)], CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return made;
    }

    // The data as it is, when it is something at all.
    private static UnixFsData Encoded(byte[] data) => UnixFsData.TryRead(data, out var read) ? read : new UnixFsData(UnixFsType.Symlink, Encoding.UTF8.GetBytes("target"), null, []);

    private static long SizeOf(MemoryBlockStore store, Cid cid)
    {
        var block = store.GetAsync(cid, CancellationToken.None).AsTask().GetAwaiter().GetResult()!.Value;
        return cid.Codec == Cid.Raw ? block.Length : DagPbNode.TryRead(block, out var node) && node.Data is { } bytes && UnixFsData.TryRead(bytes, out var data) ? data.FileSize ?? data.Data.Length : 0;
    }

    private static void Read(UnixFsReader reader, Cid cid)
    {
        using var stream = reader.OpenAsync(cid, null, CancellationToken.None).GetAwaiter().GetResult();
        var buffer = new byte[4096];
        for (long total = 0; total <= MaxBytes;)
        {
            var read = stream.ReadAsync(buffer, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            if (read == 0)
            {
                Invariant.Check(total == stream.Length, "a file is as long as it says");
                return;
            }
            total += read;
        }
    }

    private static void Count<T>(IAsyncEnumerable<T> items)
    {
        var enumerator = items.GetAsyncEnumerator();
        while (enumerator.MoveNextAsync().AsTask().GetAwaiter().GetResult())
        {
            // each is looked at by the reader
        }
        enumerator.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private static void Use(Action use)
    {
        try
        {
            use();
        }
        catch (PcException)
        {
            // the expected answer to most of them
        }
    }

    private static byte Next(ref ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return 0;
        var next = input[0];
        input = input[1..];
        return next;
    }
}
