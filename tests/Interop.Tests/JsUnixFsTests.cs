using System.Security.Cryptography;
using System.Text.Json;
using PeoplesCloud.Content;

namespace PeoplesCloud.Interop.Tests;

/// <summary>Our UnixFS against ipfs-unixfs-importer and ipfs-unixfs-exporter, which we did not write: the same CIDs, read in both directions.</summary>
public sealed class JsUnixFsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pc-interop-").FullName;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0, false, 7000)]
    [InlineData(1, true, 7000)]
    [InlineData(0, true, 10)]
    [InlineData(1, false, 10)]
    public async Task Folders_of_one_node_and_of_many_have_the_same_CIDs_and_are_read_both_ways(int version, bool rawLeaves, int entries)
    {
        // 7,000 entries are spread over shards in both versions. Names of several bytes a letter, files of several blocks, a folder inside.
        var root = Directory.CreateDirectory(Path.Combine(_folder, "root")).FullName;
        Directory.CreateDirectory(Path.Combine(root, "wide"));
        Directory.CreateDirectory(Path.Combine(root, "wide", "inner"));
        for (var i = 0; i < entries; i++) await File.WriteAllTextAsync(Path.Combine(root, "wide", $"ö{i:x4}"), (i % 50).ToString(), Stop);
        await File.WriteAllTextAsync(Path.Combine(root, "wide", "inner", "file"), "inside", Stop);
        var big = new byte[600_000];
        new Random(5).NextBytes(big);
        await File.WriteAllBytesAsync(Path.Combine(root, "big"), big, Stop);

        // 1. They write, we write: line by line the same.
        var theirBlocks = Directory.CreateDirectory(Path.Combine(_folder, "theirs")).FullName;
        var theirs = (await JsAsync("import", root, theirBlocks, JsonSerializer.Serialize(new { cidVersion = version, rawLeaves })))
            .Where(l => l.GetProperty("path").GetString() is { Length: > 0 }).ToDictionary(l => l.GetProperty("path").GetString()!, l => l.GetProperty("cid").GetString()!);
        var store = new MemoryBlockStore();
        var ours = await new UnixFsAdder(store, new UnixFsProfile(version, rawLeaves)).AddAsync(root, recursive: true, null, Stop).ToListAsync(Stop);
        Assert.Equal(entries + 5, ours.Count);
        // They print no line for a folder within shards; its CID is in theirs.
        var inner = entries == 10 ? "" : "root/wide/inner";
        Assert.Equal(theirs.OrderBy(p => p.Key, StringComparer.Ordinal), ours.Where(a => a.Path != inner).Select(a => KeyValuePair.Create(a.Path, a.Cid.ToString())).OrderBy(p => p.Key, StringComparer.Ordinal));

        // 2. What they wrote we read: every file of theirs, from their blocks.
        var cid = Cid.Parse(theirs["root"]);
        var read = new MemoryBlockStore();
        foreach (var file in Directory.GetFiles(theirBlocks)) await read.PutAsync([(Cid.Parse(Path.GetFileName(file)), await File.ReadAllBytesAsync(file, Stop))], Stop);
        await new UnixFsReader(new BlockFetcher(read, [])).ExtractAsync(cid, Path.Combine(_folder, "out"), null, Stop);
        Assert.Equal(Hashes(root), Hashes(Path.Combine(_folder, "out")));

        // 3. What we wrote they read.
        var ourBlocks = Directory.CreateDirectory(Path.Combine(_folder, "ours")).FullName;
        await foreach (var block in new UnixFsReader(new BlockFetcher(store, [])).WalkAsync(cid, Stop))
            await File.WriteAllBytesAsync(Path.Combine(ourBlocks, block.ToString()), (await store.GetAsync(block, Stop))!.Value, Stop);
        var exported = (await JsAsync("export", ourBlocks, cid.ToString())).Where(l => l.GetProperty("sha256").ValueKind == JsonValueKind.String)
            .ToDictionary(l => l.GetProperty("path").GetString()!.Split('/', 2)[1], l => l.GetProperty("sha256").GetString()!);
        Assert.Equal(Hashes(root), exported.OrderBy(p => p.Key, StringComparer.Ordinal));
    }

    private static IEnumerable<KeyValuePair<string, string>> Hashes(string root) => Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
        .Select(f => KeyValuePair.Create(Path.GetRelativePath(root, f), Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(f))))).OrderBy(p => p.Key, StringComparer.Ordinal);

    private static Task<IReadOnlyList<JsonElement>> JsAsync(params string[] arguments) => JsScript.RunAsync("unixfs.mjs", arguments, Stop);
}
