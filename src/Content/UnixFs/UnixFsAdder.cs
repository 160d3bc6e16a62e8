using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>A file, symbolic link or folder that was added, one line of <c>ipfs add</c>.</summary>
/// <param name="Cid">Its CID.</param>
/// <param name="Path">Its path, beginning with the base name of what was added, with slashes.</param>
/// <param name="Size">Bytes of all its blocks together, as IPFS counts them.</param>
public sealed record AddedNode(Cid Cid, string Path, long Size);

/// <summary>How far an add is: bytes of files read, of all there are.</summary>
public sealed record AddProgress(long DoneBytes, long TotalBytes);

/// <summary>
/// Adds files and folders to a store with the CIDs, the lines and the order of <c>ipfs add -r</c>: files and symbolic links first,
/// as a walk by the bytes of their names meets them, then folders, inner ones before outer. Names that begin with a dot are left
/// out below the path that was asked for. Symbolic links are stored as links, never followed. Thread-safe.
/// </summary>
/// <remarks>
/// Source: kubo, core/coreunix/add.go. A folder whose entries weigh more than 256 KiB is spread over several nodes (<see cref="HamtShard"/>).
/// </remarks>
/// <example><code>await foreach (var node in new UnixFsAdder(store).AddAsync("site", recursive: true, null, ct)) Console.WriteLine($"added {node.Cid} {node.Path}");</code></example>
/// <param name="store">Where the blocks go.</param>
/// <param name="profile">Which CIDs are made; null is <see cref="UnixFsProfile.V0"/>.</param>
public sealed class UnixFsAdder(IBlockStore store, UnixFsProfile? profile = null)
{
    private readonly UnixFsProfile _profile = profile ?? UnixFsProfile.V0;

    // Added nodes whose blocks are still on their way to the disk; each holds a name and a number, no bytes.
    private const int MaxUnacknowledged = 256;
    private const int MaxFolderDepth = 1000;

    /// <summary>Adds a file or folder. A node is handed out once all its blocks are durable, so what was handed out survives a crash.</summary>
    /// <param name="path">A file, a symbolic link or, with <paramref name="recursive"/>, a folder.</param>
    /// <param name="recursive">Whether a folder is welcome.</param>
    /// <param name="progress">Hears about bytes read; null spares looking through the folder first.</param>
    /// <param name="cancellationToken">Ends the add; what is stored stays.</param>
    /// <exception cref="PcException">The path is missing, a folder without <paramref name="recursive"/>, or unreadable, holds something that is no file, or the disk failed.</exception>
    public async IAsyncEnumerable<AddedNode> AddAsync(string path, bool recursive, IProgress<AddProgress>? progress, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var full = Path.GetFullPath(path);
        if (full.Length > 1) full = Path.TrimEndingDirectorySeparator(full);
        var kind = KindOf(full, path);
        if (kind == FileKind.Folder && !recursive) throw new PcException(ErrorCode.AddNeedsRecursive, $"{path} is a folder");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var pipeline = new AddPipeline(store, _profile, stop.Token);
        var added = Channel.CreateBounded<(AddedNode Node, Task Durable)>(MaxUnacknowledged);
        var walk = new Walk(pipeline, added.Writer, progress is null ? null : new ProgressCounter(progress, TotalBytes(full, kind)), stop.Token);
        var running = walk.RunAsync(full, kind);
        try
        {
            await foreach (var (node, durable) in added.Reader.ReadAllAsync(cancellationToken))
            {
                await durable;
                yield return node;
            }
        }
        finally
        {
            // Also when the caller stops early or a block fails: nothing may go on reading or writing behind its back.
            await stop.CancelAsync();
            await running; // never fails: what went wrong comes out of the channel
        }
    }

    /// <summary>Adds one file from a stream, which is read to its end; returns when it is durable.</summary>
    public async Task<Cid> AddStreamAsync(Stream content, CancellationToken cancellationToken)
    {
        using var pipeline = new AddPipeline(store, _profile, cancellationToken);
        var (root, durable) = await AddFileAsync(pipeline, content, cancellationToken);
        await durable;
        return root.Cid;
    }

    // From a stream: read here, in order.
    private static Task<(FilePart Root, Task Durable)> AddFileAsync(AddPipeline pipeline, Stream content, CancellationToken cancellationToken) =>
        BuildFileAsync(pipeline, async (index, durable) =>
        {
            var buffer = await pipeline.RentAsync();
            try
            {
                var room = buffer.AsMemory(UnixFsFormat.LeafHeaderRoom, UnixFsFormat.ChunkBytes);
                var read = await content.ReadAtLeastAsync(room, room.Length, throwOnEndOfStream: false, cancellationToken);
                if (read > 0 || index == 0) return (pipeline.AddLeaf(buffer, read, durable), read < room.Length);
            }
            catch
            {
                pipeline.Return(buffer);
                throw;
            }
            pipeline.Return(buffer);
            return (null, true);
        });

    // From a file of known length: the threads that hash read by themselves.
    private static Task<(FilePart Root, Task Durable)> AddFileAsync(AddPipeline pipeline, SafeFileHandle file, long length, ProgressCounter? progress) =>
        BuildFileAsync(pipeline, async (index, durable) =>
        {
            var offset = index * UnixFsFormat.ChunkBytes;
            var bytes = (int)Math.Min(length - offset, UnixFsFormat.ChunkBytes);
            var buffer = await pipeline.RentAsync();
            progress?.Add(bytes);
            return (pipeline.AddLeaf(buffer, bytes, file, offset, durable), offset + bytes == length);
        });

    // Leaves come from `next` until it says that one was the last; the tree grows behind them.
    private static async Task<(FilePart Root, Task Durable)> BuildFileAsync(AddPipeline pipeline, Func<long, DurableWork, Task<(Task<FilePart>? Leaf, bool IsLast)>> next)
    {
        var durable = new DurableWork();
        var hashing = new Queue<Task<FilePart>>();
        try
        {
            var layout = new BalancedLayout(block => pipeline.AddNode(block, durable));
            var isLast = false;
            // A store that fails is noticed at the next chunk, not after reading terabytes.
            for (long index = 0; !isLast && !durable.HasFailed; index++)
            {
                (var leaf, isLast) = await next(index, durable);
                if (leaf is not null) hashing.Enqueue(leaf);
                while (hashing.TryPeek(out var first) && first.IsCompleted) layout.Add(await hashing.Dequeue());
            }
            while (hashing.TryDequeue(out var leaf)) layout.Add(await leaf);
            return (layout.Finish(), durable.Done);
        }
        finally
        {
            durable.Close();
        }
    }

    private static FileKind KindOf(string full, string shown) => FileKinds.Of(full) switch
    {
        FileKind.Missing => throw new PcException(ErrorCode.AddPathNotFound, $"{shown} does not exist"),
        FileKind.Unreadable => throw new PcException(ErrorCode.AddUnreadable, $"{shown} could not be looked at"),
        var kind => kind,
    };

    private static long TotalBytes(string full, FileKind kind) => kind switch
    {
        FileKind.File => new FileInfo(full).Length,
        FileKind.Folder => new DirectoryInfo(full).EnumerateFiles("*", WalkOptions).Where(f => f.LinkTarget is null).Sum(f => f.Length),
        _ => 0,
    };

    private static readonly EnumerationOptions WalkOptions = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden, IgnoreInaccessible = true };

    // One add: reads in one task, in order; what it finds out goes to the channel together with the task that ends when it is durable.
    private sealed class Walk(AddPipeline pipeline, ChannelWriter<(AddedNode, Task)> added, ProgressCounter? progress, CancellationToken cancellationToken)
    {
        private readonly List<(AddedNode Node, Task Durable)> _folders = [];

        public async Task RunAsync(string full, FileKind kind)
        {
            try
            {
                await Task.Yield();
                var name = Path.GetFileName(full);
                await AddAsync(full, name.Length == 0 ? "/" : name, kind, 0);
                foreach (var folder in _folders) await added.WriteAsync(folder, cancellationToken);
                added.Complete();
            }
            catch (Exception error)
            {
                added.Complete(error);
            }
        }

        private async Task<FilePart> AddAsync(string full, string shown, FileKind kind, int depth)
        {
            var (part, durable) = kind switch
            {
                FileKind.File => await AddFileAsync(full, shown),
                FileKind.Link => AddSmall(UnixFsFormat.SymlinkNode(new FileInfo(full).LinkTarget ?? ""), 0),
                FileKind.Folder => await AddFolderAsync(full, shown, depth),
                _ => throw new PcException(ErrorCode.AddUnsupportedFile, $"{shown} is neither a file, a folder nor a symbolic link"),
            };
            var line = (new AddedNode(part.Cid, shown, part.DagBytes), durable);
            if (kind == FileKind.Folder) _folders.Add(line);
            else await added.WriteAsync(line, cancellationToken);
            return part;
        }

        private async Task<(FilePart, Task)> AddFileAsync(string full, string shown)
        {
            try
            {
                using var file = File.OpenHandle(full, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
                return await UnixFsAdder.AddFileAsync(pipeline, file, RandomAccess.GetLength(file), progress);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new PcException(ErrorCode.AddUnreadable, $"{shown} could not be read: {error.Message}", null, error);
            }
        }

        private async Task<(FilePart, Task)> AddFolderAsync(string full, string shown, int depth)
        {
            if (depth > MaxFolderDepth) throw new PcException(ErrorCode.AddUnreadable, $"{shown} is more than {MaxFolderDepth} folders deep");
            var links = new List<DagPbLink>();
            foreach (var name in NamesIn(full, shown))
            {
                var child = Path.Combine(full, name);
                var childShown = string.Equals(shown, "/", StringComparison.Ordinal) ? name : $"{shown}/{name}";
                var kind = FileKinds.Of(child);
                if (kind is FileKind.Missing or FileKind.Unreadable)
                    throw new PcException(ErrorCode.AddUnreadable, $"{childShown} could not be read: it vanished, its name is not UTF-8, or it is not permitted");
                var part = await AddAsync(child, childShown, kind, depth + 1);
                links.Add(new DagPbLink(part.Cid, name, part.DagBytes));
            }
            return links.Sum(HamtShard.WeightOf) > HamtShard.ThresholdBytes
                ? AddShards(links, shown)
                : AddSmall(UnixFsFormat.FolderNode(links), links.Sum(l => l.Tsize!.Value));
        }

        private (FilePart, Task) AddShards(IReadOnlyList<DagPbLink> links, string shown)
        {
            var durable = new DurableWork();
            try
            {
                return (HamtShard.Build(links, block => pipeline.AddNode(block, durable)) ?? throw new PcException(ErrorCode.FolderTooLarge, $"{shown} holds names that have one hash"), durable.Done);
            }
            finally
            {
                durable.Close();
            }
        }

        private static List<string> NamesIn(string full, string shown)
        {
            try
            {
                // The order of IPFS is that of the names' bytes; .NET's ordinal order is that of UTF-16 units, which differs for rare letters.
                return [.. new DirectoryInfo(full).EnumerateFileSystemInfos().Select(e => e.Name).Where(n => n[0] != '.')
                    .OrderBy(Encoding.UTF8.GetBytes, ByteOrder.Instance)];
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new PcException(ErrorCode.AddUnreadable, $"{shown} could not be read: {error.Message}", null, error);
            }
        }

        private (FilePart, Task) AddSmall(byte[] block, long bytesBelow)
        {
            var durable = new DurableWork();
            var cid = pipeline.AddNode(block, durable);
            durable.Close();
            return (new FilePart(cid, 0, block.Length + bytesBelow), durable.Done);
        }
    }

    private sealed class ProgressCounter(IProgress<AddProgress> progress, long totalBytes)
    {
        private long _doneBytes;

        public void Add(int bytes) => progress.Report(new AddProgress(_doneBytes += bytes, totalBytes));
    }

    private sealed class ByteOrder : IComparer<byte[]>
    {
        public static readonly ByteOrder Instance = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
