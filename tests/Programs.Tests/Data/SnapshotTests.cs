using Microsoft.Win32.SafeHandles;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Data;

/// <summary>Copies of a folder that changes while it is copied.</summary>
public sealed class SnapshotTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly MeddlingDisk _disk = new();
    private readonly DataStore _store;
    private readonly string _live;

    public SnapshotTests()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        var owner = PeerId.FromEd25519(key.PublicKey.Span);
        Directory.CreateDirectory(_folder["kept"]);
        _store = new DataStore(_folder["kept"], new DataKey(new SwarmId(EntryHash.Of("swarm"u8)), owner, "bot"), _disk, new Ed25519Verifier());
        _live = Directory.CreateDirectory(_folder["live"]).FullName;
    }

    [Fact]
    public async Task A_copy_is_of_one_moment_when_a_program_writes_two_files_one_after_the_other()
    {
        // The second file is written after the first was copied, once.
        Write("a", "1");
        Write("b", "1");
        var meddled = 0;
        _disk.Created = _ =>
        {
            if (meddled++ > 0) return;
            Write("a", "2");
            Write("b", "2");
        };
        Assert.Equal("a=2 b=2", Text(await Scanner().TakeAsync(NoPause)));
        Assert.True(meddled > 1);
    }

    [Fact]
    public async Task A_program_that_never_rests_is_paused_for_a_copy()
    {
        var number = 0;
        var isFrozen = false;
        Write("a", "x");
        Write("b", "x");
        _disk.Created = _ =>
        {
            if (isFrozen) return;
            Write("a", $"{++number}");
            Write("b", $"{number}");
        };
        var run = new PausableRun { Frozen = frozen => isFrozen = frozen };
        var snapshot = await Scanner().TakeAsync(async () =>
        {
            await run.FreezeAsync();
            return new Thawing(run);
        });
        Assert.Equal($"a={number} b={number}", Text(snapshot));
        Assert.Equal((1, false, 0), (run.Freezes, isFrozen, snapshot.Pending));
    }

    [Fact]
    public async Task A_program_that_never_rests_and_cannot_be_paused_is_copied_file_by_file_and_counted()
    {
        Write("a", "still");
        Write("b", "0");
        var number = 0;
        var scanner = Scanner();
        Assert.Equal("a=still b=0", Text(await scanner.TakeAsync(NoPause)));
        // Whenever a piece of it is written, it has changed again.
        _disk.Created = _ => Write("b", $"{++number}");
        Write("b", "changed");
        var snapshot = await scanner.TakeAsync(NoPause);
        Assert.Equal(1, snapshot.Pending);
        Assert.Contains("a=still", Text(snapshot), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_changed_within_a_step_of_the_clock_is_read_again()
    {
        // Same length, same time: only its bytes differ. A change is as young as the clock allows when it is copied.
        var scanner = Scanner();
        var path = Path.Combine(_live, "a");
        Write("a", "1");
        Assert.Equal("a=1", Text(await scanner.TakeAsync(NoPause)));
        Write("a", "2");
        Assert.Equal("a=2", Text(await scanner.TakeAsync(NoPause)));
        Assert.True(File.Exists(path));
    }

    [Fact]
    public async Task What_has_not_changed_is_not_read_again()
    {
        Write("a", "1");
        var scanner = Scanner(new SkippingTime(TimeSpan.FromHours(1))); // all changes are old
        Assert.Equal("a=1", Text(await scanner.TakeAsync(NoPause)));
        foreach (var piece in Directory.GetFiles(_folder["kept/objects"])) File.Delete(piece);
        Assert.Equal(0, scanner.Measure().Changed);
        var snapshot = await scanner.TakeAsync(NoPause);
        Assert.Empty(Directory.GetFiles(_folder["kept/objects"]));
        Assert.Single(snapshot.Entries!);
    }

    [Fact]
    public async Task Modes_and_empty_folders_are_kept_and_pipes_are_left_out()
    {
        Write("run.sh", "#!/bin/sh");
        File.SetUnixFileMode(Path.Combine(_live, "run.sh"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Directory.CreateDirectory(Path.Combine(_live, "empty"));
        Write("none", "");
        Assert.Equal(0, System.Diagnostics.Process.Start("mkfifo", Path.Combine(_live, "pipe")) is { } made && made.WaitForExit(30_000) ? made.ExitCode : -1);
        var snapshot = await Scanner().TakeAsync(NoPause);
        Assert.Equal(["\"pipe\" is a pipe, socket or device"], snapshot.LeftOut);
        Assert.Equal([("empty", DataKind.Folder, 0L), ("none", DataKind.File, 0L), ("run.sh", DataKind.Executable, 9L)], snapshot.Entries!.Select(entry => (entry.Path, entry.Kind, entry.Bytes)));
    }

    public void Dispose() => _folder.Dispose();

    private static ValueTask<IAsyncDisposable?> NoPause() => ValueTask.FromResult<IAsyncDisposable?>(null);

    private DataScanner Scanner(TimeProvider? time = null) => new(_live, _store, new DataLimits(), time ?? TimeProvider.System);

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_live, name), text);

    private string Text(DataSnapshot snapshot)
    {
        _store.FlushPieces();
        return string.Join(' ', snapshot.Entries!.Select(entry => $"{entry.Path}={string.Concat(entry.Chunks.Select(chunk => System.Text.Encoding.UTF8.GetString(_store.Read(chunk)!)))}"));
    }

    private sealed class Thawing(PausableRun run) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => run.ThawAsync();
    }

    private sealed class SkippingTime(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
    }

    /// <summary>Does something each time that a piece was written.</summary>
    private sealed class MeddlingDisk : QuickDisk
    {
        public Action<string> Created { get; set; } = _ => { };

        public override SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
        {
            var handle = base.Create(path, bytes, mode);
            Created(path);
            return handle;
        }
    }
}
