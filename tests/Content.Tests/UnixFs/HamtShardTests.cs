using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content.Tests.UnixFs;

public sealed class HamtShardTests : IDisposable
{
    // Found by inverting the hash's last block: two names with the same MurmurHash3 x64-128.
    private const string OneName = "two-names-of-one-hash.0123456789";
    private const string OtherName = "eVv10c3iZDTvlj7v]Ldrsnm-avcX6ld)";

    private readonly TestFolder _folder = new();
    private readonly Dag _dag = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("", "0000000000000000")]
    [InlineData("a", "85555565f6597889")]
    [InlineData("hello", "cbd8a7b341bd9b02")]
    [InlineData("hello, world", "342fac623a5ebc8e")]
    [InlineData("The quick brown fox jumps over the lazy dog.", "cd99481f9ee902c9")]
    public void The_hash_is_MurmurHash3_x64(string text, string expected) => // published vectors of spaolacci/murmur3
        Assert.Equal(expected, Murmur3.Hash64(Encoding.UTF8.GetBytes(text)).ToString("x16"));

    [Fact]
    public async Task A_folder_is_spread_over_shards_when_its_names_and_CIDs_have_more_than_256_KiB()
    {
        // 38 bytes of name and CID: 6,897 of them are 262,086. A last name of 24 bytes makes it 262,144.
        Links("edge", 6897);
        File.CreateSymbolicLink(_folder["edge/" + new string('x', 24)], "x");
        Assert.Equal(UnixFsType.Directory, await TypeAsync(await AddAsync("edge")));
        File.Move(_folder["edge/" + new string('x', 24)], _folder["edge/" + new string('x', 25)]);
        Assert.Equal(UnixFsType.HamtShard, await TypeAsync(await AddAsync("edge")));
    }

    [Fact]
    public async Task A_spread_folder_is_listed_looked_up_walked_and_written_back()
    {
        Links("wide", 7000);
        _folder.Write("wide/sub/file", [7]);
        var cid = await AddAsync("wide");
        Assert.Equal(UnixFsType.HamtShard, await TypeAsync(cid));

        var names = await _dag.Reader.ListAsync(cid, null, Stop).Select(e => e.Name).ToListAsync(Stop);
        Assert.Equal(Directory.GetFileSystemEntries(_folder["wide"]).Select(Path.GetFileName).Order(StringComparer.Ordinal), names.Order(StringComparer.Ordinal));
        Assert.Equal(1, (await _dag.Reader.StatAsync(cid, "sub/file", Stop)).Bytes);
        foreach (var missing in (string[])["sub/nothing", "nothing", "00"])
            Assert.Equal(ErrorCode.ContentPathNotFound, (await Assert.ThrowsAsync<PcException>(() => _dag.Reader.StatAsync(cid, missing, Stop))).Code);

        var result = await _dag.Reader.ExtractAsync(cid, _folder["out"], null, Stop);
        Assert.Equal((1, 2, 7000), (result.Files, result.Folders, result.Symlinks));
        Assert.Equal(names.Order(StringComparer.Ordinal), Directory.GetFileSystemEntries(_folder["out"]).Select(e => Path.GetFileName(e)!).Order(StringComparer.Ordinal));
        var blocks = await _dag.Reader.WalkAsync(cid, Stop).CountAsync(Stop);
        Assert.InRange(blocks, 256, 2000); // 256 shards, and those below where names fall together
    }

    [Fact]
    public void Two_names_of_one_hash_cannot_be_in_one_spread_folder()
    {
        Assert.Equal(ShardPlace.HashOf(OneName), ShardPlace.HashOf(OtherName));
        Assert.Null(HamtShard.Build([Link(OneName), Link(OtherName)], _ => throw new InvalidOperationException("nothing is stored")));
    }

    [Fact]
    public async Task Adding_such_a_folder_is_refused_in_words()
    {
        Links("wide", 7500);
        File.CreateSymbolicLink(_folder["wide/" + OneName], "x");
        File.CreateSymbolicLink(_folder["wide/" + OtherName], "x");
        Assert.Equal(ErrorCode.FolderTooLarge, (await Assert.ThrowsAsync<PcException>(() => AddAsync("wide"))).Code);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(1024)]
    public async Task Other_fanouts_are_read(int fanout)
    {
        var bits = System.Numerics.BitOperations.Log2((uint)fanout);
        var index = (int)(ShardPlace.HashOf("name") >> (64 - bits));
        var file = _dag.Raw([1, 2, 3]);
        var cid = Shard(fanout, (index, "name", file));
        Assert.Equal(3, (await _dag.Reader.StatAsync(cid, "name", Stop)).Bytes);
        Assert.Equal("name", Assert.Single(await _dag.Reader.ListAsync(cid, null, Stop).ToListAsync(Stop)).Name);
    }

    [Fact]
    public async Task Shards_that_no_honest_program_makes_are_refused()
    {
        var file = _dag.Raw([1]);
        var index = (int)(ShardPlace.HashOf("name") >> 56);
        var good = Shard(256, (index, "name", file));
        Assert.Single(await _dag.Reader.ListAsync(good, null, Stop).ToListAsync(Stop));

        await RefusedAsync(Shard(256, ((index + 1) % 256, "name", file))); // not where its hash says
        await RefusedAsync(Node(256, [0], (index, "name", file))); // bits that are not the slots
        await RefusedAsync(Shard(256, (index, "", Shard(256)))); // an empty shard below
        await RefusedAsync(Shard(256, (index, "", Shard(8, (0, "name", file))))); // another fanout below
        await RefusedAsync(Shard(256, (index, "", _dag.Folder(("name", file))))); // a folder that is no shard below
        await RefusedAsync(Shard(256, (index, "", good))); // a shard that belongs elsewhere
        await RefusedAsync(Shard(256, (index, "", file))); // a file as a shard
        await RefusedAsync(Raw(256, "zzname", file), Raw(256, "0", file), Raw(256, "ffname", file), Raw(256, " Fname", file));
        await RefusedAsync(Shard(256, (index, "a/b", file), (index, "name", file))); // an unsafe name
        await RefusedAsync(Shard(7, (0, "name", file)), Shard(2048, (0, "name", file)), Shard(4, (0, "name", file)));
        await RefusedAsync(_dag.Node(new UnixFsData(UnixFsType.HamtShard, default, null, [], 0x12, 256))); // another hash
        await RefusedAsync(_dag.Node(new UnixFsData(UnixFsType.HamtShard, default, null, [])));
    }

    [Fact]
    public async Task Shards_that_share_what_is_below_end_at_the_first_name_out_of_its_place()
    {
        // Eight levels of 256 links to one shard below would be 256^8 visits.
        var below = Shard(256, (7, "name", _dag.Raw([1])));
        for (var depth = 0; depth < 8; depth++)
        {
            var same = below;
            below = Shard(256, [.. Enumerable.Range(0, 256).Select(i => (i, "", same))]);
        }
        await RefusedAsync(below);
    }

    private async Task RefusedAsync(params Cid[] folders)
    {
        foreach (var folder in folders)
        {
            var error = await Assert.ThrowsAsync<PcException>(async () => await _dag.Reader.ListAsync(folder, null, Stop).ToListAsync(Stop));
            Assert.Contains(error.Code, (ErrorCode[])[ErrorCode.ContentInvalid, ErrorCode.ContentUnsupported, ErrorCode.UnsafeName]);
            await Assert.ThrowsAsync<PcException>(() => _dag.Reader.ExtractAsync(folder, _folder["refused"], null, Stop));
            Assert.False(Directory.Exists(_folder["refused"]));
        }
    }

    private Cid Shard(int fanout, params (int Index, string Name, Cid Cid)[] slots)
    {
        var bits = new byte[Math.Max(fanout / 8, 1)];
        foreach (var (index, _, _) in slots) bits[^(index / 8 + 1)] |= (byte)(1 << (index % 8));
        return Node(fanout, bits.AsSpan().TrimStart((byte)0).ToArray(), slots);
    }

    private Cid Node(int fanout, byte[] bits, params (int Index, string Name, Cid Cid)[] slots)
    {
        var width = (fanout - 1).ToString("X").Length;
        return _dag.Node(new UnixFsData(UnixFsType.HamtShard, bits, null, [], 0x22, fanout), [.. slots.Select(s => new DagPbLink(s.Cid, s.Index.ToString("X" + width) + s.Name, 1))]);
    }

    // A name as it is, with the bit that 0 would have.
    private Cid Raw(int fanout, string name, Cid cid) => _dag.Node(new UnixFsData(UnixFsType.HamtShard, new byte[] { 1 }, null, [], 0x22, fanout), new DagPbLink(cid, name, 1));

    private void Links(string folder, int count)
    {
        Directory.CreateDirectory(_folder[folder]);
        for (var i = 0; i < count; i++) File.CreateSymbolicLink(_folder[$"{folder}/{i:d4}"], "x"); // quick to make
    }

    private static DagPbLink Link(string name) => new(Cid.V0(new byte[32]), name, 1);

    private async Task<Cid> AddAsync(string name) => (await new UnixFsAdder(_dag.Store).AddAsync(_folder[name], true, null, Stop).ToListAsync(Stop))[^1].Cid;

    private async Task<UnixFsType> TypeAsync(Cid cid)
    {
        Assert.True(DagPbNode.TryRead((await _dag.Store.GetAsync(cid, Stop))!.Value, out var node));
        Assert.True(UnixFsData.TryRead(node.Data!.Value, out var data));
        return data.Type;
    }
}
