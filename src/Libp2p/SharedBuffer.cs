using System.Buffers;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// A pooled piece of memory with several holders, which goes back when the last one releases it. Received bytes so reach the
/// application where they were decrypted. Thread-safe.
/// </summary>
internal sealed class SharedBuffer
{
    private readonly SharedBufferPool _pool;
    private readonly byte[] _array;
    private int _holders = 1;

    internal SharedBuffer(SharedBufferPool pool, int bytes) => (_pool, _array) = (pool, ArrayPool<byte>.Shared.Rent(bytes));

    /// <summary>The memory; at least as much as was asked for.</summary>
    public Memory<byte> Memory => _array;

    /// <summary>Whether the caller, who holds it, is the only one.</summary>
    public bool IsSole => Volatile.Read(ref _holders) == 1;

    /// <summary>Adds a holder; the caller must be one.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>Takes a holder away, who must not touch the memory any more.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) != 0) return;
        ArrayPool<byte>.Shared.Return(_array);
        _pool.OnReturned();
    }
}

/// <summary>
/// Hands out <see cref="SharedBuffer"/>s, at most <paramref name="maxBuffers"/> at a time: one byte may keep a whole buffer, so that slow
/// readers could otherwise hold far more than what they have not read.
/// </summary>
internal sealed class SharedBufferPool(int bufferBytes, int maxBuffers)
{
    private int _rented;

    /// <summary>A buffer whose only holder is the caller; null when too many are held.</summary>
    public SharedBuffer? TryRent()
    {
        if (Interlocked.Increment(ref _rented) <= maxBuffers) return new SharedBuffer(this, bufferBytes);
        Interlocked.Decrement(ref _rented);
        return null;
    }

    internal void OnReturned() => Interlocked.Decrement(ref _rented);
}
