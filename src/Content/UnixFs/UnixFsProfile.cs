namespace PeoplesCloud.Content;

/// <summary>
/// Which CIDs an add makes. What makes a CID is part of what it means to people, so a profile never changes; a new way of
/// writing is a new profile.
/// </summary>
/// <param name="CidVersion">0 or 1: of files' nodes and folders.</param>
/// <param name="RawLeaves">Whether the bytes of a file are blocks of their own (always named by version 1) or wrapped in UnixFS.</param>
public sealed record UnixFsProfile(int CidVersion, bool RawLeaves)
{
    /// <summary>The default of <c>ipfs add</c>.</summary>
    public static UnixFsProfile V0 { get; } = new(0, RawLeaves: false);

    /// <summary>That of <c>ipfs add --cid-version 1</c>.</summary>
    public static UnixFsProfile V1 { get; } = new(1, RawLeaves: true);

    internal Cid NodeCid(ReadOnlySpan<byte> digest) => CidVersion == 0 ? Cid.V0(digest) : Cid.V1(Cid.DagPb, digest);

    internal Cid LeafCid(ReadOnlySpan<byte> digest) => RawLeaves ? Cid.V1(Cid.Raw, digest) : NodeCid(digest);
}
