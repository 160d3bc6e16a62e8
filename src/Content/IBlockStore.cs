namespace PeoplesCloud.Content;

/// <summary>
/// Keeps blocks by CID on this machine. Every implementation passes the conformance suite in tests/Content.Tests.
/// A block is at most <see cref="MaxBlockBytes"/>. Two CIDs of one digest (version 0, version 1, raw) share one stored block.
/// Thread-safe.
/// </summary>
public interface IBlockStore
{
    /// <summary>The largest block, in bytes: 2 MiB, as other IPFS nodes accept.</summary>
    public const int MaxBlockBytes = 2 << 20;

    /// <summary>Whether a block is held (it is verified only when read).</summary>
    bool Contains(Cid cid);

    /// <summary>The block, verified against its CID; null when it is not held. A damaged block is set aside and answered as not held.</summary>
    ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken);

    /// <summary>
    /// Stores blocks; durable (fsynced, by group commit) when the task completes. Storing what is held is not an error. The bytes were
    /// copied or written when the method returns its task: their memory may be used again while the task still runs. The caller
    /// vouches that they are what the CIDs name; what is not is never given out.
    /// </summary>
    /// <exception cref="Base.PcException">The disk is full or refuses to write.</exception>
    ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken);

    /// <summary>All blocks that are held, as version 1 raw CIDs, in no order.</summary>
    IEnumerable<Cid> List();
}

/// <summary>Somewhere else to ask for a block: members over the mesh, later gateways. Answers are verified by the caller.</summary>
public interface IBlockSource
{
    /// <summary>The bytes said to be the block; null when this source does not have it.</summary>
    ValueTask<ReadOnlyMemory<byte>?> FetchAsync(Cid cid, CancellationToken cancellationToken);
}
