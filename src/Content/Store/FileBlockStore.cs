using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Content;

/// <summary>
/// Blocks as files: 16 folders by the digest's first digit, one file a block, named by the digest in hex (docs/layouts/blocks.md).
/// A block is written to a temporary file by the thread that puts it; making it durable (fsync, rename, fsync of the folder) is
/// shared by all who wait: while some groups are on their way to the disk the next one gathers. One process at a time may open a folder.
/// </summary>
public sealed class FileBlockStore : IBlockStore, IAsyncDisposable
{
    // Few folders, because each group fsyncs every folder that it renamed into; 16 still hold millions of blocks.
    private const int Shards = 16;

    // Groups on their way at a time. A disk serves some fsyncs at once faster than one after the other: 2,048 files of 256 KiB took
    // 0.48 s with one thread, 0.32 with two, 0.30 with four, 0.34 with eight (write and fsync of each, ext4 on a virtual disk).
    private const int MaxCommitters = 4;
    private const int MaxGroupBlocks = 64;
    private const int BlocksForAnotherCommitter = 16;

    // Reads within an hour count as one use.
    private static readonly TimeSpan UseResolution = TimeSpan.FromHours(1);

    private readonly string _folder;
    private readonly string _temporaryFolder;
    private readonly string _damagedFolder;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IDisk _disk;

    // Blocks between their first byte and their acknowledgement. Whoever puts the same block waits for the one that is on its way.
    private readonly ConcurrentDictionary<Cid, PendingBlock> _pending = new();

    // Whether a folder's names are known to be durable: a process before us may have died between a rename and the folder's fsync.
    private readonly bool[] _shardIsFlushed = new bool[Shards];

    private readonly Lock _gate = new();
    private readonly Queue<PendingBlock> _gathering = [];
    private readonly Task?[] _committers = new Task?[MaxCommitters];
    private bool _disposed;
    private long _temporaryNumber;
    private long _writtenBytes;

    /// <summary>Opens or creates a store and removes what a crash left behind.</summary>
    /// <param name="folder">The folder of the blocks.</param>
    /// <param name="time">Measures commits, for the log.</param>
    /// <param name="logger">Says what was found damaged.</param>
    /// <param name="disk">Takes what is written.</param>
    /// <exception cref="Base.PcException">The folder cannot be written (<see cref="Base.ErrorCode.StoreFailed"/>, <see cref="Base.ErrorCode.DiskFull"/>).</exception>
    public FileBlockStore(string folder, TimeProvider time, ILogger logger, IDisk disk)
    {
        _folder = Path.GetFullPath(folder);
        _temporaryFolder = Path.Combine(_folder, "tmp");
        _damagedFolder = Path.Combine(_folder, "damaged");
        _time = time;
        _logger = logger;
        _disk = disk;
        try
        {
            Open();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreErrors.Explain(error, _folder);
        }
    }

    /// <inheritdoc/>
    public bool Contains(Cid cid) => File.Exists(PathOf(cid));

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Read(cid));
    }

    /// <inheritdoc/>
    public ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        foreach (var (_, bytes) in blocks) ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, IBlockStore.MaxBlockBytes, nameof(blocks));
        if (blocks.Count == 1) return new(Put(blocks[0].Cid, blocks[0].Bytes.Span).WaitAsync(cancellationToken));
        var waits = new Task[blocks.Count];
        for (var i = 0; i < waits.Length; i++) waits[i] = Put(blocks[i].Cid, blocks[i].Bytes.Span);
        return new(Task.WhenAll(waits).WaitAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public IEnumerable<Cid> List()
    {
        for (var shard = 0; shard < Shards; shard++)
        {
            foreach (var file in Directory.EnumerateFiles(ShardFolder(shard)))
            {
                if (CidOf(Path.GetFileName(file)) is { } cid) yield return cid;
            }
        }
    }

    /// <summary>Bytes of the blocks that were written since the store was opened; only grows.</summary>
    internal long WrittenBytes => Volatile.Read(ref _writtenBytes);

    /// <summary>All blocks that are held with what a collection asks about them. Those that come or go meanwhile may be in it or not.</summary>
    internal IEnumerable<StoredBlock> ListStored()
    {
        for (var shard = 0; shard < Shards; shard++)
        {
            foreach (var file in new DirectoryInfo(ShardFolder(shard)).EnumerateFiles())
            {
                if (CidOf(file.Name) is not { } cid) continue;
                file.Refresh();
                if (file.Exists) yield return new StoredBlock(cid, file.Length, file.LastWriteTimeUtc);
            }
        }
    }

    /// <summary>
    /// Whether a dag-pb block has no links, by its first byte: links come before data (<see cref="DagPbNode"/>). So a collection does
    /// not read all of a file to learn that its leaves are leaves. False when the block is not held.
    /// </summary>
    internal bool IsLeaf(Cid cid)
    {
        try
        {
            using var handle = File.OpenHandle(PathOf(cid), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> first = stackalloc byte[1];
            return RandomAccess.Read(handle, first, 0) == 1 && first[0] == DagPbNode.DataTag;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Removes a block; one that is not held is no error. After a power cut it may be there again.</summary>
    /// <exception cref="Base.PcException">The disk refuses.</exception>
    internal void Remove(Cid cid)
    {
        try
        {
            _disk.Delete(PathOf(cid));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw StoreErrors.Explain(error, _folder);
        }
    }

    /// <summary>Waits until all that was put is durable. Puts after this fail.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] committers;
        lock (_gate)
        {
            _disposed = true;
            committers = [.. _committers.OfType<Task>()];
        }
        await Task.WhenAll(committers);
    }

    private void Open()
    {
        _disk.MakeFolder(_folder);
        _disk.CreateFolder(_damagedFolder, DurableWrites.OwnerFolder);
        _disk.CreateFolder(_temporaryFolder, DurableWrites.OwnerFolder);
        for (var shard = 0; shard < Shards; shard++) _disk.CreateFolder(ShardFolder(shard), DurableWrites.OwnerFolder);
        _disk.FlushFolder(_folder);
        var leftovers = 0;
        foreach (var file in Directory.EnumerateFiles(_temporaryFolder))
        {
            _disk.Delete(file);
            leftovers++;
        }
        if (leftovers > 0) ContentLog.LeftoversRemoved(_logger, leftovers, _folder);
    }

    private ReadOnlyMemory<byte>? Read(Cid cid)
    {
        var path = PathOf(cid);
        if (!File.Exists(path)) return null;
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
            var length = RandomAccess.GetLength(handle);
            if (length <= IBlockStore.MaxBlockBytes)
            {
                var bytes = GC.AllocateUninitializedArray<byte>((int)length);
                var read = 0;
                for (int got; read < bytes.Length && (got = RandomAccess.Read(handle, bytes.AsSpan(read), read)) > 0;) read += got;
                if (read == bytes.Length && cid.Matches(bytes))
                {
                    Touch(path);
                    return bytes;
                }
            }
        }
        catch (FileNotFoundException)
        {
            return null; // set aside by another reader in between
        }
        catch (IOException error)
        {
            ContentLog.BlockUnreadable(_logger, cid, error);
        }
        SetAside(cid, path);
        return null;
    }

    // A file's time of writing is when the block was last used, about: collections take the oldest first. No block is worse off
    // for a time that was lost, so nothing here is durable or an error.
    private void Touch(string path)
    {
        try
        {
            var now = _time.GetUtcNow().UtcDateTime;
            if (now - File.GetLastWriteTimeUtc(path) > UseResolution) File.SetLastWriteTimeUtc(path, now);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
        }
    }

    private void SetAside(Cid cid, string path)
    {
        try
        {
            _disk.Rename(path, Path.Combine(_damagedFolder, Path.GetFileName(path)));
            ContentLog.BlockDamaged(_logger, cid, _damagedFolder);
        }
        catch (FileNotFoundException)
        {
            // another reader was quicker
        }
        catch (IOException error)
        {
            ContentLog.BlockUnreadable(_logger, cid, error);
        }
    }

    private Task Put(Cid cid, ReadOnlySpan<byte> bytes)
    {
        var mine = new PendingBlock(Cid.V1(Cid.Raw, cid.Digest));
        var pending = _pending.GetOrAdd(mine.Key, mine);
        if (pending != mine) return pending.Done.Task;
        try
        {
            // A file of another length is a damaged block: it is written anew.
            var held = new FileInfo(PathOf(cid)) is { Exists: true } file && file.Length == bytes.Length;
            if (held) Touch(PathOf(cid));
            if (held && Volatile.Read(ref _shardIsFlushed[mine.Shard]))
            {
                Finish(mine, null);
                return mine.Done.Task;
            }
            if (!held)
            {
                mine.TemporaryPath = Path.Combine(_temporaryFolder, $"{Environment.ProcessId:x}-{Interlocked.Increment(ref _temporaryNumber):x}");
                mine.Bytes = bytes.Length;
                mine.Handle = _disk.Create(mine.TemporaryPath, bytes, DurableWrites.OwnerFile);
            }
            Gather(mine);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            Finish(mine, error);
        }
        return mine.Done.Task;
    }

    private void Gather(PendingBlock block)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _gathering.Enqueue(block);
            var free = Array.IndexOf(_committers, null);
            var isNeeded = Array.TrueForAll(_committers, c => c is null) || _gathering.Count >= BlocksForAnotherCommitter;
            if (free < 0 || !isNeeded) return;
            // Threads of their own, while there is something to commit: fsync blocks, and the thread pool has other work.
            _committers[free] = Task.Factory.StartNew(() => CommitUntilEmpty(free), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
    }

    private void CommitUntilEmpty(int self)
    {
        var group = new List<PendingBlock>(MaxGroupBlocks);
        while (true)
        {
            group.Clear();
            lock (_gate)
            {
                while (group.Count < MaxGroupBlocks && _gathering.TryDequeue(out var block)) group.Add(block);
                if (group.Count == 0)
                {
                    _committers[self] = null;
                    return;
                }
            }
            Commit(group);
        }
    }

    // The order is what makes a block durable: its bytes, then its name, then the folder that holds the name, then the acknowledgement.
    private void Commit(List<PendingBlock> group)
    {
        var started = _time.GetTimestamp();
        var shards = new SortedSet<int>();
        foreach (var block in group)
        {
            block.Error = Try(() => Publish(block));
            if (block.Error is null) shards.Add(block.Shard);
        }
        foreach (var shard in shards)
        {
            var error = Try(() => _disk.FlushFolder(ShardFolder(shard)));
            Volatile.Write(ref _shardIsFlushed[shard], error is null);
            if (error is null) continue;
            foreach (var block in group)
                if (block.Shard == shard) block.Error ??= error;
        }
        foreach (var block in group) Finish(block, block.Error);
        ContentLog.GroupCommitted(_logger, group.Count, shards.Count, _time.GetElapsedTime(started));
    }

    private void Publish(PendingBlock block)
    {
        if (block.Handle is null) return; // the file is there, only its folder is to be flushed
        using (block.Handle) _disk.Flush(block.Handle);
        _disk.Rename(block.TemporaryPath!, PathOf(block.Key));
        block.TemporaryPath = null;
        Interlocked.Add(ref _writtenBytes, block.Bytes);
    }

    private void Finish(PendingBlock block, Exception? error)
    {
        block.Handle?.Dispose();
        if (error is not null && block.TemporaryPath is { } path) _ = Try(() => _disk.Delete(path));
        _pending.TryRemove(block.Key, out _);
        if (error is null) block.Done.SetResult();
        else block.Done.SetException(error is ObjectDisposedException ? error : StoreErrors.Explain(error, _folder));
    }

    private static Exception? Try(Action step)
    {
        try
        {
            step();
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return error;
        }
    }

    private static Cid? CidOf(string name)
    {
        var digest = new byte[32];
        return name.Length == 64 && Convert.FromHexString(name, digest, out _, out _) == System.Buffers.OperationStatus.Done ? Cid.V1(Cid.Raw, digest) : null;
    }

    private string ShardFolder(int shard) => Path.Combine(_folder, shard.ToString("x", System.Globalization.CultureInfo.InvariantCulture));

    private string PathOf(Cid cid) => Path.Combine(ShardFolder(cid.Digest[0] >> 4), Convert.ToHexStringLower(cid.Digest));

    private sealed class PendingBlock(Cid key)
    {
        public Cid Key { get; } = key;

        public int Shard => Key.Digest[0] >> 4;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Bytes { get; set; }

        public string? TemporaryPath { get; set; }

        public SafeFileHandle? Handle { get; set; }

        public Exception? Error { get; set; }
    }
}

/// <summary>A block as a collection sees it.</summary>
/// <param name="Cid">Version 1, raw.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="LastUse">When it was written or read last, within an hour.</param>
internal sealed record StoredBlock(Cid Cid, long Bytes, DateTime LastUse);
