using System.Buffers;
using PeoplesCloud.Base;
using PeoplesCloud.Content.Tests.UnixFs;

namespace PeoplesCloud.Content.Tests.Cars;

public sealed class DagExportTests
{
    private readonly Dag _dag = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Scopes_hold_the_way_and_the_block_the_entity_or_everything_depth_first()
    {
        var (a, b, c) = (_dag.Raw([1]), _dag.Raw([2]), _dag.Raw([3]));
        var inner = _dag.File([], (a, 1), (b, 1));
        var file = _dag.File([], (inner, 2), (c, 1));
        var sub = _dag.Folder(("file", file), ("same", c));
        var root = _dag.Folder(("sub", sub), ("other", a));

        Assert.Equal([root, sub, file], await ExportAsync(root, "sub/file", new DagSelection(DagScope.Block)));
        Assert.Equal([root, sub, file, inner, a, b, c], await ExportAsync(root, "sub/file", new DagSelection(DagScope.Entity)));
        Assert.Equal([root, sub], await ExportAsync(root, "sub", new DagSelection(DagScope.Entity)));
        Assert.Equal([root, sub, file, inner, a, b, c], await ExportAsync(root, null, new DagSelection(DagScope.All)));
        Assert.Equal([root, sub, file, inner, a, b, c, c, a], await ExportAsync(root, "", new DagSelection(DagScope.All, null, Duplicates: true)));
        Assert.Equal([root], await ExportAsync(root, null, new DagSelection(DagScope.Block)));
        Assert.Equal([a], await ExportAsync(a, null, new DagSelection(DagScope.All)));
        Assert.Equal(ErrorCode.ContentPathNotFound, (await Assert.ThrowsAsync<PcException>(() => ExportAsync(root, "sub/nothing", new DagSelection(DagScope.All)))).Code);
    }

    [Theory]
    [InlineData("0:*", "abcde")]
    [InlineData("0:0", "a")]
    [InlineData("2:5", "bc")]
    [InlineData("3:4", "bc")]
    [InlineData("-1:*", "e")]
    [InlineData("-4:-2", "de")]
    [InlineData("4:999", "cde")]
    [InlineData("-999:1", "a")]
    [InlineData("10:*", "")]
    [InlineData("5:2", "")]
    public async Task A_range_of_a_file_holds_the_blocks_that_it_needs(string range, string expected)
    {
        // Ten bytes: a 0-1, b 2-3, c 4-5 below the first inner node; d 6-7, e 8-9 below the second; and one of no bytes.
        var leaves = "abcde".ToDictionary(n => n, n => _dag.Raw([(byte)n, (byte)n]));
        var first = _dag.File([], (leaves['a'], 2), (leaves['b'], 2), (leaves['c'], 2));
        var second = _dag.File([], (leaves['d'], 2), (_dag.Raw([]), 0), (leaves['e'], 2));
        var file = _dag.File([], (first, 6), (second, 4));
        var blocks = await ExportAsync(file, null, new DagSelection(DagScope.Entity, EntityBytes.TryParse(range)));
        Assert.Equal(file, blocks[0]);
        Assert.Equal(expected.Select(n => leaves[n]), blocks.Where(leaves.ContainsValue));
        Assert.Equal(expected.IndexOfAny(['a', 'b', 'c']) >= 0, blocks.Contains(first));
        Assert.Equal(expected.IndexOfAny(['d', 'e']) >= 0, blocks.Contains(second));
    }

    [Fact]
    public async Task A_range_finds_a_shared_part_at_each_of_its_places()
    {
        // The end of the first and the beginning of the second copy.
        var (a, b) = (_dag.Raw([1]), _dag.Raw([2]));
        var part = _dag.File([], (a, 1), (b, 1));
        var file = _dag.File([], (part, 2), (part, 2));
        Assert.Equal([file, part, b, a], await ExportAsync(file, null, new DagSelection(DagScope.Entity, new EntityBytes(1, 2))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1:2:3")]
    [InlineData("*:1")]
    [InlineData("a:*")]
    [InlineData("-9223372036854775808:*")]
    public void What_is_no_range_is_refused(string text) => Assert.Null(EntityBytes.TryParse(text));

    [Fact]
    public async Task A_folder_of_shards_is_listed_with_all_its_shards_and_no_entry()
    {
        var links = Enumerable.Range(0, 1000).Select(i => new DagPbLink(_dag.Raw([(byte)i, (byte)(i >> 8)]), $"name {i}", 2)).ToList();
        var root = HamtShard.Build(links, block => _dag.Put(Cid.DagPb, block))!.Value.Cid;
        var blocks = await ExportAsync(root, null, new DagSelection(DagScope.Entity));
        Assert.True(blocks.Count > 50);
        Assert.All(blocks, cid => Assert.Equal(Cid.DagPb, cid.Codec));
        var one = await ExportAsync(root, "name 7", new DagSelection(DagScope.Block));
        Assert.InRange(one.Count, 2, 4); // root, a shard or two, the entry
        Assert.Equal(links[7].Cid, one[^1]);
    }

    [Fact]
    public async Task A_tree_that_unfolds_for_ever_ends_at_the_limit()
    {
        var node = _dag.Folder(("x", _dag.Raw([1])));
        for (var depth = 0; depth < 30; depth++) node = _dag.Folder(("a", node), ("b", node));
        var limits = new UnixFsLimits { MaxBlocks = 1000 };
        var error = await Assert.ThrowsAsync<PcException>(() => ExportAsync(node, null, new DagSelection(DagScope.All, null, Duplicates: true), limits));
        Assert.Equal(ErrorCode.ContentTooLarge, error.Code);
        Assert.Equal(32, (await ExportAsync(node, null, new DagSelection(DagScope.All), limits)).Count);
    }

    [Fact]
    public void An_archive_begins_with_its_root_and_frames_each_block()
    {
        var output = new ArrayBufferWriter<byte>();
        var cid = _dag.Raw([7]);
        CarWriter.WriteHeader(output, cid.Bytes);
        CarWriter.WriteBlock(output, cid, [7]);
        var name = Convert.ToHexStringLower(cid.Bytes);
        // {"roots": [CID], "version": 1} in DAG-CBOR: 58 bytes; then 37 bytes of CID and block.
        Assert.Equal($"3aa265726f6f747381d82a582500{name}6776657273696f6e0125{name}07", Convert.ToHexStringLower(output.WrittenSpan));
    }

    private async Task<List<Cid>> ExportAsync(Cid cid, string? path, DagSelection selection, UnixFsLimits? limits = null)
    {
        var fetcher = new BlockFetcher(_dag.Store, []);
        var trace = await new UnixFsReader(fetcher).TraceAsync(cid, path, Stop);
        var blocks = new List<Cid>();
        await foreach (var (found, block) in new DagExport(fetcher, selection, limits).RunAsync(trace, Stop))
        {
            Assert.True(found.Matches(block.Span));
            blocks.Add(found);
        }
        return blocks;
    }
}
