using System.Buffers.Binary;

namespace PeoplesCloud.Content;

/// <summary>
/// What must not be collected although nothing names it yet: the blocks of adds, fetches and deploys that are on their way. Each opens
/// a hold, puts and reads through it, names its root (a pin, an entry of a feed) and closes it. Thread-safe.
/// </summary>
/// <remarks>
/// Why this is enough: a block is noted before it is looked for or written, under the lock that also removing takes. So a block that
/// is removed was not noted yet, and whoever notes it afterwards finds that it is gone and writes it again. A hold that closes while a
/// collection runs counts until its end, because that collection may have read the roots before this one was named.
/// </remarks>
public sealed class BlockHolds
{
    private readonly Lock _gate = new();
    private readonly HashSet<HashSet<UInt128>> _holds = [];
    private readonly List<HashSet<UInt128>> _closed = [];
    private bool _isCollecting;

    /// <summary>Opens a hold over a store.</summary>
    public BlockHold Open(IBlockStore store) => new(this, store);

    internal HashSet<UInt128> Add()
    {
        var keys = new HashSet<UInt128>();
        lock (_gate) _holds.Add(keys);
        return keys;
    }

    internal void Note(HashSet<UInt128> keys, Cid cid)
    {
        lock (_gate) keys.Add(KeyOf(cid));
    }

    internal void Close(HashSet<UInt128> keys)
    {
        lock (_gate)
        {
            if (_holds.Remove(keys) && _isCollecting) _closed.Add(keys);
        }
    }

    /// <summary>From here on, holds that close still count. The caller reads the roots after this, and calls <see cref="End"/>.</summary>
    internal void Begin()
    {
        lock (_gate) _isCollecting = true;
    }

    /// <summary>The collection is over.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _isCollecting = false;
            _closed.Clear();
        }
    }

    /// <summary>Removes those of the blocks that nobody holds; nobody can note one meanwhile.</summary>
    internal void Sweep(IReadOnlyList<StoredBlock> blocks, Action<IReadOnlyList<StoredBlock>> remove)
    {
        lock (_gate) remove([.. blocks.Where(block => !IsHeld(KeyOf(block.Cid)))]);
    }

    /// <summary>Half a digest: enough to tell blocks apart, and a clash only keeps a block.</summary>
    internal static UInt128 KeyOf(Cid cid) => BinaryPrimitives.ReadUInt128LittleEndian(cid.Digest);

    private bool IsHeld(UInt128 key) => _holds.Any(keys => keys.Contains(key)) || _closed.Any(keys => keys.Contains(key));
}

/// <summary>A store whose blocks, as far as they were put or asked for here, are not collected until this is disposed.</summary>
public sealed class BlockHold : IBlockStore, IDisposable
{
    private readonly BlockHolds _holds;
    private readonly IBlockStore _store;
    private readonly HashSet<UInt128> _keys;

    internal BlockHold(BlockHolds holds, IBlockStore store)
    {
        _holds = holds;
        _store = store;
        _keys = holds.Add();
    }

    /// <inheritdoc/>
    public bool Contains(Cid cid)
    {
        _holds.Note(_keys, cid);
        return _store.Contains(cid);
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        _holds.Note(_keys, cid);
        return _store.GetAsync(cid, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken)
    {
        foreach (var (cid, _) in blocks) _holds.Note(_keys, cid);
        return _store.PutAsync(blocks, cancellationToken);
    }

    /// <inheritdoc/>
    public IEnumerable<Cid> List() => _store.List();

    /// <summary>Lets go of the blocks.</summary>
    public void Dispose() => _holds.Close(_keys);
}
