using System.Runtime.CompilerServices;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Contents;

/// <summary>What <c>pc add</c>, <c>get</c>, <c>cat</c>, <c>pin</c> and <c>gc</c> do: this node's blocks, and those of members that are awake and of servers that the configuration names.</summary>
internal sealed class ContentService(IBlockStore store, BlockHolds holds, BlockCollector collector, ContentAccess access, PinSet pins, PublicContent open, IReadOnlyList<IBlockSource> sources)
{
    private readonly UnixFsReader _reader = new(new BlockFetcher(store, sources));

    /// <summary>The pinned CIDs.</summary>
    public IReadOnlyList<Cid> Pins => pins.List();

    /// <summary>Those of them that the gateway serves to the world.</summary>
    public IReadOnlyList<Cid> Public => open.Roots;

    /// <summary>Adds a file or a folder, and pins it; readable by members of one swarm, or of all when it is null, and by the world when it is public.</summary>
    public async IAsyncEnumerable<AddedNode> AddAsync(string path, bool recursive, UnixFsProfile profile, SwarmId? swarm, bool isPublic, IProgress<AddProgress>? progress, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var hold = holds.Open(store); // until it is pinned
        var adder = new UnixFsAdder(new GrantingBlockStore(hold, access, swarm), profile);
        AddedNode? root = null;
        await foreach (var node in adder.AddAsync(path, recursive, progress, cancellationToken))
        {
            root = node;
            yield return node;
        }
        if (root is null) yield break;
        await pins.AddAsync(root.Cid, CancellationToken.None);
        if (isPublic) await open.AddAsync(root.Cid, CancellationToken.None);
    }

    /// <summary>Writes what a CID names to a path that does not exist.</summary>
    public Task<ExtractResult> GetAsync(Cid cid, string output, IProgress<AddProgress>? progress, CancellationToken cancellationToken) =>
        _reader.ExtractAsync(cid, output, progress, cancellationToken);

    /// <summary>A file's content.</summary>
    public Task<Stream> OpenAsync(Cid cid, string? subPath, CancellationToken cancellationToken) => _reader.OpenAsync(cid, subPath, cancellationToken);

    /// <summary>Fetches all that lies below a CID, then keeps it; public: the gateway serves it to the world.</summary>
    public async Task PinAsync(Cid cid, bool isPublic, CancellationToken cancellationToken)
    {
        using var hold = holds.Open(store);
        await foreach (var _ in new UnixFsReader(new BlockFetcher(hold, sources)).WalkAsync(cid, cancellationToken))
        {
            // Walking fetches each block into the store.
        }
        await pins.AddAsync(cid, cancellationToken);
        if (isPublic) await open.AddAsync(cid, cancellationToken);
        else open.Forget(); // blocks of something public may have come back
    }

    /// <summary>No longer keeps it; or, when only the world is to lose it, keeps it without serving it to the world.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.NotPinned"/>.</exception>
    public async Task UnpinAsync(Cid cid, bool onlyPublic, CancellationToken cancellationToken)
    {
        var wasPublic = await open.RemoveAsync(cid, cancellationToken);
        if (onlyPublic) _ = wasPublic ? true : throw new PcException(ErrorCode.NotPinned, $"{cid} is not public");
        else if (!await pins.RemoveAsync(cid, cancellationToken)) throw new PcException(ErrorCode.NotPinned, $"{cid} is not pinned");
    }

    /// <summary>Removes the blocks that nothing needs.</summary>
    public Task<CollectResult> CollectAsync(bool dryRun, CancellationToken cancellationToken) => collector.CollectAsync(0, dryRun, cancellationToken);

    /// <summary>The CID that a person typed; an /ipfs/ before it is accepted.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.InvalidCid"/>.</exception>
    public static Cid Parse(string text)
    {
        var plain = text.StartsWith("/ipfs/", StringComparison.Ordinal) ? text["/ipfs/".Length..] : text;
        return Cid.TryParse(plain, out var cid) ? cid : throw new PcException(ErrorCode.InvalidCid, $"'{new string([.. plain.Take(100).Where(c => !char.IsControl(c))])}' is no CID");
    }
}
