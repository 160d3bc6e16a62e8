using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>What a collection removed, or would remove.</summary>
/// <param name="RemovedBlocks">Blocks.</param>
/// <param name="RemovedBytes">Their bytes.</param>
/// <param name="KeptBlocks">Blocks that stay.</param>
/// <param name="KeptBytes">Their bytes.</param>
public sealed record CollectResult(long RemovedBlocks, long RemovedBytes, long KeptBlocks, long KeptBytes);

/// <summary>What a collector asks others.</summary>
public sealed record BlockRoots
{
    /// <summary>What is pinned. All below must be there: a block that is missing on the way down stops a collection.</summary>
    public required Func<IEnumerable<Cid>> Pinned { get; init; }

    /// <summary>What is needed as far as it is here: the bundles of programs that run or may run.</summary>
    public required Func<IEnumerable<Cid>> Needed { get; init; }

    /// <summary>Forgets who may read blocks, durably, right before they are removed.</summary>
    public required Action<IReadOnlyList<Cid>> Forget { get; init; }
}

/// <summary>
/// Removes blocks that nothing needs, oldest use first. Never one below a pin, of a needed program, or that a hold covers
/// (<see cref="BlockHolds"/>). It may be killed at any step: what is left is a store with less or more garbage. Thread-safe; one
/// collection at a time.
/// </summary>
public sealed class BlockCollector(FileBlockStore store, BlockHolds holds, BlockRoots roots, TimeProvider time, ILogger logger) : IDisposable
{
    // Removed under one lock and one transaction: puts wait for some milliseconds.
    private const int BatchBlocks = 256;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(15);

    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>Collects once.</summary>
    /// <param name="keepBytes">Ends as soon as the store has at most so many bytes; 0 removes all that may be removed.</param>
    /// <param name="dryRun">Only counts.</param>
    /// <param name="cancellationToken">Ends between two batches.</param>
    /// <exception cref="PcException">A pin is not whole (<see cref="ErrorCode.PinIncomplete"/>) or the disk failed; nothing that is needed was removed.</exception>
    public async Task<CollectResult> CollectAsync(long keepBytes, bool dryRun, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() => CollectInTurnAsync(keepBytes, dryRun, cancellationToken), cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Collects whenever the store has grown over a limit, until it has a tenth less than that.</summary>
    public async Task RunAsync(long limitBytes, CancellationToken cancellationToken)
    {
        var (bytes, writtenBytes) = (store.ListStored().Sum(block => block.Bytes), store.WrittenBytes);
        while (true)
        {
            if (bytes + store.WrittenBytes - writtenBytes > limitBytes)
            {
                writtenBytes = store.WrittenBytes;
                bytes = await TryCollectAsync(limitBytes, cancellationToken) ?? bytes;
                // What is needed may be more than the limit. It is looked at again after some more was written.
                if (bytes > limitBytes) bytes = limitBytes - limitBytes / 10;
            }
            await Task.Delay(LookEvery, time, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async Task<long?> TryCollectAsync(long limitBytes, CancellationToken cancellationToken)
    {
        try
        {
            var result = await CollectAsync(limitBytes - limitBytes / 10, dryRun: false, cancellationToken);
            ContentLog.Collected(logger, result.RemovedBlocks, result.RemovedBytes, result.KeptBytes, limitBytes);
            return result.KeptBytes;
        }
        catch (PcException e)
        {
            ContentLog.NotCollected(logger, e);
            return null;
        }
    }

    private async Task<CollectResult> CollectInTurnAsync(long keepBytes, bool dryRun, CancellationToken cancellationToken)
    {
        holds.Begin();
        try
        {
            // 1. What there is, before the roots are read: what comes later is not looked at.
            var blocks = store.ListStored().ToList();
            var kept = blocks.Sum(block => block.Bytes);

            // 2. What is needed.
            var needed = new ReachableBlocks();
            foreach (var root in roots.Pinned()) await needed.AddAsync(store, root, mustBeWhole: true, cancellationToken);
            foreach (var root in roots.Needed()) await needed.AddAsync(store, root, mustBeWhole: false, cancellationToken);

            // 3. The rest goes, oldest use first.
            long removedBlocks = 0, removedBytes = 0;
            var unneeded = blocks.Where(block => !needed.Contains(block.Cid)).OrderBy(block => block.LastUse).ThenBy(block => block.Cid);
            foreach (var batch in unneeded.Chunk(BatchBlocks))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var excess = kept - removedBytes - keepBytes;
                if (excess <= 0) break;
                holds.Sweep(batch, free =>
                {
                    foreach (var block in dryRun ? UpTo(free, excess) : Remove(UpTo(free, excess)))
                    {
                        removedBlocks++;
                        removedBytes += block.Bytes;
                    }
                });
            }
            return new CollectResult(removedBlocks, removedBytes, blocks.Count - removedBlocks, kept - removedBytes);
        }
        finally
        {
            holds.End();
        }
    }

    private static List<StoredBlock> UpTo(IReadOnlyList<StoredBlock> blocks, long excess)
    {
        var taken = new List<StoredBlock>();
        foreach (var block in blocks)
        {
            if (excess <= 0) break;
            taken.Add(block);
            excess -= block.Bytes;
        }
        return taken;
    }

    // Who may read it goes first: a block without readers is served to nobody, readers without a block could meet another swarm's copy later.
    private List<StoredBlock> Remove(List<StoredBlock> blocks)
    {
        roots.Forget([.. blocks.Select(block => block.Cid)]);
        foreach (var block in blocks) store.Remove(block.Cid);
        return blocks;
    }
}
