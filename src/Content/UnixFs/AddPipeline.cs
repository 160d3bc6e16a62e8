using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Content;

/// <summary>
/// The working parts of one add: a bounded number of chunk buffers, and threads of its own that hash a chunk and hand it to the
/// store, so that hashing, writing and syncing overlap and the thread pool stays free for the rest of the daemon.
/// </summary>
internal sealed class AddPipeline : IDisposable
{
    // Chunks that are read or hashed: 4 MiB, enough for the threads and their queue.
    private const int MaxBuffers = 16;

    // Chunks whose fsync is not over yet. They hold a file handle but no memory; enough that the store's groups are full.
    private const int MaxUnacknowledged = 256;

    private readonly IBlockStore _store;
    private readonly UnixFsProfile _profile;
    private readonly CancellationToken _cancellationToken;
    private readonly SemaphoreSlim _unacknowledged = new(MaxUnacknowledged);
    private readonly SemaphoreSlim _freeBuffers = new(MaxBuffers);
    private readonly ConcurrentBag<byte[]> _buffers = [];
    private readonly BlockingCollection<Action> _work = [];
    private readonly int _maxThreads;
    private int _threads;

    public AddPipeline(IBlockStore store, UnixFsProfile profile, CancellationToken cancellationToken)
    {
        _store = store;
        _profile = profile;
        _cancellationToken = cancellationToken;
        _maxThreads = Environment.ProcessorCount + 1; // one may wait for the disk while the others hash
    }

    /// <summary>A buffer for one chunk with room for its framing, as soon as there is one and the disk is not too far behind.</summary>
    public async ValueTask<byte[]> RentAsync()
    {
        await _unacknowledged.WaitAsync(_cancellationToken);
        await _freeBuffers.WaitAsync(_cancellationToken);
        return _buffers.TryTake(out var buffer)
            ? buffer
            : GC.AllocateUninitializedArray<byte>(UnixFsFormat.LeafHeaderRoom + UnixFsFormat.ChunkBytes + UnixFsFormat.LeafTrailerRoom);
    }

    /// <summary>Gives a buffer back unused.</summary>
    public void Return(byte[] buffer)
    {
        ReturnBuffer(buffer);
        _unacknowledged.Release();
    }

    /// <summary>Hashes a leaf whose data is in the buffer and stores it; takes the buffer over.</summary>
    /// <returns>The leaf once it is hashed; <paramref name="durable"/> hears of the rest.</returns>
    public Task<FilePart> AddLeaf(byte[] buffer, int dataBytes, DurableWork durable) => AddLeaf(buffer, dataBytes, null, 0, durable);

    /// <summary>
    /// Reads a leaf's data from a file, hashes and stores it. One thread does all of it, while the chunk is in its core's cache:
    /// handing chunks from a reading thread to a hashing one cost twice the processor time (bench add).
    /// </summary>
    public Task<FilePart> AddLeaf(byte[] buffer, int dataBytes, SafeFileHandle? file, long offset, DurableWork durable)
    {
        var hashed = new TaskCompletionSource<FilePart>(TaskCreationOptions.RunContinuationsAsynchronously);
        durable.Begin();
        Post(() =>
        {
            try
            {
                if (file is not null) Fill(file, offset, buffer.AsSpan(UnixFsFormat.LeafHeaderRoom, dataBytes));
                var block = _profile.RawLeaves ? buffer.AsMemory(UnixFsFormat.LeafHeaderRoom, dataBytes) : UnixFsFormat.WrapLeaf(buffer, dataBytes);
                var cid = _profile.LeafCid(SHA256.HashData(block.Span));
                hashed.SetResult(new FilePart(cid, dataBytes, block.Length));
                _ = PutAsync(cid, block, buffer, durable);
            }
            catch (Exception error)
            {
                hashed.TrySetException(error);
                Return(buffer);
                durable.End(error);
            }
        });
        return hashed.Task;
    }

    /// <summary>Stores a block that is no leaf.</summary>
    public Cid AddNode(byte[] block, DurableWork durable)
    {
        var cid = _profile.NodeCid(SHA256.HashData(block));
        durable.Begin();
        Post(() => _ = PutAsync(cid, block, null, durable));
        return cid;
    }

    /// <summary>Ends the threads once their queue is empty.</summary>
    public void Dispose() => _work.CompleteAdding();

    private static void Fill(SafeFileHandle file, long offset, Span<byte> data)
    {
        while (!data.IsEmpty)
        {
            var read = RandomAccess.Read(file, data, offset);
            if (read == 0) throw new IOException("it became shorter while it was read");
            data = data[read..];
            offset += read;
        }
    }

    private async Task PutAsync(Cid cid, ReadOnlyMemory<byte> block, byte[]? buffer, DurableWork durable)
    {
        Exception? failure = null;
        var put = ValueTask.CompletedTask;
        try
        {
            put = _store.PutAsync([(cid, block)], _cancellationToken);
        }
        catch (Exception error)
        {
            failure = error;
        }
        if (buffer is not null) ReturnBuffer(buffer); // a store does not look at the bytes any more once it has returned its task
        try
        {
            await put;
        }
        catch (Exception error)
        {
            failure = error;
        }
        if (buffer is not null) _unacknowledged.Release();
        durable.End(failure);
    }

    private void ReturnBuffer(byte[] buffer)
    {
        _buffers.Add(buffer);
        _freeBuffers.Release();
    }

    private void Post(Action work)
    {
        _work.Add(work, CancellationToken.None);
        // Threads are started as work piles up: a small file needs one. Only the adding task posts, so no lock is needed.
        if (_threads == _maxThreads || (_threads > 0 && _work.Count <= 1)) return;
        _threads++;
        _ = Task.Factory.StartNew(
            () =>
            {
                foreach (var next in _work.GetConsumingEnumerable(CancellationToken.None)) next();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }
}

/// <summary>Counts blocks on their way to the disk and completes when all have arrived, or fails with the first that did not.</summary>
internal sealed class DurableWork
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _open = 1; // the maker's own share, ended by Close
    private Exception? _error;

    /// <summary>Ends when everything that began has ended and <see cref="Close"/> was called.</summary>
    public Task Done => _done.Task;

    /// <summary>Whether a block has failed already.</summary>
    public bool HasFailed => Volatile.Read(ref _error) is not null;

    /// <summary>Counts one more block.</summary>
    public void Begin() => Interlocked.Increment(ref _open);

    /// <summary>A block is durable, or failed.</summary>
    public void End(Exception? error)
    {
        if (error is not null) Interlocked.CompareExchange(ref _error, error, null);
        if (Interlocked.Decrement(ref _open) > 0) return;
        if (_error is null) _done.SetResult();
        else _done.SetException(_error);
    }

    /// <summary>Nothing more will begin.</summary>
    public void Close() => End(null);
}
