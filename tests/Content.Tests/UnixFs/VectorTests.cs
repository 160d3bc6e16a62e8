namespace PeoplesCloud.Content.Tests.UnixFs;

public sealed class VectorTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static TheoryData<int, int, string> FileVectors => [.. UnixFsVectors.Files().SelectMany(f => new[] { (f.Size, 0, f.V0), (f.Size, 1, f.V1) })];

    public static TheoryData<string, int> TreeVectors => [.. UnixFsVectors.Trees().SelectMany(t => new[] { (t.Name, 0), (t.Name, 1) })];

    private static UnixFsProfile ProfileOf(int version) => version == 0 ? UnixFsProfile.V0 : UnixFsProfile.V1;

    [Theory]
    [MemberData(nameof(FileVectors))]
    public async Task A_file_has_the_CID_that_IPFS_gives_it_and_is_read_back(int size, int version, string expected)
    {
        var store = new MemoryBlockStore();
        var bytes = UnixFsVectors.Generate(size);
        var cid = await new UnixFsAdder(store, ProfileOf(version)).AddStreamAsync(new MemoryStream(bytes), Stop);
        Assert.Equal(expected, cid.ToString());

        await using var content = await new UnixFsReader(new BlockFetcher(store, [])).OpenAsync(cid, null, Stop);
        Assert.Equal(size, content.Length);
        var back = new MemoryStream();
        await content.CopyToAsync(back, Stop);
        Assert.True(bytes.AsSpan().SequenceEqual(back.GetBuffer().AsSpan(0, (int)back.Length)));
    }

    [Theory]
    [MemberData(nameof(TreeVectors))]
    public async Task A_folder_has_the_CIDs_that_IPFS_gives_it_and_is_written_back(string name, int version)
    {
        using var folder = new TestFolder();
        var tree = UnixFsVectors.Trees().Single(t => string.Equals(t.Name, name, StringComparison.Ordinal));
        foreach (var (path, bytes) in tree.Entries) folder.Write("in/" + path, bytes);
        var store = new MemoryBlockStore();
        var root = Directory.GetDirectories(folder["in"]).Single();
        var added = await new UnixFsAdder(store, ProfileOf(version)).AddAsync(root, recursive: true, null, Stop).ToListAsync(Stop);

        Assert.Equal(version == 0 ? tree.V0 : tree.V1, added.ToDictionary(a => a.Path, a => a.Cid.ToString()));
        var result = await new UnixFsReader(new BlockFetcher(store, [])).ExtractAsync(added[^1].Cid, folder["out"], null, Stop);
        Assert.Equal(tree.Entries.Count, result.Files);
        foreach (var (path, bytes) in tree.Entries)
            Assert.Equal(bytes, await File.ReadAllBytesAsync(Path.Combine(folder["out"], Path.GetRelativePath(Path.GetFileName(root), path)), Stop));
    }
}
