using System.Diagnostics;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Data;

/// <summary>Data as programs have it: databases that never rest, names and files of every kind, too many and too much.</summary>
public sealed class AwkwardDataTests : IDisposable
{
    private const int Snapshots = 6;

    // Two tables, each in pages of its own, that no moment between two transactions has different; some ballast, so that pages are written on and on.
    private const string Writer =
        """
        import os, sqlite3, sys
        db = sqlite3.connect("bank.db", isolation_level=None)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=off")
        db.execute("create table one (n)"); db.execute("create table ballast (n integer primary key, bytes)"); db.execute("create table two (n)")
        db.execute("insert into one values (0)"); db.execute("insert into two values (0)")
        print("writes", flush=True)
        n = 0
        while True:
            n += 1
            db.execute("begin")
            db.execute("update one set n = ?", (n,))
            db.execute("insert or replace into ballast values (?, ?)", (n % 500, os.urandom(2000)))
            db.execute("update two set n = ?", (n,))
            db.execute("commit")
        """;

    private const string Reader =
        """
        import sqlite3
        db = sqlite3.connect("bank.db")
        print(db.execute("pragma integrity_check").fetchone()[0], db.execute("select one.n = two.n from one, two").fetchone()[0], db.execute("select n from one").fetchone()[0])
        """;

    private readonly TestFolder _folder = new();
    private readonly DataStore _store;
    private readonly string _live;

    public AwkwardDataTests()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        Directory.CreateDirectory(_folder["kept"]);
        _store = new DataStore(_folder["kept"], new DataKey(new SwarmId(EntryHash.Of("swarm"u8)), PeerId.FromEd25519(key.PublicKey.Span), "bot"), new QuickDisk(), new Ed25519Verifier());
        _live = Directory.CreateDirectory(_folder["live"]).FullName;
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Goal: what a guardian has of a database is a database, whatever its writer does. Method: a process writes transactions without rest, in WAL mode;
    // each copy becomes a folder and is opened.
    [Fact]
    public async Task A_copy_of_a_database_that_is_written_without_rest_is_whole()
    {
        using var writer = Python(Writer, _live);
        Assert.Equal("writes", await writer.StandardOutput.ReadLineAsync(Token));
        var scanner = new DataScanner(_live, _store, new DataLimits(), TimeProvider.System);
        var counts = new List<long>();
        for (var i = 0; i < Snapshots; i++)
        {
            var snapshot = await scanner.TakeAsync(() => PauseAsync(writer));
            Assert.Equal(0, snapshot.Pending);
            var restored = await RestoreAsync(snapshot, $"restored-{i}");
            using var reader = Python(Reader, restored);
            var said = (await reader.StandardOutput.ReadToEndAsync(Token)).Split(' ', '\n');
            Assert.Equal(["ok", "1"], said[..2]);
            counts.Add(long.Parse(said[2], System.Globalization.CultureInfo.InvariantCulture));
        }
        Assert.False(writer.HasExited);
        writer.Kill();
        Assert.Equal(counts.Order().Distinct(), counts); // each newer than the one before: the writer went on between
    }

    [Fact]
    public async Task What_changes_without_rest_and_is_too_much_for_a_short_pause_waits_for_a_long_one()
    {
        File.WriteAllBytes(Path.Combine(_live, "large"), new byte[300_000]);
        var number = 0;
        var disk = new MeddlingDisk { Created = () => File.WriteAllText(Path.Combine(_live, "busy"), $"{++number}") };
        var store = new DataStore(Directory.CreateDirectory(_folder["other"]).FullName, _store.Key, disk, new Ed25519Verifier());
        var scanner = new DataScanner(_live, store, new DataLimits { MaxLongPauseBytes = 1_000_000 }, TimeProvider.System);
        File.WriteAllText(Path.Combine(_live, "busy"), "0");

        // Nothing half is told of as a copy, and nothing is paused.
        var waits = await scanner.TakeAsync(() => throw new InvalidOperationException("it was paused"), mostPausedBytes: 0);
        Assert.Equal((null, null), (waits.Entries, waits.Problem));
        Assert.True(waits.Pending > 0);

        var paused = await scanner.TakeAsync(
            () =>
            {
                disk.Created = () => { };
                return ValueTask.FromResult<IAsyncDisposable?>(new Resumed(() => { }));
            },
            mostPausedBytes: 1_000_000);
        Assert.Equal((2, 0), (paused.Entries!.Count, paused.Pending));
    }

    [Fact]
    public async Task What_is_not_copied_is_told_and_the_rest_is_copied()
    {
        // Names that are no UTF-8 are made by a program; .NET would not.
        using (var maker = Python("import os, socket\nfor name in [b'\\xff\\xfe', b'caf\\xe9']: open(name, 'w').close()\nos.mkdir(b'dir\\x80'); open(b'dir\\x80/inside', 'w').close()\nos.symlink('/etc/passwd', 'link'); os.symlink('nowhere', 'dangling'); os.symlink('.', 'loop')\nsocket.socket(socket.AF_UNIX).bind('door')\nopen('naïve ☃', 'w').write('fine')\nopen('closed', 'w').write('mine'); os.chmod('closed', 0)\nos.link('closed', 'second name')", _live))
            await maker.WaitForExitAsync(Token);
        var snapshot = await new DataScanner(_live, _store, new DataLimits(), TimeProvider.System).TakeAsync(() => ValueTask.FromResult<IAsyncDisposable?>(null));
        string[] links = ["\"dangling\" is a symbolic link", "\"link\" is a symbolic link", "\"loop\" is a symbolic link"];
        Assert.Equal(links, snapshot.LeftOut.Where(text => text.Contains("link", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains("\"door\" is a pipe, socket or device", snapshot.LeftOut);
        Assert.Equal(3, snapshot.LeftOut.Count(text => text.EndsWith("has a name that cannot be copied", StringComparison.Ordinal)));
        // Root reads what nobody may; anybody else is told that it cannot be read.
        string[] copied = Environment.IsPrivilegedProcess ? ["closed", "naïve ☃", "second name"] : ["naïve ☃"];
        Assert.Equal(copied, snapshot.Entries!.Select(entry => entry.Path).Order(StringComparer.Ordinal));
        Assert.Equal(Environment.IsPrivilegedProcess ? 0 : 2, snapshot.LeftOut.Count(text => text.EndsWith("cannot be read", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Ten_thousand_files_are_copied_and_what_is_more_is_told()
    {
        for (var i = 0; i < DataLimits.MaxEntries; i++) File.WriteAllText(Path.Combine(_live, $"{i}"), $"{i % 10}");
        var scanner = new DataScanner(_live, _store, new DataLimits(), TimeProvider.System);
        var snapshot = await scanner.TakeAsync(() => ValueTask.FromResult<IAsyncDisposable?>(null));
        Assert.Equal((DataLimits.MaxEntries, null), (snapshot.Entries!.Count, snapshot.Problem));

        File.WriteAllText(Path.Combine(_live, "one more"), "");
        snapshot = await scanner.TakeAsync(() => ValueTask.FromResult<IAsyncDisposable?>(null));
        Assert.Equal((null, "it has more than 10000 files and folders"), (snapshot.Entries, snapshot.Problem));

        // More than a few that are left out are counted.
        for (var i = 0; i < 20; i++)
        {
            File.Delete(Path.Combine(_live, $"{i}"));
            File.CreateSymbolicLink(Path.Combine(_live, $"{i}"), "x");
        }
        snapshot = await scanner.TakeAsync(() => ValueTask.FromResult<IAsyncDisposable?>(null));
        Assert.Equal((9, "12 more"), (snapshot.LeftOut.Count, snapshot.LeftOut[^1]));
    }

    public void Dispose() => _folder.Dispose();

    private static Process Python(string script, string folder) =>
        Process.Start(new ProcessStartInfo("python3", ["-c", script]) { WorkingDirectory = folder, RedirectStandardOutput = true, UseShellExecute = false })!;

    private static async ValueTask<IAsyncDisposable?> PauseAsync(Process process)
    {
        await SignalAsync(process, "STOP");
        // The signal is on its way until the kernel says that it stands still.
        while (!(await File.ReadAllTextAsync($"/proc/{process.Id}/stat", Token)).Contains(") T ", StringComparison.Ordinal)) await Task.Yield();
        return new Resumed(() => SignalAsync(process, "CONT").GetAwaiter().GetResult());
    }

    private static async Task SignalAsync(Process process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        await kill.WaitForExitAsync(Token);
        Assert.Equal(0, kill.ExitCode);
    }

    private async Task<string> RestoreAsync(DataSnapshot snapshot, string name)
    {
        _store.FlushPieces();
        var folder = Directory.CreateDirectory(_folder[name]).FullName;
        foreach (var entry in snapshot.Entries!.Where(entry => entry.Kind == DataKind.File))
            await File.WriteAllBytesAsync(Path.Combine(folder, entry.Path), [.. entry.Chunks.SelectMany(chunk => _store.Read(chunk)!)], Token);
        return folder;
    }

    private sealed class Resumed(Action resume) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            resume();
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Does something each time that a piece was written.</summary>
    private sealed class MeddlingDisk : QuickDisk
    {
        public Action Created { get; set; } = () => { };

        public override Microsoft.Win32.SafeHandles.SafeFileHandle Create(string path, ReadOnlySpan<byte> bytes, UnixFileMode mode)
        {
            var handle = base.Create(path, bytes, mode);
            Created();
            return handle;
        }
    }
}
