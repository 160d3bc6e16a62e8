using System.Diagnostics;
using System.Globalization;
using PeoplesCloud.Runtimes.Tests.Docker;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// Real daemons whose programs run in containers of real engines. Two engines serve three hosts: containers are told apart by the label of their daemon, and when one
/// engine dies a host of the other is left. What ran where is counted by an observer outside; since a program's network ends with its daemon, the container's process is
/// watched besides.
/// </summary>
public sealed class DockerFailoverTests
{
    /// <summary>As of <see cref="FailoverTests"/>: no two hosts run a program while a majority lives.</summary>
    private const double Tolerance = 1;

    private const string Guard = "docker-guard";

    // Goal: whoever of daemon, guard and engine dies or sleeps, the program runs on elsewhere and not twice. Method: each is killed, and both of daemon and guard at once;
    // a host stands still.
    [Fact]
    public async Task Whoever_of_daemon_guard_and_engine_dies_a_program_runs_on_and_not_twice()
    {
        if (!Lan.Possible || Dockerd.Obstacle is not null) return;
        await using var maple = await Dockerd.StartAsync();
        await using var birch = await Dockerd.StartAsync();
        using var lan = new Lan("oak", "elm", "fir", "ash");
        using var place = new Place();
        using var recorder = new Recorder(lan, place, "elm", "fir", "ash");
        var engines = new Dictionary<string, Dockerd> { ["elm"] = maple, ["fir"] = birch, ["ash"] = birch };
        var homes = new Dictionary<string, string>();
        foreach (var name in new[] { "oak", "elm", "fir", "ash" }) homes[name] = Up(name);
        Place.Swarm("friends", homes["oak"], homes["elm"], homes["fir"], homes["ash"]);
        FailoverTests.UntilAwake(homes["oak"], 4);
        Pc.Run(homes["oak"], "deploy", "friends", recorder.Bot(), "--runtime", "docker", "--image", Dockerd.Image, "--network", "internet").Ok();
        var run = recorder.WaitForRun(0, "the first run");

        // Its daemon is killed: the guard ends the container in time.
        var process = await ProcessAsync();
        var at = Recorder.Now;
        Place.Kill(homes[run.Host]);
        run = await MovedAsync(at, "somebody took over from a killed daemon");

        // Its guard is killed: another takes its place, and the program does not notice.
        var daemon = Place.PidOf(homes[run.Host]);
        var guard = GuardOf(daemon, other: 0);
        Kill(guard);
        _ = GuardOf(daemon, other: guard);
        recorder.WaitUntilHeard(run.Id, Recorder.Now + 1);

        // Both: only the container's own keeper is left.
        guard = GuardOf(daemon, other: 0);
        process = await ProcessAsync();
        at = Recorder.Now;
        Kill(guard);
        Kill(daemon);
        run = await MovedAsync(at, "somebody took over from a daemon that was killed with its guard");

        // Its host sleeps for longer than its lease, with all that runs there: guard and keeper end the program before it does anything.
        var slept = run;
        process = await ProcessAsync();
        var asleep = Sleep.Fall(Place.PidOf(homes[run.Host]), process);
        at = Recorder.Now;
        run = recorder.WaitForRun(at, "somebody took over from one who sleeps");
        Assert.NotEqual(slept.Host, run.Host);
        var woke = Recorder.Now;
        Sleep.Wake(asleep);
        while (Directory.Exists($"/proc/{process}")) Assert.True(Recorder.Now < woke + Tolerance, "its host woke, and the container runs on");
        FailoverTests.UntilAwake(homes["oak"], 4);
        Assert.True(recorder.WordsOf(slept.Id, at).All(word => word < woke + Tolerance), "its host woke, and the program went on");

        // The engine: the daemon lives, and gives the program to one whose engine does.
        process = await ProcessAsync();
        at = Recorder.Now;
        var (dead, without) = (engines[run.Host], run.Host);
        await dead.KillAsync();
        run = await MovedAsync(at, "somebody took over from one whose engine died");
        Assert.NotSame(dead, engines[run.Host]);

        // It comes back, and its daemon is started again: nothing of the program is left there.
        await dead.StartAgainAsync();
        Pc.Run(homes[without], "down").Ok();
        Up(without);
        Assert.Equal("", await dead.RunAsync("ps", "--all", "--quiet", "--filter", $"label=peoples-cloud.owner={PeerOf(without)}"));
        recorder.WaitUntilHeard(run.Id, Recorder.Now);

        async Task<RecordedRun> MovedAsync(double since, string what)
        {
            var before = run.Host;
            var now = recorder.WaitForRun(since, what);
            while (Directory.Exists($"/proc/{process}"))
                Assert.True(Recorder.Now < now.First + Tolerance, $"{what}, and the container of before runs on");
            Assert.NotEqual(before, now.Host);
            recorder.WaitUntilHeard(now.Id, now.First + 2); // long enough to overlap if the other goes on
            TestContext.Current.TestOutputHelper?.WriteLine($"{what}: {now.First - since:0.00} s after it, {recorder.LongestOverlap(since):0.00} s together");
            Assert.True(recorder.LongestOverlap(since) < Tolerance, $"{what}, and both ran for {recorder.LongestOverlap(since):0.00} s: {string.Join(", ", recorder.Runs())}");
            if (Pc.Run(homes[before], "list", "--json").Exit == 0) return now;
            Up(before);
            // Before it takes part in anything it has ended what its earlier life left.
            Assert.Equal("", await engines[before].RunAsync("ps", "--all", "--quiet", "--filter", $"label=peoples-cloud.owner={PeerOf(before)}"));
            FailoverTests.UntilAwake(homes["oak"], 4);
            return now;
        }

        // The first process of the container that runs.
        async Task<int> ProcessAsync()
        {
            var container = await engines[run.Host].RunAsync("ps", "--quiet", "--no-trunc", "--filter", $"label=peoples-cloud.owner={PeerOf(run.Host)}");
            return int.Parse(await engines[run.Host].RunAsync("inspect", "--format", "{{.State.Pid}}", container), CultureInfo.InvariantCulture);
        }

        string Up(string name)
        {
            var home = place.Up(new HostsWithDocker(lan, engines), name, [.. name == "oak" ? ["--no-host"] : Array.Empty<string>(), "--listen", lan.AddressOf(name), "--port", "4242"]);
            Sleep.Started(Place.PidOf(home));
            return home;
        }

        string PeerOf(string name) => Pc.Run(homes[name], "up", "--json").Ok().Json.GetProperty("peerId").GetString()!;
    }

    // The guard is the daemon's child; waits until there is one that is another than one.
    private static int GuardOf(int daemon, int other)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            foreach (var child in Sleep.Children(daemon))
                if (child != other && IsGuard(child)) return child;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"the daemon has no guard");
        }
    }

    private static bool IsGuard(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Contains($"\0{Guard}\0", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static void Kill(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>Hosts of a LAN, each with an engine of those that there are.</summary>
    private sealed class HostsWithDocker(Lan lan, Dictionary<string, Dockerd> engines) : IHosts
    {
        public string[] On(string host) => [.. lan.On(host), .. Sleep.Able, .. engines.TryGetValue(host, out var engine) ? ["env", $"PC_HOST_DOCKER=unix://{engine.Socket}"] : Array.Empty<string>()];
    }
}
