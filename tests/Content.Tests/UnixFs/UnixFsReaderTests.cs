using PeoplesCloud.Base;

namespace PeoplesCloud.Content.Tests.UnixFs;

public sealed class UnixFsReaderTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly Dag _dag = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static TheoryData<int, string> FileVectors => [.. UnixFsVectors.Files().Select(f => (f.Size, f.V1))];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(FileVectors))]
    public async Task Files_with_raw_leaves_and_CIDs_of_version_1_are_read(int size, string expected)
    {
        var bytes = UnixFsVectors.Generate(size);
        var cid = _dag.FileV1(bytes);
        Assert.Equal(expected, cid.ToString());
        Assert.Equal(bytes, await ReadAsync(cid));
    }

    [Fact]
    public async Task Any_part_of_a_file_can_be_read_after_seeking()
    {
        var bytes = UnixFsVectors.Generate(2_000_000);
        var cid = await new UnixFsAdder(_dag.Store).AddStreamAsync(new MemoryStream(bytes), Stop);
        await using var content = await _dag.Reader.OpenAsync(cid, null, Stop);
        var random = new Random(7);
        for (var i = 0; i < 300; i++)
        {
            var at = random.Next(bytes.Length + 10);
            var buffer = new byte[random.Next(1, 600_000)];
            content.Seek(at, SeekOrigin.Begin);
            var read = await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, Stop);
            Assert.Equal(Math.Clamp(bytes.Length - at, 0, buffer.Length), read);
            Assert.True(buffer.AsSpan(0, read).SequenceEqual(bytes.AsSpan(Math.Min(at, bytes.Length), read)));
        }
        Assert.Equal(bytes.Length - 3, content.Seek(-3, SeekOrigin.End));
        Assert.Equal(bytes[^3], content.ReadByte());
        Assert.ThrowsAny<ArgumentException>(() => content.Seek(-1, SeekOrigin.Begin));
    }

    [Fact]
    public async Task A_node_of_a_file_may_hold_data_and_children_of_other_layouts()
    {
        // Data in inner nodes, children of uneven depth and old leaves of type Raw: what trickle layouts and old programs make.
        var old = _dag.Node(new UnixFsData(UnixFsType.Raw, "old"u8.ToArray(), 3, []));
        var inner = _dag.File("in"u8.ToArray(), (_dag.Raw("side"u8.ToArray()), 4), (old, 3));
        var root = _dag.File("top "u8.ToArray(), (inner, 9), (_dag.Raw("!"u8.ToArray()), 1));
        Assert.Equal("top insideold!", System.Text.Encoding.UTF8.GetString(await ReadAsync(root)));
    }

    [Fact]
    public async Task Paths_lead_to_files_and_folders_below()
    {
        var file = _dag.Raw("text"u8.ToArray());
        var root = _dag.Folder(("a", _dag.Folder(("ä b", file))), ("link", _dag.Symlink("a")));
        Assert.Equal("text"u8.ToArray(), await ReadAsync(root, "a/ä b"));
        Assert.Equal("text"u8.ToArray(), await ReadAsync(root, "/a//ä b/"));
        Assert.Equal(new UnixFsStat(file, UnixFsKind.File, 4, 4), await _dag.Reader.StatAsync(root, "a/ä b", Stop));
        Assert.Equal(["a", "link"], await _dag.Reader.ListAsync(root, null, Stop).Select(e => e.Name).ToListAsync(Stop));
        Assert.Equal([file], await _dag.Reader.ListAsync(root, "a", Stop).Select(e => e.Cid).ToListAsync(Stop));
        Assert.Empty(await _dag.Reader.ListAsync(file, null, Stop).ToListAsync(Stop));

        foreach (var missing in (string[])["b", "a/c", "a/ä b/c", "..", "a/../a", "link/ä b"])
            Assert.Equal(ErrorCode.ContentPathNotFound, (await Assert.ThrowsAsync<PcException>(() => ReadAsync(root, missing))).Code);
        Assert.Equal(ErrorCode.ContentIsFolder, (await Assert.ThrowsAsync<PcException>(() => ReadAsync(root))).Code);
        Assert.Equal(ErrorCode.ContentIsFolder, (await Assert.ThrowsAsync<PcException>(() => ReadAsync(root, "link"))).Code);
    }

    [Fact]
    public async Task A_walk_meets_every_block_once_parents_first()
    {
        var shared = _dag.Raw([1]);
        var inner = _dag.Folder(("x", shared), ("y", shared));
        var root = _dag.Folder(("a", inner), ("b", inner), ("c", shared));
        Assert.Equal([root, inner, shared], await _dag.Reader.WalkAsync(root, Stop).ToListAsync(Stop));
        var missing = Cid.V0(new byte[32]);
        var error = await Assert.ThrowsAsync<PcException>(async () => await _dag.Reader.WalkAsync(_dag.Folder(("gone", missing)), Stop).ToListAsync(Stop));
        Assert.Equal(ErrorCode.BlockNotFound, error.Code);
        Assert.Contains(missing.ToString(), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_whole_folder_comes_over_from_a_source_in_parallel()
    {
        var bytes = UnixFsVectors.Generate(5_000_000);
        var cid = await new UnixFsAdder(_dag.Store).AddStreamAsync(new MemoryStream(bytes), Stop);
        var inFlight = 0;
        var most = 0;
        var source = new BlockFetcherTests.Source(async (wanted, token) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref inFlight));
            await Task.Yield();
            var block = await _dag.Store.GetAsync(wanted, token);
            Interlocked.Decrement(ref inFlight);
            return block;
        });
        var own = new MemoryBlockStore();
        var reader = new UnixFsReader(new BlockFetcher(own, [source], new BlockFetcherOptions { Parallelism = 4 }));
        await using (var content = await reader.OpenAsync(cid, null, Stop))
        {
            var back = new MemoryStream();
            await content.CopyToAsync(back, Stop);
            Assert.Equal(bytes, back.ToArray());
        }
        Assert.InRange(most, 1, 4);
        Assert.Equal(_dag.Store.List().Order(), own.List().Order());
        Assert.Equal(own.List().Count(), source.Calls); // nothing was asked for twice
    }

    [Fact]
    public async Task Trees_that_lie_are_refused()
    {
        var four = _dag.Raw("four"u8.ToArray());
        await InvalidAsync(_dag.File([], (four, 5))); // the child is shorter than its parent says
        await InvalidAsync(_dag.File([], (four, 3)));
        await InvalidAsync(_dag.FileOf([], 5, (four, 4))); // sizes do not add up
        await InvalidAsync(_dag.File([], (_dag.Folder(), 4))); // a folder as a part of a file
        await InvalidAsync(_dag.Node(new UnixFsData(UnixFsType.File, default, 4, []), new DagPbLink(four, "", 4))); // no size for a link
        await InvalidAsync(_dag.FileOf([], null, (four, long.MaxValue), (four, long.MaxValue))); // overflow
        await InvalidAsync(_dag.Put(Cid.DagPb, [1, 2, 3]));
        await InvalidAsync(_dag.Put(Cid.DagPb, new DagPbNode([], null).ToBytes())); // no UnixFS
        await InvalidAsync(_dag.Put(Cid.DagPb, new DagPbNode([], "\u0008\u0007"u8.ToArray()).ToBytes()));
        await InvalidAsync(_dag.Symlink("a\0b"));
        var metadata = _dag.Node(new UnixFsData(UnixFsType.Metadata, default, null, []));
        Assert.Equal(ErrorCode.ContentUnsupported, (await Assert.ThrowsAsync<PcException>(() => ReadAsync(metadata))).Code);
    }

    [Fact]
    public async Task Parts_of_no_bytes_are_never_looked_at_so_a_wide_empty_tree_costs_nothing()
    {
        // 100 levels of 100 links to nothing would be 100^100 visits; none of these blocks is even there.
        var nothing = Cid.V0(new byte[32]);
        var root = _dag.File([], [.. Enumerable.Repeat((nothing, 0L), 100), (_dag.Raw([7]), 1), (nothing, 0)]);
        Assert.Equal(new byte[] { 7 }, await ReadAsync(root));
        Assert.Equal(Array.Empty<byte>(), await ReadAsync(_dag.File([], (nothing, 0))));
    }

    [Fact]
    public async Task A_file_that_is_too_deep_is_refused()
    {
        var cid = _dag.Raw([1]);
        for (var i = 0; i < 31; i++) cid = _dag.File([], (cid, 1));
        Assert.Equal(new byte[] { 1 }, await ReadAsync(cid));
        for (var i = 0; i < 5; i++) cid = _dag.File([], (cid, 1));
        Assert.Equal(ErrorCode.ContentTooLarge, (await Assert.ThrowsAsync<PcException>(() => ReadAsync(cid))).Code);
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("/etc/passwd")]
    [InlineData("a\0b")]
    public async Task A_name_that_leads_elsewhere_is_refused_and_nothing_is_written(string name)
    {
        var root = _dag.Folder(("ok", _dag.Raw([1])), ("sub", _dag.Folder((name, _dag.Raw([2])))));
        await ExtractFailsAsync(_dag.Reader, root, ErrorCode.UnsafeName);
    }

    [Fact]
    public async Task An_entry_below_a_link_of_the_same_name_is_refused()
    {
        // The old trick: a link, then a folder of the same name, so that the file lands where the link points.
        var target = Directory.CreateDirectory(_folder["target"]).FullName;
        var root = _dag.Folder(("x", _dag.Symlink(target)), ("x", _dag.Folder(("planted", _dag.Raw([1])))));
        await ExtractFailsAsync(_dag.Reader, root, ErrorCode.UnsafeName);
        Assert.Empty(Directory.GetFileSystemEntries(target));
    }

    [Fact]
    public async Task What_is_there_is_never_overwritten_or_written_through()
    {
        var file = _dag.Raw("new"u8.ToArray());
        _folder.Write("file", "old"u8.ToArray());
        Directory.CreateDirectory(_folder["empty"]);
        File.CreateSymbolicLink(_folder["dangling"], _folder["elsewhere"]);
        File.CreateSymbolicLink(_folder["to-folder"], _folder["empty"]);
        foreach (var output in (string[])["file", "empty", "dangling", "to-folder"])
        {
            foreach (var cid in (Cid[])[file, _dag.Folder(("f", file))])
                Assert.Equal(ErrorCode.OutputExists, (await Assert.ThrowsAsync<PcException>(() => _dag.Reader.ExtractAsync(cid, _folder[output], null, Stop))).Code);
        }
        Assert.Equal("old", await File.ReadAllTextAsync(_folder["file"], Stop));
        Assert.Equal(4, Directory.GetFileSystemEntries(_folder.FullPath).Length);
    }

    [Fact]
    public async Task A_tree_that_unfolds_to_more_than_the_limits_is_refused()
    {
        // Ten levels of ten links to the same folder below: eleven small blocks, ten thousand million files.
        var cid = _dag.Raw(new byte[1000]);
        for (var i = 0; i < 10; i++) cid = _dag.Folder([.. Enumerable.Range(0, 10).Select(n => ($"{n}", cid))]);
        await ExtractFailsAsync(_dag.ReaderWith(new UnixFsLimits { MaxEntries = 500 }), cid, ErrorCode.ContentTooLarge);
        await ExtractFailsAsync(_dag.ReaderWith(new UnixFsLimits { MaxBytes = 50_000 }), cid, ErrorCode.ContentTooLarge);
        await ExtractFailsAsync(_dag.ReaderWith(new UnixFsLimits { MaxDepth = 8 }), cid, ErrorCode.ContentTooLarge);
        var error = await Assert.ThrowsAsync<PcException>(async () => await _dag.ReaderWith(new UnixFsLimits { MaxBlocks = 5 }).WalkAsync(cid, Stop).ToListAsync(Stop));
        Assert.Equal(ErrorCode.ContentTooLarge, error.Code);
        Assert.Equal(11, (await _dag.Reader.WalkAsync(cid, Stop).ToListAsync(Stop)).Count); // a walk sees each block once
    }

    [Fact]
    public async Task A_file_larger_than_the_free_disk_is_refused_before_it_is_written()
    {
        // 174^3 links that share their blocks: 1 PiB that weighs a few kilobytes.
        var part = _dag.Raw(new byte[262144]);
        var size = 262144L;
        for (var i = 0; i < 4; i++)
        {
            part = _dag.File([], [.. Enumerable.Repeat((part, size), 174)]);
            size *= 174;
        }
        await ExtractFailsAsync(_dag.ReaderWith(new UnixFsLimits { MaxBytes = long.MaxValue }), part, ErrorCode.DiskFull);
        await ExtractFailsAsync(_dag.Reader, part, ErrorCode.ContentTooLarge);
    }

    [Fact]
    public async Task A_block_that_is_missing_half_way_leaves_nothing_behind()
    {
        var root = _dag.Folder(("a", _dag.Raw([1])), ("b", _dag.Folder(("c", _dag.File([], (_dag.Raw([2]), 1), (Cid.V0(new byte[32]), 5))))));
        await ExtractFailsAsync(_dag.Reader, root, ErrorCode.BlockNotFound);
    }

    [Fact]
    public async Task A_file_alone_and_a_link_alone_are_written_too()
    {
        Assert.Equal(new ExtractResult(1, 0, 0, 3), await _dag.Reader.ExtractAsync(_dag.Raw("abc"u8.ToArray()), _folder["file"], null, Stop));
        Assert.Equal("abc", await File.ReadAllTextAsync(_folder["file"], Stop));
        Assert.Equal(new ExtractResult(0, 0, 1, 0), await _dag.Reader.ExtractAsync(_dag.Symlink("file"), _folder["link"], null, Stop));
        Assert.Equal("file", new FileInfo(_folder["link"]).LinkTarget);
    }

    private async Task<byte[]> ReadAsync(Cid cid, string? path = null)
    {
        await using var content = await _dag.Reader.OpenAsync(cid, path, Stop);
        var back = new MemoryStream();
        await content.CopyToAsync(back, Stop);
        return back.ToArray();
    }

    private async Task InvalidAsync(Cid cid) => Assert.Equal(ErrorCode.ContentInvalid, (await Assert.ThrowsAsync<PcException>(() => ReadAsync(cid))).Code);

    private async Task ExtractFailsAsync(UnixFsReader reader, Cid cid, ErrorCode expected)
    {
        var before = Directory.GetFileSystemEntries(_folder.FullPath).Order(StringComparer.Ordinal).ToArray();
        Assert.Equal(expected, (await Assert.ThrowsAsync<PcException>(() => reader.ExtractAsync(cid, _folder["out"], null, Stop))).Code);
        Assert.Equal(before, Directory.GetFileSystemEntries(_folder.FullPath).Order(StringComparer.Ordinal));
    }
}
