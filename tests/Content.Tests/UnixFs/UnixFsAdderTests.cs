using System.Diagnostics;
using System.Security.Cryptography;
using PeoplesCloud.Base;

namespace PeoplesCloud.Content.Tests.UnixFs;

public sealed class UnixFsAdderTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly MemoryBlockStore _store = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Lines_come_in_the_order_of_ipfs_files_first_then_folders_from_the_inside_out()
    {
        foreach (var path in (string[])["site/z", "site/b/2", "site/b/1", "site/b/c/3", "site/a/x", "site/B", "site/\uffee", "site/🦉"]) _folder.Write(path, [1]);
        Directory.CreateDirectory(_folder["site/empty"]);
        var added = await AddAsync("site");
        Assert.Equal(
            ["site/B", "site/a/x", "site/b/1", "site/b/2", "site/b/c/3", "site/z", "site/\uffee", "site/🦉", "site/a", "site/b/c", "site/b", "site/empty", "site"],
            added.Select(a => a.Path));
        Assert.Equal("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", added.Single(a => a.Path == "site/empty").Cid.ToString());
    }

    [Fact]
    public async Task Hidden_names_are_left_out_but_not_a_hidden_folder_that_was_asked_for()
    {
        _folder.Write(".cfg/seen", [1]);
        _folder.Write(".cfg/.hidden", [2]);
        _folder.Write(".cfg/.git/config", [3]);
        Assert.Equal([".cfg/seen", ".cfg"], (await AddAsync(".cfg")).Select(a => a.Path));
    }

    [Fact]
    public async Task Symbolic_links_are_stored_as_links_and_never_followed()
    {
        _folder.Write("outside/secret", "secret"u8.ToArray());
        _folder.Write("d/file", "x"u8.ToArray());
        File.CreateSymbolicLink(_folder["d/to-file"], "../outside/secret");
        File.CreateSymbolicLink(_folder["d/to-folder"], _folder["outside"]);
        File.CreateSymbolicLink(_folder["d/to-nothing"], "nowhere");
        File.CreateSymbolicLink(_folder["d/to-itself"], ".");
        var added = await AddAsync("d");
        Assert.Equal(["d/file", "d/to-file", "d/to-folder", "d/to-itself", "d/to-nothing", "d"], added.Select(a => a.Path));

        // UnixFS type 4 with the target as data: the bytes that boxo's SymlinkData makes.
        var block = await _store.GetAsync(added.Single(a => a.Path == "d/to-nothing").Cid, Stop);
        Assert.Equal("0a0b08041207" + Convert.ToHexStringLower("nowhere"u8), Convert.ToHexStringLower(block!.Value.Span));
        File.CreateSymbolicLink(_folder["alone"], "d");
        Assert.Equal(["alone"], (await AddAsync("alone")).Select(a => a.Path));

        var reader = new UnixFsReader(new BlockFetcher(_store, []));
        var result = await reader.ExtractAsync(added[^1].Cid, _folder["out"], null, Stop);
        Assert.Equal((1, 4), (result.Files, result.Symlinks));
        Assert.Equal("../outside/secret", new FileInfo(_folder["out/to-file"]).LinkTarget);
    }

    [Fact]
    public async Task Sizes_count_all_blocks_as_ipfs_counts_them()
    {
        _folder.Write("d/hello", "hello\n"u8.ToArray());
        _folder.Write("d/big", UnixFsVectors.Generate(600_000));
        var added = await AddAsync("d");
        // hello: 14 bytes of one block. The others: all blocks below, each as often as it is linked.
        Assert.Equal(14, added.Single(a => a.Path == "d/hello").Size);
        foreach (var node in added)
        {
            var total = 0L;
            await foreach (var cid in new UnixFsReader(new BlockFetcher(_store, [])).WalkAsync(node.Cid, Stop)) total += (await _store.GetAsync(cid, Stop))!.Value.Length;
            Assert.Equal(total, node.Size);
        }
    }

    [Fact]
    public async Task A_single_file_is_one_line_with_its_own_name()
    {
        _folder.Write("a b\n.txt", [1]);
        Assert.Equal(["a b\n.txt"], (await AddAsync("a b\n.txt", recursive: false)).Select(a => a.Path));
    }

    [Fact]
    public async Task What_cannot_be_added_is_said_in_words()
    {
        _folder.Write("d/file", [1]);
        Assert.Equal(ErrorCode.AddPathNotFound, (await FailsAsync("nothing")).Code);
        Assert.Equal(ErrorCode.AddPathNotFound, (await FailsAsync("d/file/below")).Code);
        Assert.Equal(ErrorCode.AddNeedsRecursive, (await Assert.ThrowsAsync<PcException>(() => AddAsync("d", recursive: false))).Code);
        using (var make = Process.Start("mkfifo", [_folder["d/pipe"]])) make.WaitForExit();
        Assert.Equal(ErrorCode.AddUnsupportedFile, (await FailsAsync("d")).Code); // and does not wait for a writer
        Assert.Equal(ErrorCode.AddUnsupportedFile, (await FailsAsync("d/pipe")).Code);
    }

    [Fact]
    public async Task A_name_that_is_not_UTF8_is_said_in_words()
    {
        Directory.CreateDirectory(_folder["d"]);
        using (var touch = Process.Start("/bin/sh", ["-c", "touch \"$1/$(printf 'a\\377')\"", "sh", _folder["d"]])) touch.WaitForExit();
        Assert.Single(Directory.GetFiles(_folder["d"]));
        Assert.Equal(ErrorCode.AddUnreadable, (await FailsAsync("d")).Code);
        using (var remove = Process.Start("rm", ["-r", _folder["d"]])) remove.WaitForExit(); // .NET cannot name the file either
    }

    [Fact]
    public async Task A_file_that_becomes_shorter_while_it_is_read_is_said_in_words()
    {
        var path = _folder.Write("shrinks", UnixFsVectors.Generate(3_000_000));
        var truncated = new SynchronousProgress(_ => File.WriteAllBytes(path, [1]));
        var error = await Assert.ThrowsAsync<PcException>(async () => await new UnixFsAdder(_store).AddAsync(path, false, truncated, Stop).ToListAsync(Stop));
        Assert.Equal(ErrorCode.AddUnreadable, error.Code);
    }

    [Fact]
    public async Task The_two_other_profiles_differ_in_what_they_say()
    {
        var path = _folder.Write("file", UnixFsVectors.Generate(600_000));
        // Raw leaves below a node of version 0, and wrapped leaves below one of version 1: each links what it says.
        foreach (var (profile, codec, version) in ((UnixFsProfile, byte, int)[])[(new(0, true), Cid.Raw, 0), (new(1, false), Cid.DagPb, 1)])
        {
            var added = Assert.Single(await new UnixFsAdder(_store, profile).AddAsync(path, false, null, Stop).ToListAsync(Stop));
            Assert.Equal(version, added.Cid.Version);
            Assert.True(DagPbNode.TryRead((await _store.GetAsync(added.Cid, Stop))!.Value, out var root));
            Assert.Equal(3, root.Links.Count);
            Assert.All(root.Links, link => Assert.Equal((profile.RawLeaves ? 1 : version, codec), (link.Cid.Version, link.Cid.Codec)));
            await using var content = await new UnixFsReader(new BlockFetcher(_store, [])).OpenAsync(added.Cid, null, Stop);
            var back = new MemoryStream();
            await content.CopyToAsync(back, Stop);
            Assert.Equal(UnixFsVectors.Generate(600_000), back.ToArray());
        }
    }

    [Fact]
    public async Task Progress_counts_the_bytes_of_files_to_their_total()
    {
        _folder.Write("d/one", new byte[700_000]);
        _folder.Write("d/sub/two", new byte[5]);
        _folder.Write("d/.hidden", new byte[99]);
        var last = new AddProgress(0, 0);
        await new UnixFsAdder(_store).AddAsync(_folder["d"], true, new SynchronousProgress(p => last = p), Stop).ToListAsync(Stop);
        Assert.Equal(new AddProgress(700_005, 700_005), last);
    }

    [Fact]
    public async Task A_node_is_handed_out_only_when_its_blocks_are_durable()
    {
        _folder.Write("d/file", UnixFsVectors.Generate(500_000));
        var slow = new SlowStore();
        await using var lines = new UnixFsAdder(slow).AddAsync(_folder["d"], true, null, Stop).GetAsyncEnumerator(Stop);
        var first = lines.MoveNextAsync().AsTask();
        await slow.FourWait.WaitAsync(TimeSpan.FromSeconds(60), Stop); // two leaves, their root and the folder: nothing else is left to do
        Assert.False(first.IsCompleted);
        slow.Open.SetResult();
        Assert.True(await first);
        Assert.Equal("d/file", lines.Current.Path);
    }

    [Fact]
    public async Task An_add_that_is_given_up_ends_and_leaves_no_thread_behind()
    {
        for (var i = 0; i < 500; i++) _folder.Write($"d/{i}", RandomNumberGenerator.GetBytes(10));
        await foreach (var _ in new UnixFsAdder(_store).AddAsync(_folder["d"], true, null, Stop)) break;
        using var cancelled = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in new UnixFsAdder(_store).AddAsync(_folder["d"], true, null, cancelled.Token)) await cancelled.CancelAsync();
        });
    }

    [Fact]
    public async Task A_store_that_fails_ends_the_add_with_its_error()
    {
        _folder.Write("d/file", UnixFsVectors.Generate(40_000_000));
        var error = await Assert.ThrowsAsync<PcException>(async () => await new UnixFsAdder(new FullStore()).AddAsync(_folder["d"], true, null, Stop).ToListAsync(Stop));
        Assert.Equal(ErrorCode.DiskFull, error.Code);
    }

    private async Task<List<AddedNode>> AddAsync(string path, bool recursive = true) =>
        await new UnixFsAdder(_store).AddAsync(_folder[path], recursive, null, Stop).ToListAsync(Stop);

    private Task<PcException> FailsAsync(string path) => Assert.ThrowsAsync<PcException>(() => AddAsync(path));

    private sealed class SynchronousProgress(Action<AddProgress> report) : IProgress<AddProgress>
    {
        public void Report(AddProgress value) => report(value);
    }

    private sealed class SlowStore : IBlockStore
    {
        private readonly TaskCompletionSource _waits = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task FourWait => _waits.Task;

        public bool Contains(Cid cid) => false;

        public ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken) => default;

        public async ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken)
        {
            if (Interlocked.Increment(ref _count) == 4) _waits.SetResult();
            await Open.Task;
        }

        public IEnumerable<Cid> List() => [];
    }

    private sealed class FullStore : IBlockStore
    {
        private int _left = 5;

        public bool Contains(Cid cid) => false;

        public ValueTask<ReadOnlyMemory<byte>?> GetAsync(Cid cid, CancellationToken cancellationToken) => default;

        public ValueTask PutAsync(IReadOnlyList<(Cid Cid, ReadOnlyMemory<byte> Bytes)> blocks, CancellationToken cancellationToken) =>
            Interlocked.Decrement(ref _left) >= 0 ? default : throw new PcException(ErrorCode.DiskFull, "the test's disk is full");

        public IEnumerable<Cid> List() => [];
    }
}
