using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>The blocks below some roots, as far as a store holds what leads there. Takes about 32 bytes of memory a block. Not thread-safe while it grows.</summary>
public sealed class ReachableBlocks
{
    private readonly HashSet<UInt128> _keys = [];

    /// <summary>Whether a block is below one of the roots, or one of them.</summary>
    public bool Contains(Cid cid) => _keys.Contains(BlockHolds.KeyOf(cid));

    /// <summary>Adds what is below a root. Only inner nodes are read, of leaves at most their first byte.</summary>
    /// <param name="store">Where the blocks are.</param>
    /// <param name="root">Where to begin.</param>
    /// <param name="mustBeWhole">Whether a missing or damaged inner node is an error.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.PinIncomplete"/>.</exception>
    public async Task AddAsync(FileBlockStore store, Cid root, bool mustBeWhole, CancellationToken cancellationToken)
    {
        var waiting = new Stack<Cid>();
        if (_keys.Add(BlockHolds.KeyOf(root))) waiting.Push(root);
        while (waiting.TryPop(out var cid))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (cid.Codec == Cid.Raw || store.IsLeaf(cid)) continue;
            if (await store.GetAsync(cid, cancellationToken) is not { } block || !DagPbNode.TryRead(block, out var node))
            {
                if (!mustBeWhole) continue;
                throw new PcException(ErrorCode.PinIncomplete, $"block {cid} of the pin {root} is missing or damaged, so what lies below it is not known; nothing was collected", $"pc pin add {root}, or pc pin rm {root}");
            }
            foreach (var link in node.Links)
                if (_keys.Add(BlockHolds.KeyOf(link.Cid))) waiting.Push(link.Cid);
        }
    }
}
