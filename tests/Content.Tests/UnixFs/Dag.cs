using System.Security.Cryptography;

namespace PeoplesCloud.Content.Tests.UnixFs;

/// <summary>Makes nodes by hand, also such that no honest program makes.</summary>
internal sealed class Dag
{
    public MemoryBlockStore Store { get; } = new();

    public UnixFsReader Reader => new(new BlockFetcher(Store, []));

    public UnixFsReader ReaderWith(UnixFsLimits limits) => new(new BlockFetcher(Store, []), limits);

    public Cid Put(byte codec, byte[] block)
    {
        var cid = Cid.V1(codec, SHA256.HashData(block));
        Store.PutAsync([(cid, block)], CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return cid;
    }

    public Cid Raw(byte[] bytes) => Put(Cid.Raw, bytes);

    public Cid Node(UnixFsData data, params DagPbLink[] links) => Put(Cid.DagPb, new DagPbNode(links, data.ToBytes()).ToBytes());

    public Cid File(byte[] data, params (Cid Child, long Bytes)[] children) => FileOf(data, data.Length + children.Sum(c => c.Bytes), children);

    public Cid FileOf(byte[] data, long? fileSize, params (Cid Child, long Bytes)[] children) => Node(
        new UnixFsData(UnixFsType.File, data, fileSize, [.. children.Select(c => c.Bytes)]),
        [.. children.Select(c => new DagPbLink(c.Child, "", c.Bytes))]);

    public Cid Folder(params (string Name, Cid Cid)[] entries) => Node(
        new UnixFsData(UnixFsType.Directory, default, null, []),
        [.. entries.Select(e => new DagPbLink(e.Cid, e.Name, 1))]);

    public Cid Symlink(string target) => Node(new UnixFsData(UnixFsType.Symlink, System.Text.Encoding.UTF8.GetBytes(target), null, []));

    /// <summary>A file in the second profile of the vectors: CIDv1 and raw leaves.</summary>
    public Cid FileV1(byte[] bytes)
    {
        var level = bytes.Chunk(262144).DefaultIfEmpty([]).Select(c => (Cid: Raw(c), Bytes: (long)c.Length, Dag: (long)c.Length)).ToList();
        while (level.Count > 1)
        {
            level = [.. level.Chunk(174).Select(children =>
            {
                var data = new UnixFsData(UnixFsType.File, default, children.Sum(c => c.Bytes), [.. children.Select(c => c.Bytes)]);
                var block = new DagPbNode([.. children.Select(c => new DagPbLink(c.Cid, "", c.Dag))], data.ToBytes()).ToBytes();
                return (Put(Cid.DagPb, block), children.Sum(c => c.Bytes), block.Length + children.Sum(c => c.Dag));
            })];
        }
        return level[0].Cid;
    }
}
