using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content.Tests.UnixFs;

namespace PeoplesCloud.Content.Tests.Crash;

// Goal: whatever moment a process dies at while it adds, its store opens again, everything that it acknowledged is whole, and
// nothing of the rest is in the way. Method: a process of its own, stopped at its k-th step on the disk and killed with SIGKILL there.
public sealed class CrashTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_process_killed_at_any_step_of_an_add_loses_nothing_that_it_acknowledged()
    {
        using var folder = new TestFolder();
        var input = Path.GetDirectoryName(folder.Write("in/a/one", UnixFsVectors.Generate(300_000)))!;
        folder.Write("in/a/two", "two"u8.ToArray());
        folder.Write("in/a/sub/three", UnixFsVectors.Generate(600_000)[1000..]);
        folder.Write("in/b", "b"u8.ToArray());
        input = Path.GetDirectoryName(input)!;

        var whole = await KillAtAsync(folder["whole"], input, int.MaxValue);
        Assert.Null(whole.Stopped);
        var stops = new HashSet<string>();
        var acknowledged = 0;
        var steps = Enumerable.Range(1, whole.Steps).Where(k => k <= 12 || k % 4 == 0);
        foreach (var step in steps)
        {
            var store = folder[$"store-{step}"];
            var run = await KillAtAsync(store, input, step);
            if (run.Stopped is not null) stops.Add(run.Stopped);
            acknowledged += run.Acknowledged.Count;
            await AssertWholeAsync(store, run.Acknowledged);
            await AssertAddsAgainAsync(store, input, whole.Acknowledged);
        }
        // The kills met every kind of step, and some came after acknowledgements: otherwise this proves nothing.
        Assert.Equal(["flush", "folder", "rename", "write"], stops.Order(StringComparer.Ordinal));
        Assert.NotEqual(0, acknowledged);
    }

    private static async Task AssertWholeAsync(string folder, IReadOnlyList<Cid> acknowledged)
    {
        await using var store = new FileBlockStore(folder, TimeProvider.System, NullLogger.Instance, SystemDisk.Instance);
        Assert.Empty(Directory.GetFiles(Path.Combine(folder, "tmp")));
        var reader = new UnixFsReader(new BlockFetcher(store, []));
        foreach (var cid in acknowledged) Assert.NotEmpty(await reader.WalkAsync(cid, Stop).ToListAsync(Stop));
        // Nothing half-written has a block's name either.
        foreach (var cid in store.List()) Assert.NotNull(await store.GetAsync(cid, Stop));
        Assert.Empty(Directory.GetFiles(Path.Combine(folder, "damaged")));
    }

    private static async Task AssertAddsAgainAsync(string folder, string input, IReadOnlyList<Cid> expected)
    {
        await using var store = new FileBlockStore(folder, TimeProvider.System, NullLogger.Instance, SystemDisk.Instance);
        var added = await new UnixFsAdder(store).AddAsync(input, recursive: true, null, Stop).Select(a => a.Cid).ToListAsync(Stop);
        Assert.Equal(expected, added);
    }

    private static async Task<(List<Cid> Acknowledged, string? Stopped, int Steps)> KillAtAsync(string store, string input, int step)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [CrashHelper.Mode, store, input, step.ToString()]) { RedirectStandardOutput = true, UseShellExecute = false };
        using var process = Process.Start(start)!;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        patience.CancelAfter(Patience);
        var acknowledged = new List<Cid>();
        string? stopped = null;
        var steps = 0;
        try
        {
            while (stopped is null && await process.StandardOutput.ReadLineAsync(patience.Token) is { } line) Note(line);
        }
        finally
        {
            process.Kill(); // SIGKILL; does nothing to one that has ended
            await process.WaitForExitAsync(CancellationToken.None);
        }
        // What it still said before it died counts too.
        while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line) Note(line);
        return (acknowledged, stopped, steps);

        void Note(string line)
        {
            var words = line.Split(' ');
            if (words[0] == "added") acknowledged.Add(Cid.Parse(words[1]));
            else if (words[0] == "at") stopped = words[1];
            else if (words[0] == "steps") steps = int.Parse(words[1]);
        }
    }
}
