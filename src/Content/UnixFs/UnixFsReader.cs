using System.Runtime.CompilerServices;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>What a CID, or a path below it, names.</summary>
/// <param name="Cid">The CID of the thing itself.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Bytes">A file's bytes; 0 for others.</param>
/// <param name="DagBytes">What its blocks together weigh, as its root block says; not to be trusted.</param>
public sealed record UnixFsStat(Cid Cid, UnixFsKind Kind, long Bytes, long DagBytes);

/// <summary>An entry of a folder.</summary>
/// <param name="Name">Its name: never empty, <c>.</c> or <c>..</c>, without slash and NUL, once in the folder.</param>
/// <param name="Cid">What it names.</param>
/// <param name="DagBytes">What the folder says its blocks together weigh; not to be trusted.</param>
public sealed record UnixFsEntry(string Name, Cid Cid, long DagBytes);

/// <summary>Where a path leads.</summary>
/// <param name="Way">The blocks that prove it, in order, without that of the thing itself.</param>
/// <param name="Cid">The thing.</param>
public sealed record UnixFsTrace(IReadOnlyList<Cid> Way, Cid Cid);

/// <summary>What was written by an extraction.</summary>
public sealed record ExtractResult(int Files, int Folders, int Symlinks, long Bytes);

/// <summary>How much an extraction may write and how deep a tree may be. A tree whose parts are shared can unfold to far more than it weighs.</summary>
public sealed record UnixFsLimits
{
    /// <summary>Bytes of all files together. Default 1 TiB.</summary>
    public long MaxBytes { get; init; } = 1L << 40;

    /// <summary>Files, folders and links together. Default 1,000,000.</summary>
    public int MaxEntries { get; init; } = 1_000_000;

    /// <summary>Folders below each other. Default 200: longer paths are over what Linux takes (4,096 bytes) in all but odd cases.</summary>
    public int MaxDepth { get; init; } = 200;

    /// <summary>Different blocks that a walk visits. Default 4,194,304: 1 TiB of files, and some 600 MiB of memory for the CIDs that were seen.</summary>
    public int MaxBlocks { get; init; } = 1 << 22;
}

/// <summary>
/// Reads files and folders by CID. Nothing in the blocks is believed: sizes must agree between parent and child, names must be
/// file names, depth and amount are limited. Thread-safe; a stream that it hands out is not.
/// </summary>
public sealed class UnixFsReader(BlockFetcher fetcher, UnixFsLimits? limits = null)
{
    private readonly UnixFsLimits _limits = limits ?? new UnixFsLimits();

    /// <summary>Looks at one thing.</summary>
    /// <param name="cid">Where to begin.</param>
    /// <param name="subPath">A path below it, with slashes; null or empty for the CID itself.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">A block is missing or invalid, or the path does not exist.</exception>
    public async Task<UnixFsStat> StatAsync(Cid cid, string? subPath, CancellationToken cancellationToken)
    {
        var (found, node) = await ResolveAsync(cid, subPath, null, cancellationToken);
        return new UnixFsStat(found, node.Kind, node.FileBytes, node.DagBytes);
    }

    /// <summary>Finds the way to one thing. Without a path nothing is read.</summary>
    /// <exception cref="PcException">A block is missing or invalid, or the path does not exist.</exception>
    public async Task<UnixFsTrace> TraceAsync(Cid cid, string? subPath, CancellationToken cancellationToken)
    {
        var way = new List<Cid>();
        var found = string.IsNullOrEmpty(subPath) ? cid : (await ResolveAsync(cid, subPath, way, cancellationToken)).Cid;
        return new UnixFsTrace(way, found);
    }

    /// <summary>Opens a file: read-only, seekable, asking for a few blocks ahead. Reading fails with <see cref="PcException"/> when a block is missing or invalid.</summary>
    /// <exception cref="PcException">A block is missing or invalid, the path does not exist or names no file.</exception>
    public async Task<Stream> OpenAsync(Cid cid, string? subPath, CancellationToken cancellationToken)
    {
        var (found, node) = await ResolveAsync(cid, subPath, null, cancellationToken);
        if (node.Kind != UnixFsKind.File) throw new PcException(ErrorCode.ContentIsFolder, $"{Shown(cid, subPath)} is a {(node.Kind == UnixFsKind.Folder ? "folder" : "symbolic link")}, not a file");
        return new UnixFsFileStream(fetcher, found, node);
    }

    /// <summary>The entries of a folder, in the order of the block (of its shards: of the hashes); of a file or link, nothing.</summary>
    /// <exception cref="PcException">A block is missing or invalid, or the path does not exist.</exception>
    public async IAsyncEnumerable<UnixFsEntry> ListAsync(Cid cid, string? subPath, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (found, node) = await ResolveAsync(cid, subPath, null, cancellationToken);
        if (node.Kind != UnixFsKind.Folder) yield break;
        await foreach (var link in EntriesAsync(found, node, cancellationToken)) yield return new UnixFsEntry(link.Name!, link.Cid, link.Tsize ?? 0);
    }

    /// <summary>
    /// Writes a file or folder to a place where nothing is yet. It is written beside it first and renamed when it is whole; links are
    /// made last, so nothing is ever written through one.
    /// </summary>
    /// <param name="cid">What to write.</param>
    /// <param name="output">The file or folder to make; its parent exists.</param>
    /// <param name="progress">Hears about bytes written; the total is 0 while it is not known.</param>
    /// <param name="cancellationToken">Gives up and leaves nothing behind.</param>
    /// <exception cref="PcException">The output exists, a block is missing or invalid, a limit is reached, or the disk failed.</exception>
    public Task<ExtractResult> ExtractAsync(Cid cid, string output, IProgress<AddProgress>? progress, CancellationToken cancellationToken) =>
        new UnixFsExtraction(this, fetcher, _limits, progress).RunAsync(cid, output, cancellationToken);

    /// <summary>All blocks of a file or folder, each once, parents before their children; fetches what is missing.</summary>
    /// <exception cref="PcException">A block is missing or invalid, or a limit is reached.</exception>
    public async IAsyncEnumerable<Cid> WalkAsync(Cid cid, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = new HashSet<Cid> { cid };
        var waiting = new Stack<Cid>();
        var asked = new Queue<(Cid Cid, Task<ReadOnlyMemory<byte>> Block)>();
        waiting.Push(cid);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            while (true)
            {
                while (asked.Count < fetcher.Parallelism && waiting.TryPop(out var next)) asked.Enqueue((next, fetcher.GetRequiredAsync(next, stop.Token).AsTask()));
                if (!asked.TryDequeue(out var first)) yield break;
                var block = await first.Block;
                yield return first.Cid;
                if (first.Cid.Codec == Cid.Raw) continue;
                if (!DagPbNode.TryRead(block, out var node)) throw UnixFsNode.Invalid(first.Cid, "it is not canonical dag-pb");
                for (var i = node.Links.Count - 1; i >= 0; i--)
                    if (seen.Add(node.Links[i].Cid)) waiting.Push(node.Links[i].Cid);
                if (seen.Count > _limits.MaxBlocks) throw new PcException(ErrorCode.ContentTooLarge, $"{cid} has more than {_limits.MaxBlocks} blocks");
            }
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    internal async ValueTask<UnixFsNode> NodeAsync(Cid cid, CancellationToken cancellationToken) => UnixFsNode.Parse(cid, await fetcher.GetRequiredAsync(cid, cancellationToken));

    /// <summary>The entries of a folder of one node or of many; their names are set, safe and distinct.</summary>
    internal async IAsyncEnumerable<DagPbLink> EntriesAsync(Cid cid, UnixFsNode folder, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var link in folder.Links) yield return link;
        if (folder.Shard is null) yield break;
        // Depth first with some shards asked for ahead. What must hold of a shard (HamtShard.Check) leaves no way to visit many without an entry.
        var waiting = new Stack<(Cid Cid, ShardPlace Place)>();
        var asked = new Queue<(Cid Cid, ShardPlace Place, Task<UnixFsNode> Node)>();
        asked.Enqueue((cid, ShardPlace.Root(folder.Shard), Task.FromResult(folder)));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            while (asked.TryDequeue(out var next))
            {
                var shard = CheckedShard(next.Cid, await next.Node, next.Place);
                foreach (var slot in shard.Slots)
                    if (slot.Entry is { } entry) yield return entry;
                foreach (var slot in shard.Slots.Reverse())
                    if (slot.Entry is null) waiting.Push((slot.Cid, next.Place.Below(slot.Index)));
                while (asked.Count < fetcher.Parallelism && waiting.TryPop(out var below)) asked.Enqueue((below.Cid, below.Place, NodeAsync(below.Cid, stop.Token).AsTask()));
            }
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    // The entry of a name; the way hears of the blocks that were needed.
    private async ValueTask<DagPbLink?> FindAsync(Cid cid, UnixFsNode folder, string name, List<Cid>? way, CancellationToken cancellationToken)
    {
        way?.Add(cid);
        if (folder.Shard is null) return folder.Links.FirstOrDefault(l => string.Equals(l.Name, name, StringComparison.Ordinal));
        var place = ShardPlace.Root(folder.Shard);
        for (var node = folder; ; node = await NodeAsync(cid, cancellationToken))
        {
            var shard = CheckedShard(cid, node, place);
            if (shard.Find(place.IndexOf(name)) is not { } slot) return null;
            if (slot.Entry is { } entry) return string.Equals(entry.Name, name, StringComparison.Ordinal) ? entry : null;
            (cid, place) = (slot.Cid, place.Below(slot.Index));
            way?.Add(cid);
        }
    }

    private static HamtShard CheckedShard(Cid cid, UnixFsNode node, ShardPlace place)
    {
        if (node.Shard is not { } shard) throw UnixFsNode.Invalid(cid, "a part of a folder is none");
        shard.Check(cid, place);
        return shard;
    }

    private async ValueTask<(Cid Cid, UnixFsNode Node)> ResolveAsync(Cid cid, string? subPath, List<Cid>? way, CancellationToken cancellationToken)
    {
        var node = await NodeAsync(cid, cancellationToken);
        var at = cid;
        foreach (var name in (subPath ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            // Links of a folder are looked up by name, nothing else: `..` finds nothing because no folder may hold it.
            var link = node.Kind == UnixFsKind.Folder ? await FindAsync(at, node, name, way, cancellationToken) : null;
            if (link is null) throw new PcException(ErrorCode.ContentPathNotFound, $"{Shown(cid, subPath)} does not exist: there is no \"{name}\"");
            at = link.Cid;
            node = await NodeAsync(at, cancellationToken);
        }
        return (at, node);
    }

    private static string Shown(Cid cid, string? subPath) => string.IsNullOrEmpty(subPath) ? cid.ToString() : $"{cid}/{subPath.TrimStart('/')}";
}
