using System.Collections.Concurrent;

namespace PeoplesCloud.Content;

/// <summary>Blocks in memory: nothing survives the process. For tests and for looking at something without keeping it.</summary>
public sealed class MemoryBlockStore : IBlockStore
{
    private readonly ConcurrentDictionary<Cid, byte[]> _blocks = new();

    /// <inheritdoc/>
    public bool Contains(Cid cid) => _blocks.ContainsKey(Key(cid));

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_blocks.TryGetValue(Key(cid), out var bytes)) return new((ReadOnlyMemory<byte>?)null);
        if (cid.Matches(bytes)) return new(bytes);
        _blocks.TryRemove(Key(cid), out _);
        return new((ReadOnlyMemory<byte>?)null);
    }

    /// <inheritdoc/>
    public ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var (_, bytes) in blocks) ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, IBlockStore.MaxBlockBytes, nameof(blocks));
        foreach (var (cid, bytes) in blocks) _blocks.TryAdd(Key(cid), bytes.ToArray());
        return default;
    }

    /// <inheritdoc/>
    public IEnumerable<Cid> List() => _blocks.Keys;

    // Spoils a block, for the conformance suite.
    internal void Damage(Cid cid) => _blocks[Key(cid)] = [0];

    private static Cid Key(Cid cid) => Cid.V1(Cid.Raw, cid.Digest);
}
