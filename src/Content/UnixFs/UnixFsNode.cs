using PeoplesCloud.Base;

namespace PeoplesCloud.Content;

/// <summary>What a CID names.</summary>
public enum UnixFsKind
{
    /// <summary>A file.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A symbolic link.</summary>
    Symlink,
}

/// <summary>
/// One block understood as a part of a file, a folder or a symbolic link, with everything checked that can be checked in one
/// block: counts agree, sizes add up, names can be file names and occur once.
/// </summary>
internal sealed class UnixFsNode
{
    private UnixFsNode(UnixFsKind kind, long fileBytes, ReadOnlyMemory<byte> data, IReadOnlyList<DagPbLink> links, IReadOnlyList<long> blockSizes, long dagBytes, HamtShard? shard = null)
    {
        Kind = kind;
        FileBytes = fileBytes;
        Data = data;
        Links = links;
        BlockSizes = blockSizes;
        DagBytes = dagBytes;
        Shard = shard;
    }

    public UnixFsKind Kind { get; }

    /// <summary>Bytes of the file: the own data and the declared sizes of the children; 0 for others.</summary>
    public long FileBytes { get; }

    /// <summary>A file's own bytes, before those of its children; a link's target.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>A file's children, or the entries of a folder of one node (their names are set, safe and distinct); nothing for a shard.</summary>
    public IReadOnlyList<DagPbLink> Links { get; }

    /// <summary>For each child of a file, its bytes.</summary>
    public IReadOnlyList<long> BlockSizes { get; }

    /// <summary>What the block says all blocks together weigh.</summary>
    public long DagBytes { get; }

    /// <summary>The slots, when the folder is spread over several nodes; null otherwise.</summary>
    public HamtShard? Shard { get; }

    /// <summary>Reads a block.</summary>
    /// <exception cref="PcException">It is not valid or not known (<see cref="ErrorCode.ContentInvalid"/>, <see cref="ErrorCode.ContentUnsupported"/>, <see cref="ErrorCode.UnsafeName"/>).</exception>
    public static UnixFsNode Parse(Cid cid, ReadOnlyMemory<byte> block)
    {
        if (cid.Codec == Cid.Raw) return new UnixFsNode(UnixFsKind.File, block.Length, block, [], [], block.Length);
        if (!DagPbNode.TryRead(block, out var node)) throw Invalid(cid, "it is not canonical dag-pb");
        if (node.Data is not { } data || !UnixFsData.TryRead(data, out var unixFs)) throw Invalid(cid, "it is not UnixFS");
        if (!TrySum(block.Length, node.Links.Select(l => l.Tsize ?? 0), out var dagBytes)) throw Invalid(cid, "its sizes overflow");
        switch (unixFs.Type)
        {
            case UnixFsType.File or UnixFsType.Raw:
                if (unixFs.BlockSizes.Count != node.Links.Count) throw Invalid(cid, "it has other sizes than links");
                if (!TrySum(unixFs.Data.Length, unixFs.BlockSizes, out var fileBytes)) throw Invalid(cid, "its sizes overflow");
                if (unixFs.FileSize is { } declared && declared != fileBytes) throw Invalid(cid, "its sizes do not add up");
                return new UnixFsNode(UnixFsKind.File, fileBytes, unixFs.Data, node.Links, unixFs.BlockSizes, dagBytes);
            case UnixFsType.Directory:
                CheckNames(cid, node.Links);
                return new UnixFsNode(UnixFsKind.Folder, 0, default, node.Links, [], dagBytes);
            case UnixFsType.HamtShard:
                return new UnixFsNode(UnixFsKind.Folder, 0, default, [], [], dagBytes, HamtShard.Parse(cid, unixFs, node.Links));
            case UnixFsType.Symlink:
                if (unixFs.Data.IsEmpty || unixFs.Data.Span.Contains((byte)0) || !System.Text.Unicode.Utf8.IsValid(unixFs.Data.Span)) throw Invalid(cid, "its target cannot be one");
                return new UnixFsNode(UnixFsKind.Symlink, 0, unixFs.Data, [], [], dagBytes);
            default:
                throw new PcException(ErrorCode.ContentUnsupported, $"block {cid} is a UnixFS node of type {unixFs.Type}");
        }
    }

    /// <summary>An error about a block that does not follow its format.</summary>
    public static PcException Invalid(Cid cid, string why) => new(ErrorCode.ContentInvalid, $"block {cid} is not valid: {why}");

    // Fuzz target: any bytes are a node or an error for people, nothing else.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        try
        {
            var cid = Cid.V1(Cid.DagPb, new byte[32]);
            if (Parse(cid, input.ToArray()).Shard is not { } shard) return;
            shard.Check(cid, ShardPlace.Root(shard));
            foreach (var slot in shard.Slots) Invariant.Check(shard.Find(slot.Index) == slot, "a slot is found by its index");
        }
        catch (PcException)
        {
            // the expected answer to nearly all of them
        }
    }

    /// <summary>Refuses a name that no file can have.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.UnsafeName"/>.</exception>
    public static void CheckName(Cid cid, string name)
    {
        if (name is "" or "." or ".." || name.Contains('/', StringComparison.Ordinal) || name.Contains('\0', StringComparison.Ordinal))
            throw new PcException(ErrorCode.UnsafeName, $"folder {cid} holds a name that cannot be a file's: \"{name.Replace('\0', '?')}\"");
    }

    private static void CheckNames(Cid cid, IReadOnlyList<DagPbLink> links)
    {
        var seen = new HashSet<string>(links.Count, StringComparer.Ordinal);
        foreach (var name in links.Select(l => l.Name ?? ""))
        {
            CheckName(cid, name);
            if (!seen.Add(name)) throw new PcException(ErrorCode.UnsafeName, $"folder {cid} holds two entries named \"{name}\"");
        }
    }

    private static bool TrySum(long first, IEnumerable<long> rest, out long sum)
    {
        sum = first;
        foreach (var value in rest)
        {
            if (value > long.MaxValue - sum) return false;
            sum += value;
        }
        return true;
    }
}
