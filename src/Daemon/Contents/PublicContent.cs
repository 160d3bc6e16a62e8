using PeoplesCloud.Content;

namespace PeoplesCloud.Daemon.Contents;

/// <summary>
/// What the world may read: the roots that this node's owner marked and all below them. Which blocks that is, is worked out when it is
/// asked for the first time after a change, and kept in memory. Thread-safe.
/// </summary>
internal sealed class PublicContent(PinSet roots, FileBlockStore store)
{
    private readonly Lock _gate = new();
    private Task<ReachableBlocks>? _blocks;

    /// <summary>The marked roots.</summary>
    public IReadOnlyList<Cid> Roots => roots.List();

    /// <summary>Marks what is pinned and here; durable when it returns.</summary>
    public async Task AddAsync(Cid root, CancellationToken cancellationToken)
    {
        await roots.AddAsync(root, cancellationToken);
        Forget();
    }

    /// <summary>Takes a mark away; the world reads it no longer when this returns. False when there was none.</summary>
    public async Task<bool> RemoveAsync(Cid root, CancellationToken cancellationToken)
    {
        var removed = await roots.RemoveAsync(root, cancellationToken);
        Forget();
        return removed;
    }

    /// <summary>Works out anew what is public.</summary>
    public void Forget()
    {
        lock (_gate) _blocks = null;
    }

    /// <summary>Whether the world may read a block.</summary>
    public async ValueTask<bool> ContainsAsync(Cid cid)
    {
        Task<ReachableBlocks> blocks;
        lock (_gate) blocks = _blocks ??= Task.Run(FindAsync);
        try
        {
            return (await blocks).Contains(cid);
        }
        catch
        {
            Forget(); // the next request tries again
            throw;
        }
    }

    private async Task<ReachableBlocks> FindAsync()
    {
        var blocks = new ReachableBlocks();
        foreach (var root in roots.List()) await blocks.AddAsync(store, root, mustBeWhole: false, CancellationToken.None);
        return blocks;
    }
}
