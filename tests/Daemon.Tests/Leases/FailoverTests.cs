using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Daemon.Tests.Hosting;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Leases;

/// <summary>Nodes in this process that share a program: it goes from one to another, is with one at a time, and what happened is written down.</summary>
public sealed class FailoverTests
{
    private const string Bot = "import time\nwhile True:\n    print('here', flush=True)\n    time.sleep(0.1)\n";

    [Fact]
    public async Task A_host_that_stops_in_order_hands_its_program_over()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir", "ash");
        var first = await swarm.DeployAsync(Bot);
        await swarm[first].StopAsync();

        var list = await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [_, { Ended: null }] } program] && program.Host != first);
        var program = list.Programs[0];
        Assert.Equal((first, "handed over"), (program.Runs![0].Host, program.Runs[0].Why));
        Assert.Equal(program.Host, program.Runs[1].Host);
        Assert.True(program.Runs[1].Epoch > program.Runs[0].Epoch);
        // It ended there before it began here, by one machine's clock.
        Assert.True(program.Runs[1].Began >= program.Runs[0].Ended);
        await swarm[first].StartAgainAsync(hosts: true);
        await swarm[first].WaitForAsync("friends", list => list.Programs is [{ State: "running" } now] && now.Host == program.Host);
    }

    [Fact]
    public async Task A_drained_host_gives_its_programs_away_and_takes_none()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        var first = await swarm.DeployAsync(Bot);
        var drained = await DrainAsync(swarm[first]);
        var other = first == "elm" ? "fir" : "elm";
        Assert.True(drained.Draining);
        Assert.Equal([new DrainedProgram("friends", "test-bot", other)], drained.Programs);
        await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running" } program] && program.Host == other);

        // It refuses new ones, and says why.
        using var folder = new ProgramFolder(Bot);
        var deployed = await swarm.Oak.DeployAsync("friends", folder.Path, name: "second");
        Assert.Equal(other, deployed.Host);
        Assert.Contains("is drained", Assert.Single(deployed.Candidates, candidate => candidate.Name == first).Why);

        // Nobody else is left for what the other runs.
        drained = await DrainAsync(swarm[other]);
        Assert.Equal([("second", null), ("test-bot", null)], drained.Programs.Select(program => (program.Program, program.To)).Order());
        await swarm.Oak.WaitForAsync("friends", list => list.Programs.All(program => program.State == "running" && program.Host == other));

        Assert.False((await DrainAsync(swarm[first], end: true)).Draining);
        await UntilSeenAsync(swarm[first], by: swarm[other], draining: false);
        Assert.Equal(2, (await DrainAsync(swarm[other])).Programs.Count(program => program.To == first));
        await swarm.Oak.WaitForAsync("friends", list => list.Programs.Count == 2 && list.Programs.All(program => program.State == "running" && program.Host == first));
    }

    // Goal: whoever gives a program away does not start it again, whatever the feeds say meanwhile. Method: the program takes its time to end.
    [Fact]
    public async Task Who_gives_a_program_away_may_not_run_it_from_then_on()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        var first = await swarm.DeployAsync("import signal, sys, time\ndef end(*_):\n    print('asked', flush=True)\n    time.sleep(2)\n    sys.exit()\nsignal.signal(signal.SIGTERM, end)\nprint('here', flush=True)\nwhile True: time.sleep(0.1)\n");
        var other = first == "elm" ? "fir" : "elm";
        var log = swarm.Oak.LogsAsync("friends", "test-bot");
        await log.FirstAsync(line => line.Text == "here", TestContext.Current.CancellationToken);
        var friends = swarm.Oak.Node.Swarms.Require("friends");
        var (leases, program) = (swarm[first].Node.Leases.Of(friends.Id)!, friends.State.Programs.Values.Single(program => !program.Stopped));
        Assert.NotNull(leases.EpochOf(program.Id));

        var draining = DrainAsync(swarm[first]);
        await log.FirstAsync(line => line.Text == "asked", TestContext.Current.CancellationToken);
        Assert.Null(leases.EpochOf(program.Id)); // though it has the lease until the program has ended
        Assert.Equal(other, Assert.Single((await draining).Programs).To);
        var list = await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [_, { Ended: null }] } now] && now.Host == other);
        Assert.True(list.Programs[0].Runs![1].Began >= list.Programs[0].Runs![0].Ended);
    }

    [Fact]
    public async Task A_guardian_has_the_bundle_before_it_needs_it()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        var first = await swarm.DeployAsync(Bot);
        var other = first == "elm" ? "fir" : "elm";
        await swarm[other].WaitForBlocksAsync();
        // The owner and the first host are gone: nobody else has it.
        await swarm.Oak.StopAsync();
        await swarm[first].StopAsync();
        await swarm[other].WaitForAsync("friends", list => list.Programs is [{ State: "running" } program] && program.Host == other);
        await swarm.Oak.StartAgainAsync();
        await swarm[first].StartAgainAsync(hosts: true);
    }

    // Goal: whom the owner chose runs the program, also when it needs longer than a lease to come round. Method: the chosen host takes no lease until the
    // others would have asked for it.
    [Fact]
    public async Task The_others_leave_a_program_to_the_host_that_was_chosen()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir", "ash");
        var id = swarm.Oak.Node.Swarms.Require("friends").Id;
        var chosen = swarm["elm"].Node.Leases.Of(id)!;
        chosen.Drain(true);
        using var folder = new ProgramFolder(Bot);
        var deploying = swarm.Oak.DeployAsync("friends", folder.Path, host: "elm");
        await swarm["fir"].WaitForAsync("friends", list => list.Programs is [{ }]);
        var options = new LeaseOptions();
        var heard = TimeProvider.System.GetTimestamp();
        await TestNode.UntilAsync(() => TimeProvider.System.GetElapsedTime(heard) > options.Backing + options.Stagger + options.RoundTimeout);
        chosen.Drain(false);
        Assert.Equal("elm", (await deploying).Host);
        var list = await swarm["fir"].WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [_, ..] }]);
        Assert.Equal(["elm"], list.Programs[0].Runs!.Select(run => run.Host));
    }

    // Goal: who wakes with a lease that is over ends what it runs, whoever has the next lease. Method: the clock of leases says that the machine slept for an hour.
    [Fact]
    public async Task A_host_that_slept_ends_what_it_ran()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir", "ash");
        var first = await swarm.DeployAsync(Bot);
        swarm[first].Node.BootTime.Jump(TimeSpan.FromHours(1));
        var list = await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [{ Ended: not null }, { Ended: null }] }]);
        var runs = list.Programs[0].Runs!;
        Assert.Equal((first, "lease lost"), (runs[0].Host, runs[0].Why));
        Assert.True(runs[1].Epoch > runs[0].Epoch);
        // It ended with its lease, not when the machine woke; no run ends before it began, though, and the hour that this one lost is not in the wall clock.
        Assert.Equal(runs[0].Began, runs[0].Ended);
    }

    // Goal: a lease that is back before its program has ended is made use of. Method: the end of the run is in the feeds, and the lease with this host again,
    // before the host is done with the run.
    [Fact]
    public async Task A_program_whose_lease_comes_back_before_it_has_ended_runs_again()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir", "ash");
        var first = await swarm.DeployAsync(Bot);
        var local = swarm[first].Node.Swarms.Require("friends");
        var id = local.State.Programs.Values.Single(program => !program.Stopped).Id;
        using var written = new ManualResetEventSlim();
        local.Changed += _ =>
        {
            if (local.State.Programs[id].Runs is [{ End: not null }, ..]) written.Set();
        };
        var leases = swarm[first].Node.Leases.Of(local.Id)!;
        swarm[first].Node.Programs.Host.Noted += note =>
        {
            if (note.End is not RunEnd.LeaseLost) return;
            written.Wait(TestNode.Patience, TestContext.Current.CancellationToken);
            // Its voters back it still. If they do not, somebody else has it soon.
            SpinWait.SpinUntil(() => leases.EpochOf(id) is not null || local.State.Programs[id].Runs.Count > 1, TestNode.Patience);
        };
        swarm[first].Node.BootTime.Jump(TimeSpan.FromHours(1));
        await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [{ Ended: not null }, { Ended: null }] }]);
    }

    // Goal: a clock that is set by hand matters to nobody's lease. Method: the holder's wall clock jumps an hour, forth and back; its lease is renewed for
    // longer than it lasts, and then given away in order.
    [Fact]
    public async Task A_wall_clock_that_jumps_an_hour_costs_nobody_a_lease()
    {
        var clocks = new Dictionary<string, JumpingTime> { ["elm"] = new(), ["fir"] = new() };
        await using var swarm = await Friends.StartAsync(clocks, "elm", "fir");
        var first = await swarm.DeployAsync(Bot);
        var other = first == "elm" ? "fir" : "elm";
        var leases = swarm[first].Node.Leases.Of(swarm.Oak.Node.Swarms.Require("friends").Id)!;
        var (program, held) = Assert.Single(leases.Held);
        foreach (var by in new[] { TimeSpan.FromHours(1), TimeSpan.FromHours(-2) })
        {
            clocks[first].Jump(by);
            var until = leases.Held[program].Until;
            await TestNode.UntilAsync(() => leases.Held.TryGetValue(program, out var now) && now.Until > until + new LeaseOptions().Lease);
        }
        Assert.Equal(held.Epoch, leases.Held[program].Epoch);
        Assert.Equal([new DrainedProgram("friends", "test-bot", other)], (await DrainAsync(swarm[first])).Programs);
        var list = await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs: [.., { Ended: null, Why: null }] } now] && now.Host == other);
        Assert.Equal([first, other], list.Programs[0].Runs!.Select(run => run.Host));
    }

    [Fact]
    public async Task A_lease_that_another_holds_is_not_had()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        var first = await swarm.DeployAsync(Bot);
        var other = swarm[first == "elm" ? "fir" : "elm"];
        var local = other.Node.Swarms.Require("friends");
        await other.WaitForAsync("friends", list => list.Programs is [{ State: "running" }]);
        var program = ProgramSpec.Of(local.Id, local.State.Programs.Values.Single(program => !program.Stopped));
        var refused = await Assert.ThrowsAsync<PcException>(() => other.Node.Leases.AcquireAsync(program, TestContext.Current.CancellationToken));
        Assert.Equal(ErrorCode.LeaseNotHad, refused.Code);
        Assert.Contains($"{first} holds the lease", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_finishes_is_not_started_by_anybody_again()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        var first = await swarm.DeployAsync("print('done', flush=True)\n");
        foreach (var node in swarm.All) await node.WaitForAsync("friends", list => list.Programs is [{ State: "stopped", Runs: [{ Why: "finished" }] }]);
        // Also when whoever ran it goes away, and is back.
        await swarm[first].StopAsync();
        await swarm[first].StartAgainAsync(hosts: true);
        var list = await swarm[first].WaitForAsync("friends", list => list.Members.Count(member => member.State is "awake" or "here") == 3);
        Assert.Single(list.Programs[0].Runs!);
    }

    [Fact]
    public async Task A_guardian_that_was_removed_is_replaced_and_the_program_goes_on()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir", "ash");
        var first = await swarm.DeployAsync(Bot);
        var (removed, other) = first switch { "elm" => ("fir", "ash"), "fir" => ("elm", "ash"), _ => ("elm", "fir") };
        await using var yew = await TestNode.StartAsync("yew", hosts: true);
        var ticket = (await swarm.Oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("member", 1, 1), TestNode.Json.InviteRequest, TestNode.Json.InviteReply)).Ticket;
        await yew.JoinAsync(ticket);
        await swarm[first].WaitForAsync("friends", list => list.Members.Any(member => member is { Name: "yew", State: "awake", Hosts: true }));
        await swarm.Oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest(removed), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);

        var wanted = new[] { first, other, "yew" }.Order(StringComparer.Ordinal).ToList();
        foreach (var node in new[] { swarm.Oak, swarm[first], swarm[other], yew })
            await node.WaitForAsync("friends", list => list.Programs is [{ State: "running", Guardians: { } guardians }] && guardians.SequenceEqual(wanted));
        // The new one holds the key and has the bundle: it takes the program when both others are told to give it away.
        await yew.WaitForBlocksAsync();
        await DrainAsync(swarm[other]);
        await UntilSeenAsync(swarm[other], by: swarm[first], draining: true);
        Assert.Equal("yew", Assert.Single((await DrainAsync(swarm[first])).Programs).To);
        await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Host: "yew" }]);
    }

    [Fact]
    public async Task A_place_that_nobody_could_take_is_taken_when_a_host_comes()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        var first = await swarm.DeployAsync(Bot);
        await swarm.Oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest(first == "elm" ? "fir" : "elm"), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);
        await swarm[first].WaitForAsync("friends", list => list.Programs is [{ Guardians: [var only] }] && only == first);
        await using var yew = await TestNode.StartAsync("yew", hosts: true);
        await yew.JoinAsync((await swarm.Oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("member", 1, 1), TestNode.Json.InviteRequest, TestNode.Json.InviteReply)).Ticket);
        foreach (var node in new[] { swarm[first], yew })
            await node.WaitForAsync("friends", list => list.Programs is [{ State: "running", Guardians: { } guardians }] && guardians.SequenceEqual([first, "yew"]));
    }

    // Goal: who takes a guardian's place knows schedules. Method: as above with a program that waits for its time; the new one is asked first.
    [Fact]
    public async Task A_guardian_of_a_scheduled_program_is_replaced_too()
    {
        await using var swarm = await Friends.StartAsync("elm", "fir");
        using var folder = new ProgramFolder(Bot);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "pc.toml"), "schedule = \"@yearly\"\n", TestContext.Current.CancellationToken);
        await swarm.Oak.DeployAsync("friends", folder.Path, host: "elm");
        await using var yew = await TestNode.StartAsync("yew", hosts: true);
        var ticket = (await swarm.Oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("member", 1, 1), TestNode.Json.InviteRequest, TestNode.Json.InviteReply)).Ticket;
        await yew.JoinAsync(ticket);
        await swarm["elm"].WaitForAsync("friends", list => list.Programs is [{ State: "scheduled" }] && list.Members.Any(member => member is { Name: "yew", State: "awake", Hosts: true }));
        await swarm.Oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("fir"), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);
        await swarm["elm"].WaitForAsync("friends", list => list.Programs is [{ Guardians: { } guardians }] && guardians.SequenceEqual(["elm", "yew"]));
    }

    // Who does not know schedules says nothing of them, and who sleeps says nothing at all.
    [Fact]
    public async Task Only_hosts_that_know_schedules_may_guard_a_scheduled_program()
    {
        PeerId[] hosts = [.. Enumerable.Range(1, 3).Select(number => PeerId.FromEd25519([(byte)number, .. new byte[31]]))];
        var asked = new List<PeerId>();
        ValueTask<HostOffer> AskAsync(PeerId host, ProgramAsk ask, CancellationToken cancellationToken)
        {
            asked.Add(host);
            if (host == hosts[2]) throw new PcException(ErrorCode.PeerUnreachable, "asleep");
            return ValueTask.FromResult(new HostOffer(true, ["py3"], 0, null) { Schedules = host == hosts[0] });
        }

        var deployed = new ProgramDeployed("bot", Cid.V0(new byte[32]), 1, "py3", new ProgramLimits(1 << 28, 1000, 64, 1 << 28, "none"), []);
        Assert.Equal(hosts, await GuardianKeeper.AbleAsync(default, deployed, hosts, AskAsync, TestContext.Current.CancellationToken));
        Assert.Empty(asked);
        var scheduled = deployed with { Manifest = deployed.Manifest with { Schedule = "@hourly" } };
        Assert.Equal([hosts[0]], await GuardianKeeper.AbleAsync(default, scheduled, hosts, AskAsync, TestContext.Current.CancellationToken));
        Assert.Equal(3, asked.Count);
    }

    [Fact]
    public async Task What_only_one_host_guards_starts_at_once_when_its_daemon_is_back()
    {
        await using var swarm = await Friends.StartAsync("elm");
        var first = await swarm.DeployAsync(Bot);
        await swarm[first].StopAsync();
        await swarm[first].StartAgainAsync(hosts: true);
        var list = await swarm.Oak.WaitForAsync("friends", list => list.Programs is [{ State: "running", Runs.Count: 2 }]);
        Assert.Equal("host stopped", list.Programs[0].Runs![0].Why);
    }

    private static Task<DrainReply> DrainAsync(TestNode node, bool end = false) =>
        node.Client.PostAsync("/v1/drain", new DrainRequest(end), TestNode.Json.DrainRequest, TestNode.Json.DrainReply);

    private static Task UntilSeenAsync(TestNode drained, TestNode by, bool draining)
    {
        var seen = by.Node.Swarms.Require("friends");
        return TestNode.UntilAsync(() => seen.Presence.GetValueOrDefault(drained.Node.Self) is { Record.Info: var info } && info.Draining == draining);
    }

    /// <summary>Oak, which does not host, and hosts that joined it.</summary>
    private sealed class Friends : IAsyncDisposable
    {
        private readonly Dictionary<string, TestNode> _hosts = [];

        public TestNode Oak { get; private set; } = null!;

        public TestNode this[string name] => _hosts[name];

        public IEnumerable<TestNode> All => [Oak, .. _hosts.Values];

        public static Task<Friends> StartAsync(params string[] hosts) => StartAsync(new Dictionary<string, JumpingTime>(), hosts);

        public static async Task<Friends> StartAsync(IReadOnlyDictionary<string, JumpingTime> clocks, params string[] hosts)
        {
            var friends = new Friends { Oak = await TestNode.StartAsync("oak") };
            var ticket = (await friends.Oak.CreateAsync("friends")).Ticket!;
            foreach (var name in hosts)
            {
                friends._hosts[name] = await TestNode.StartAsync(name, hosts: true, time: clocks.GetValueOrDefault(name));
                await friends._hosts[name].JoinAsync(ticket);
            }
            foreach (var node in friends.All)
                await node.WaitForAsync("friends", list => list.Members.Count(member => member.State is "awake" or "here") == hosts.Length + 1 && list.Members.Count(member => member.Hosts) == hosts.Length);
            return friends;
        }

        public async Task<string> DeployAsync(string bot)
        {
            using var folder = new ProgramFolder(bot);
            var host = (await Oak.DeployAsync("friends", folder.Path)).Host;
            // Who did not answer in time, on a busy machine, guards nothing.
            for (var tries = 0; (await Oak.ListAsync("friends")).Programs is not [{ Guardians: { } guardians }] || guardians.Count < _hosts.Count; tries++)
            {
                Assert.InRange(tries, 0, 9);
                await Oak.StopProgramAsync("friends", "test-bot");
                host = (await Oak.DeployAsync("friends", folder.Path)).Host;
            }
            foreach (var node in All) await node.WaitForAsync("friends", list => list.Programs is [{ Runs: [{ Began: not null }, ..] }]);
            return host;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var node in All) await node.DisposeAsync();
        }
    }
}

/// <summary>A wall clock that is set by hand; timers and timestamps go on as the system's.</summary>
internal sealed class JumpingTime : TimeProvider
{
    private long _ticks;

    public void Jump(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _ticks));
}

/// <summary>What these tests ask of a node besides.</summary>
internal static class KeptBundles
{
    /// <summary>Waits until a node has the blocks of the only program's bundle.</summary>
    public static async Task WaitForBlocksAsync(this TestNode node)
    {
        using var limit = new CancellationTokenSource(TestNode.Patience);
        while ((await Contents.CollectTests.CollectAsync(node, dryRun: true)).KeptBlocks == 0) limit.Token.ThrowIfCancellationRequested();
    }
}
