using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>What happens to sandboxes when their daemon dies, and what is left on the host afterwards: nothing.</summary>
public sealed class SandboxLifetimeTests : SandboxTestBase
{
    [Fact]
    public async Task Sandboxes_die_with_a_daemon_that_is_killed_and_the_next_one_tidies_up()
    {
        // Goal: neither a running program, nor a place that is prepared ahead, nor their network outlive a daemon killed with -9.
        // Method: this test program again, as a process that is only the daemon.
        using var daemon = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [DoomedDaemon.Word, Folder])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        var ready = Path.Combine(Folder, "ready");
        var patience = Stopwatch.StartNew();
        while (!File.Exists(ready))
        {
            if (daemon.HasExited) Assert.Fail(await daemon.StandardOutput.ReadToEndAsync(Token));
            Assert.True(patience.Elapsed < Patience);
            await Task.Delay(10, Token);
        }
        var children = Descendants(daemon.Id);
        Assert.True(children.Count >= 3, "a shell that became bubblewrap, its first process, the program");
        if (SandboxNetwork.Obstacle(Runtime.Host().Tools.Network) is null) Assert.Contains(children, pid => Processes.NameOf(pid) == "slirp4netns");

        daemon.Kill();
        await daemon.WaitForExitAsync(Token);

        foreach (var pid in children) await Processes.WaitForEndAsync(pid, Token);

        // Its folder, numbers and groups are still there, until the next daemon collects them.
        var dead = SandboxOwner.Parse(await File.ReadAllTextAsync(ready, Token))!;
        Assert.False(dead.IsAlive);
        Assert.NotEmpty(Leftovers(dead));
        await Runtime.CollectAsync(Token);
        Assert.Empty(Leftovers(dead));
    }

    [Fact]
    public async Task Nothing_is_left_when_runs_have_ended_and_the_runtime_is_disposed_of()
    {
        var runtime = NewRuntime();
        var source = Directory.CreateDirectory(Path.Combine(Folder, "files")).FullName;
        await File.WriteAllTextAsync(Path.Combine(source, "a"), "b", Token);
        var ended = await runtime.StartAsync(Spec("true") with { SourceFolder = source }, (_, _) => ValueTask.CompletedTask, Token);
        _ = await ended.Exited.WaitAsync(Patience, Token);
        var running = await runtime.StartAsync(Spec("sleep", "1000") with { SourceFolder = source }, (_, _) => ValueTask.CompletedTask, Token);
        var owner = runtime.Host().Owner;
        Assert.NotEmpty(Leftovers(owner));

        await runtime.DisposeAsync();

        Assert.Equal(RunExitReason.Stopped, (await running.Exited).Reason);
        Assert.Empty(Leftovers(owner));
    }

    [Fact]
    public async Task Collecting_leaves_the_living_alone()
    {
        await using var other = NewRuntime();
        var output = new Recorder();
        await using var run = await other.StartAsync(Python("import signal\nprint('ready', flush=True)\nsignal.pause()"), output.Receive, Token);
        await output.WaitForAsync("ready");

        await Runtime.CollectAsync(Token);

        Assert.False(run.Exited.IsCompleted);
        Assert.NotEmpty(Leftovers(other.Host().Owner));
    }

    [Fact]
    public async Task Starting_can_be_given_up_and_leaves_nothing()
    {
        // Cancelled at once, and while its source is copied (a start of a few hundred milliseconds).
        var owner = Runtime.Host().Owner;
        var before = Leftovers(owner);
        var source = Directory.CreateDirectory(Path.Combine(Folder, "many")).FullName;
        for (var i = 0; i < 300; i++) await File.WriteAllTextAsync(Path.Combine(source, $"{i}"), "x", Token);
        foreach (var delay in new[] { 0, 1, 5, 20 })
        {
            using var given = CancellationTokenSource.CreateLinkedTokenSource(Token);
            given.CancelAfter(delay);
            try
            {
                await (await Runtime.StartAsync(Spec("true") with { SourceFolder = source }, (_, _) => ValueTask.CompletedTask, given.Token)).DisposeAsync();
            }
            catch (OperationCanceledException) when (given.IsCancellationRequested)
            {
                // As asked for.
            }
        }

        Assert.Equal(before, Leftovers(owner));
    }

    [Fact]
    public async Task A_prepared_place_that_died_is_not_used()
    {
        await using var runtime = new SandboxRuntime(new SandboxOptions { Folder = Path.Combine(Folder, "standby"), Standby = [NetworkMode.None] }, TimeProvider.System, NullLogger.Instance);
        await runtime.CollectAsync(Token);
        var place = Assert.Single(await runtime.StandbyReadyAsync());
        place!.Shell.Kill();
        _ = await place.Shell.Ended;

        var output = new Recorder();
        await using var run = await runtime.StartAsync(Spec("echo", "started"), output.Receive, Token);

        _ = await run.Exited.WaitAsync(Patience, Token);
        Assert.Equal("started\n", output.Out);
    }

    private static List<int> Descendants(int pid)
    {
        var all = new List<int>();
        foreach (var child in ProcessTree.Children(pid))
        {
            all.Add(child);
            all.AddRange(Descendants(child));
        }
        return all;
    }

    /// <summary>Folders, numbers and groups with an owner's name.</summary>
    private List<string> Leftovers(SandboxOwner owner)
    {
        var sandbox = Path.Combine(Folder, "sandbox");
        var found = Directory.EnumerateDirectories(sandbox, owner.ToString()).ToList();
        found.AddRange(Directory.EnumerateFileSystemEntries(Path.Combine(sandbox, "uids")).Where(file => new FileInfo(file).LinkTarget == owner.ToString()));
        foreach (var group in CgroupLayout.Read().V1.Values.Distinct(StringComparer.Ordinal)) found.AddRange(Directory.EnumerateDirectories(group, $"*.{owner}"));
        return found;
    }
}
