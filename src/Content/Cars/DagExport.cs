using System.Runtime.CompilerServices;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>
/// The blocks that prove what a path names: those on the way, then those that were selected, depth first, parents before their
/// children. Nothing is asked for ahead, so the order is the same every time. Not thread-safe.
/// </summary>
public sealed class DagExport(BlockFetcher fetcher, DagSelection selection, UnixFsLimits? limits = null)
{
    private readonly int _maxBlocks = (limits ?? new UnixFsLimits()).MaxBlocks;
    private readonly HashSet<UInt128> _written = [];
    private int _visits;

    /// <summary>The blocks.</summary>
    /// <exception cref="PcException">A block is missing or invalid, the path does not exist, or a limit is reached.</exception>
    public async IAsyncEnumerable<(Cid Cid, ReadOnlyMemory<byte> Block)> RunAsync(UnixFsTrace trace, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var cid in trace.Way)
        {
            var block = await fetcher.GetRequiredAsync(cid, cancellationToken);
            if (IsDue(cid)) yield return (cid, block);
        }
        // Where a part of the entity begins in it; null behind a link out of it.
        var waiting = new Stack<(Cid Cid, long Start)>();
        (long First, long Last)? range = null;
        waiting.Push((trace.Cid, 0));
        for (var isTop = true; waiting.TryPop(out var next); isTop = false)
        {
            var block = await fetcher.GetRequiredAsync(next.Cid, cancellationToken);
            // What was written once was walked once too, except on the way here, and in a range, where each place has children of its own.
            if (IsDue(next.Cid)) yield return (next.Cid, block);
            else if (!isTop && range is null) continue;
            if (selection.Scope == DagScope.Block || next.Cid.Codec == Cid.Raw) continue;
            if (selection.Scope == DagScope.All)
            {
                if (!DagPbNode.TryRead(block, out var node)) throw UnixFsNode.Invalid(next.Cid, "it is not canonical dag-pb");
                foreach (var link in node.Links.Reverse()) waiting.Push((link.Cid, 0));
                continue;
            }
            if (Understood(next.Cid, block, isTop) is not { } part) continue;
            if (isTop && selection.Bytes is { } bytes && part.Kind == UnixFsKind.File)
            {
                range = bytes.In(part.FileBytes);
                if (range is null) yield break; // the root says how long the file is
            }
            foreach (var child in Children(part, next.Start, range)) waiting.Push(child);
        }
    }

    private bool IsDue(Cid cid)
    {
        if (++_visits > _maxBlocks) throw new PcException(ErrorCode.ContentTooLarge, $"more than {_maxBlocks} blocks");
        return selection.Duplicates || _written.Add(BlockHolds.KeyOf(cid));
    }

    // What is no UnixFS has no entity beyond its block.
    private static UnixFsNode? Understood(Cid cid, ReadOnlyMemory<byte> block, bool isTop)
    {
        try
        {
            return UnixFsNode.Parse(cid, block);
        }
        catch (PcException) when (isTop)
        {
            return null;
        }
    }

    // The last first: they go on a stack.
    private static IEnumerable<(Cid Cid, long Start)> Children(UnixFsNode part, long start, (long First, long Last)? range)
    {
        if (part.Shard is { } shard)
        {
            foreach (var slot in shard.Slots.Reverse())
                if (slot.Entry is null) yield return (slot.Cid, 0);
        }
        if (part.Kind != UnixFsKind.File) yield break;
        var end = start + part.FileBytes;
        for (var i = part.Links.Count - 1; i >= 0; i--)
        {
            var begin = end - part.BlockSizes[i];
            // Parts of no bytes are in no range: a wide tree of them would be endless.
            if (range is not { } wanted || (begin < end && begin <= wanted.Last && end > wanted.First)) yield return (part.Links[i].Cid, begin);
            end = begin;
        }
    }
}
