using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Base;
using PeoplesCloud.Content.Tests.UnixFs;

namespace PeoplesCloud.Content.Tests.Store;

public sealed class FileBlockStoreTests : BlockStoreConformance, IAsyncDisposable
{
    private const int NoSpace = 28;
    private const int BadDisk = 5;

    private readonly TestFolder _folder = new();
    private readonly ScriptedDisk _disk = new();
    private FileBlockStore _store;

    public FileBlockStoreTests() => _store = Open();

    protected override IBlockStore Store => _store;

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Blocks_are_there_after_opening_again()
    {
        var block = Block("stays");
        await Store.PutAsync([block], Stop);
        await ReopenAsync();
        Assert.NotNull(await Store.GetAsync(block.Cid, Stop));
    }

    [Fact]
    public async Task What_a_crash_left_behind_is_removed_at_open()
    {
        File.WriteAllText(_folder["blocks/tmp/77-1"], "half a bl");
        await ReopenAsync();
        Assert.Empty(Directory.GetFiles(_folder["blocks/tmp"]));
    }

    [Fact]
    public async Task A_damaged_block_is_kept_aside_for_a_look()
    {
        var block = Block("to be damaged");
        await Store.PutAsync([block], Stop);
        Damage(block.Cid);
        Assert.Null(await Store.GetAsync(block.Cid, Stop));
        Assert.Equal(Path.GetFileName(FileOf(block.Cid)), Path.GetFileName(Directory.GetFiles(_folder["blocks/damaged"]).Single()));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(3 << 20)]
    public async Task A_block_of_another_length_is_absent_and_written_anew(int length)
    {
        var block = Block("a block of some length");
        await Store.PutAsync([block], Stop);
        File.WriteAllBytes(FileOf(block.Cid), new byte[length]);
        await Store.PutAsync([block], Stop); // before anyone has read it
        Assert.NotNull(await Store.GetAsync(block.Cid, Stop));
        File.WriteAllBytes(FileOf(block.Cid), new byte[length]);
        Assert.Null(await Store.GetAsync(block.Cid, Stop));
    }

    [Fact]
    public async Task Nothing_is_acknowledged_before_bytes_name_and_folder_are_durable()
    {
        var block = Block("in order");
        _disk.Log.Clear();
        await Store.PutAsync([block], Stop);
        Assert.Equal(["write", "flush", "rename", "folder"], _disk.Log);
        await Store.PutAsync([block], Stop);
        Assert.Equal(4, _disk.Log.Count); // held: nothing more to do
    }

    [Fact]
    public async Task A_block_that_a_process_before_us_renamed_is_acknowledged_only_after_its_folder_is_durable()
    {
        var block = Block("renamed by a process that died before it flushed the folder");
        File.WriteAllBytes(FileOf(block.Cid), block.Bytes.ToArray());
        await ReopenAsync();
        _disk.Log.Clear();
        await Store.PutAsync([block], Stop);
        Assert.Equal(["folder"], _disk.Log);
    }

    [Fact]
    public async Task Puts_that_wait_at_the_same_time_share_their_flushes()
    {
        // The first blocks hold the disk; while they do, many more gather, and then go in groups.
        using var held = new ManualResetEventSlim();
        using var reached = new ManualResetEventSlim();
        _disk.OnFlush = () =>
        {
            reached.Set();
            held.Wait(TimeSpan.FromSeconds(60), Stop);
        };
        var first = Store.PutAsync([Block("first")], Stop).AsTask();
        Assert.True(reached.Wait(TimeSpan.FromSeconds(60), Stop));
        _disk.Log.Clear();
        var rest = Enumerable.Range(0, 400).Select(i => Store.PutAsync([Block($"rest {i}")], Stop).AsTask()).ToArray();
        Assert.DoesNotContain(rest, t => t.IsCompleted);
        _disk.OnFlush = () => { };
        held.Set();
        await first;
        await Task.WhenAll(rest);
        // Groups of up to 64 blocks in 16 folders: some 7 groups, where 401 blocks alone would flush 401 folders.
        Assert.InRange(_disk.Log.Count(s => s == "folder"), 16, 200);
    }

    [Theory]
    [InlineData("write", NoSpace, ErrorCode.DiskFull)]
    [InlineData("flush", NoSpace, ErrorCode.DiskFull)]
    [InlineData("write", BadDisk, ErrorCode.StoreFailed)]
    [InlineData("flush", BadDisk, ErrorCode.StoreFailed)]
    [InlineData("rename", BadDisk, ErrorCode.StoreFailed)]
    [InlineData("folder", BadDisk, ErrorCode.StoreFailed)]
    public async Task A_step_that_fails_is_reported_and_a_later_put_succeeds(string step, int number, ErrorCode expected)
    {
        var before = Block("before");
        await Store.PutAsync([before], Stop);
        var block = Block("unlucky");
        _disk.FailAt = (step, number);
        var error = await Assert.ThrowsAsync<PcException>(async () => await Store.PutAsync([block], Stop));
        Assert.Equal(expected, error.Code);
        Assert.Empty(Directory.GetFiles(_folder["blocks/tmp"]));

        _disk.FailAt = null;
        _disk.Log.Clear();
        await Store.PutAsync([block], Stop);
        Assert.Equal("folder", _disk.Log[^1]); // also when the file was there already: its name may not have been durable
        Assert.NotNull(await Store.GetAsync(block.Cid, Stop));
        Assert.NotNull(await Store.GetAsync(before.Cid, Stop));
    }

    [Fact]
    public async Task One_block_that_fails_does_not_fail_the_others_of_its_group()
    {
        var good = Block("good");
        var bad = Block("bad");
        _disk.FailFile = Convert.ToHexStringLower(bad.Cid.Digest);
        var puts = new[] { Store.PutAsync([good], Stop).AsTask(), Store.PutAsync([bad], Stop).AsTask() };
        await puts[0];
        await Assert.ThrowsAsync<PcException>(() => puts[1]);
    }

    [Fact]
    public async Task A_store_that_is_disposed_has_finished_its_puts_and_takes_no_more()
    {
        var puts = Enumerable.Range(0, 50).Select(i => Store.PutAsync([Block($"last {i}")], Stop).AsTask()).ToArray();
        await _store.DisposeAsync();
        await Task.WhenAll(puts).WaitAsync(TimeSpan.FromSeconds(60), Stop);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await Store.PutAsync([Block("too late")], Stop));
        Assert.Empty(Directory.GetFiles(_folder["blocks/tmp"]));
    }

    [Fact]
    public void Other_users_cannot_look_into_the_folder() =>
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(_folder["blocks"]) & (UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute));

    [Fact]
    public void A_folder_that_cannot_be_made_is_an_error_for_people()
    {
        var file = _folder.Write("a-file", []);
        var error = Assert.Throws<PcException>(() => new FileBlockStore(Path.Combine(file, "blocks"), TimeProvider.System, NullLogger.Instance, SystemDisk.Instance));
        Assert.Equal(ErrorCode.StoreFailed, error.Code);
    }

    [Fact]
    public async Task A_disk_that_becomes_full_during_an_add_is_one_clear_error_and_loses_nothing()
    {
        // A real disk of 4 MiB; mounting takes a right that not everyone has, and the fault-injected variant above runs for all.
        var small = Directory.CreateDirectory(_folder["small"]).FullName;
        Assert.SkipUnless(Run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small), "mounting a small disk needs root");
        try
        {
            await using var store = new FileBlockStore(Path.Combine(small, "blocks"), TimeProvider.System, NullLogger.Instance, SystemDisk.Instance);
            var adder = new UnixFsAdder(store);
            var kept = await adder.AddStreamAsync(new MemoryStream(UnixFsVectors.Generate(1_000_000)), Stop);
            var error = await Assert.ThrowsAsync<PcException>(() => adder.AddStreamAsync(new MemoryStream(UnixFsVectors.Generate(9_000_000)[7..]), Stop));
            Assert.Equal(ErrorCode.DiskFull, error.Code);
            Assert.Equal(5, (await new UnixFsReader(new BlockFetcher(store, [])).WalkAsync(kept, Stop).ToListAsync(Stop)).Count);
            Assert.Empty(Directory.GetFiles(Path.Combine(small, "blocks/tmp")));

            // The disk gets room again and the same store goes on.
            Assert.True(Run("mount", "-o", "remount,size=40m", small));
            var cid = await adder.AddStreamAsync(new MemoryStream(UnixFsVectors.Generate(9_000_000)[7..]), Stop);
            Assert.NotEmpty(await new UnixFsReader(new BlockFetcher(store, [])).WalkAsync(cid, Stop).ToListAsync(Stop));
        }
        finally
        {
            Assert.True(Run("umount", small));
        }
    }

    protected override void Damage(Cid cid)
    {
        var bytes = File.ReadAllBytes(FileOf(cid));
        bytes[^1] ^= 1;
        File.WriteAllBytes(FileOf(cid), bytes);
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, UseShellExecute = false })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private FileBlockStore Open() => new(_folder["blocks"], TimeProvider.System, NullLogger.Instance, _disk);

    private async Task ReopenAsync()
    {
        await _store.DisposeAsync();
        _store = Open();
    }

    private string FileOf(Cid cid) => _folder[$"blocks/{Convert.ToHexStringLower(cid.Digest[..1])[0]}/{Convert.ToHexStringLower(cid.Digest)}"];

    private sealed class ScriptedDisk : SystemDisk
    {
        private readonly Lock _gate = new();

        public List<string> Log { get; } = [];

        public Action OnFlush { get; set; } = () => { };

        public (string Step, int Number)? FailAt { get; set; }

        public string? FailFile { get; set; }

        public override SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
        {
            Step("write");
            if (FailFile is not null && Convert.ToHexStringLower(SHA256.HashData(bytes)) == FailFile) throw new IOException("scripted", BadDisk);
            return base.Create(path, bytes, mode);
        }

        public override void Flush(SafeFileHandle handle)
        {
            OnFlush();
            Step("flush");
            base.Flush(handle);
        }

        public override void Rename(string from, string to)
        {
            Step("rename");
            base.Rename(from, to);
        }

        public override void FlushFolder(string folder)
        {
            Step(Path.GetFileName(folder).Length == 1 ? "folder" : "root");
            base.FlushFolder(folder);
        }

        private void Step(string name)
        {
            lock (_gate) Log.Add(name);
            if (FailAt is { } fail && fail.Step == name) throw new IOException("scripted", fail.Number);
        }
    }
}
