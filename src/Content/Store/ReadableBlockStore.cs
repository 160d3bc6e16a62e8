namespace PeoplesCloud.Content;

/// <summary>
/// A store as somebody sees it who may read some of it: what it may not read is not there. Nothing can be put. So whatever reads from it,
/// by whatever way, is bounded by one rule.
/// </summary>
public sealed class ReadableBlockStore(IBlockStore store, Func<Cid, ValueTask<bool>> mayRead) : IBlockStore
{
    /// <summary>Nothing is said about a block without reading it: false.</summary>
    public bool Contains(Cid cid) => false;

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken) =>
        await mayRead(cid) ? await store.GetAsync(cid, cancellationToken) : null;

    /// <inheritdoc/>
    public ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken) => throw new NotSupportedException("this store is only read");

    /// <inheritdoc/>
    public IEnumerable<Cid> List() => [];
}
