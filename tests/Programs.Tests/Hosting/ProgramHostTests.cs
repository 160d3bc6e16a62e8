using PeoplesCloud.Base;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Hosting;

/// <summary>A host with a runtime that has no processes: what it starts, restarts, replaces, resumes and refuses.</summary>
public sealed class ProgramHostTests : IAsyncDisposable
{
    private readonly ManualTime _time = new();
    private readonly FakeRuntime _runtime = new();
    private readonly TestSwarm _swarm;
    private readonly TestNode _owner;
    private readonly TestNode _host;
    private readonly Dictionary<PeoplesCloud.Libp2p.PeerId, long> _balances = [];
    private HostPolicy _policy = new() { Most = new RunLimits { MemoryBytes = 2L << 30, Cpus = 4, Pids = 1024, DiskBytes = 2L << 30 } };

    public ProgramHostTests()
    {
        _swarm = new TestSwarm { Time = _time };
        _owner = _swarm.Add("owner", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        _host = _swarm.Add("host", _runtime, new ProgramHostOptions { Folder = "", Policy = () => _policy, Balance = (_, member) => _balances.GetValueOrDefault(member) });
        _swarm.Folder.With("hello/bot.py", "print('hello')\n").With("hello/lib/x.py");
    }

    [Fact]
    public async Task A_program_runs_with_its_files_and_its_output_is_its_log()
    {
        var program = await DeployAsync();
        var run = await _runtime.NextAsync();
        Assert.Equal(["python3", "-u", "bot.py"], run.Spec.Command);
        Assert.Equal(NetworkMode.Internet, run.Spec.Network);
        Assert.Equal(TestFolder.Describe(_swarm.Folder["hello"]), run.Files);
        Assert.Equal(ProgramState.Running, Assert.Single(_host.Host.Programs).State);

        var following = LogAsync(program, follow: true);
        await run.PrintAsync("hello\n");
        run.Exit(0);
        Assert.Equal(["pc starting", "out hello", "pc finished by itself with exit code 0"], await following);
        Assert.Equal((ProgramState.Stopped, "finished by itself with exit code 0"), Status());
    }

    [Fact]
    public async Task A_crashed_program_is_started_again_after_a_pause()
    {
        await DeployAsync();
        (await _runtime.NextAsync()).Exit(3);
        await UntilAsync(ProgramState.Restarting);
        Assert.Equal("crashed with exit code 3", Status().Detail);
        Assert.False(_runtime.HasMore);
        _time.Advance(TimeSpan.FromSeconds(1.3));
        var again = await _runtime.NextAsync();
        Assert.NotEmpty(again.Files);
        await UntilAsync(ProgramState.Running);
        Assert.Equal(1, _host.Host.Programs[0].Restarts);
    }

    [Fact]
    public async Task Stop_ends_it_and_leaves_its_log_only()
    {
        var program = await DeployAsync();
        var run = await _runtime.NextAsync();
        await run.PrintAsync("hello\nand then");
        await _owner.StopAsync(program);
        Assert.Equal(TimeSpan.FromSeconds(10), run.StopGrace);
        Assert.Equal(0, _runtime.Running);
        Assert.Empty(_host.Host.Programs);
        Assert.Equal(["log"], Directory.EnumerateFileSystemEntries(Path.Combine(_swarm.Folder["host/programs"], program.LocalName)).Select(Path.GetFileName));
        Assert.Equal(["pc starting", "out hello", "out and then", "pc was stopped"], await LogAsync(program, follow: true));
    }

    [Fact]
    public async Task What_runs_goes_on_after_the_daemon_restarts()
    {
        await DeployAsync();
        var first = await _runtime.NextAsync();
        await _host.RestartHostAsync();
        Assert.True(first.Exited.IsCompleted);
        var second = await _runtime.NextAsync();
        Assert.Equal(first.Files, second.Files);
        await UntilAsync(ProgramState.Running);
    }

    [Fact]
    public async Task What_has_finished_does_not_run_again_after_a_restart()
    {
        await DeployAsync();
        (await _runtime.NextAsync()).Exit(0);
        await UntilAsync(ProgramState.Stopped);
        await _host.RestartHostAsync();
        await _host.RestartHostAsync();
        Assert.Equal((ProgramState.Stopped, "finished by itself with exit code 0"), Status());
        Assert.False(_runtime.HasMore);
    }

    // The mark keeps a log from being one of the old ones: it may not outlive the program.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_finished_program_that_is_stopped_leaves_no_mark(bool whileAsleep)
    {
        var program = await DeployAsync();
        (await _runtime.NextAsync()).Exit(0);
        await UntilAsync(ProgramState.Stopped);
        if (whileAsleep) await _owner.AppendAsync(new ProgramStopped(program.Id), Token);
        else await _owner.StopAsync(program);
        _host.ReceiveFrom(_owner);
        await _host.RestartHostAsync();
        Assert.Empty(_host.Host.Programs);
        Assert.Equal(["log"], Directory.EnumerateFileSystemEntries(Path.Combine(_swarm.Folder["host/programs"], program.LocalName)).Select(Path.GetFileName));
    }

    [Fact]
    public async Task What_was_stopped_while_the_host_slept_does_not_run_again()
    {
        var program = await DeployAsync();
        await _runtime.NextAsync();
        _host.Awake = false;
        await Assert.ThrowsAsync<IOException>(() => _owner.StopAsync(program));
        Assert.Equal(1, _runtime.Running);
        _host.ReceiveFrom(_owner);
        await _host.RestartHostAsync();
        Assert.Equal(0, _runtime.Running);
        Assert.False(_runtime.HasMore);
        Assert.Empty(_host.Host.Programs);
        Assert.Equal("pc the host's daemon ends; the program goes on when it is back", (await LogAsync(program))[^1]);
    }

    [Fact]
    public async Task A_stop_that_comes_by_the_feed_ends_a_running_program()
    {
        var program = await DeployAsync();
        await _runtime.NextAsync();
        await _owner.AppendAsync(new ProgramStopped(program.Id), Token);
        _host.ReceiveFrom(_owner);
        await _host.Host.ReconcileAsync(_host.State);
        Assert.Equal(0, _runtime.Running);
    }

    [Fact]
    public async Task A_program_that_the_feed_does_not_know_yet_is_left_alone()
    {
        var known = _host.State;
        await DeployAsync();
        await _runtime.NextAsync();
        await _host.Host.ReconcileAsync(known);
        Assert.Equal(1, _runtime.Running);
    }

    [Fact]
    public async Task A_restart_starts_it_again_once_and_the_entry_is_not_done_twice()
    {
        var program = await DeployAsync();
        var first = await _runtime.NextAsync();
        await AskRestartAsync(program);
        var restarted = _host.Host.RestartAsync(_host.State, program.Id);
        var second = await _runtime.NextAsync();
        await restarted.WaitAsync(Patience.Limit, Token);
        Assert.True(first.Exited.IsCompleted);
        Assert.Equal(TimeSpan.FromSeconds(10), first.StopGrace);
        Assert.NotEmpty(second.Files);
        await _host.Host.ReconcileAsync(_host.State);
        await _host.Host.RestartAsync(_host.State, program.Id).WaitAsync(Patience.Limit, Token);
        await _host.RestartHostAsync();
        await _runtime.NextAsync();
        Assert.Equal(1, _runtime.Running);
        Assert.False(_runtime.HasMore);
        Assert.Contains("pc is restarted by owner", await LogAsync(program));
        Assert.Equal(0, _host.Host.Programs[0].Restarts);
    }

    [Fact]
    public async Task A_restart_that_cannot_start_it_says_why_and_is_tried_again()
    {
        var program = await DeployAsync();
        await _runtime.NextAsync();
        _runtime.Failure = _ => new IOException("no more sandboxes");
        await AskRestartAsync(program);
        Assert.Equal("no more sandboxes", (await Assert.ThrowsAsync<IOException>(() => _host.Host.RestartAsync(_host.State, program.Id).WaitAsync(Patience.Limit, Token))).Message);
        _runtime.Failure = _ => null;
        await UntilAsync(ProgramState.Restarting);
        _time.Advance(TimeSpan.FromSeconds(1.3));
        await _runtime.NextAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_program_that_has_finished_starts_again_when_somebody_asks_for_it(bool afterADaemonRestart)
    {
        var program = await DeployAsync();
        (await _runtime.NextAsync()).Exit(0);
        await UntilAsync(ProgramState.Stopped);
        if (afterADaemonRestart) await _host.RestartHostAsync();
        await _host.Host.ReconcileAsync(_host.State);
        Assert.False(_runtime.HasMore);
        await AskRestartAsync(program);
        await _host.Host.ReconcileAsync(_host.State);
        (await _runtime.NextAsync()).Exit(0);
        await UntilAsync(ProgramState.Stopped);
        await _host.RestartHostAsync();
        await _host.Host.ReconcileAsync(_host.State);
        Assert.False(_runtime.HasMore);
    }

    [Fact]
    public async Task A_removed_member_s_programs_end()
    {
        var admin = _owner;
        var guest = _swarm.Add("leaver", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        await guest.Deployer.DeployAsync(guest, new DeployOrder(_swarm.Folder["hello"]), null, Token);
        await _runtime.NextAsync();
        await admin.AppendAsync(new MemberRemoved(guest.Self, 0), Token);
        _host.ReceiveFrom(admin);
        await _host.Host.ReconcileAsync(_host.State);
        Assert.Equal(0, _runtime.Running);
    }

    [Fact]
    public async Task The_same_name_again_replaces_the_older_one_without_running_both()
    {
        var first = await DeployAsync();
        var old = await _runtime.NextAsync();
        _swarm.Folder.With("hello/bot.py", "print('newer')\n");
        var second = await DeployAsync();
        var newer = await _runtime.NextAsync();
        Assert.True(old.Exited.IsCompleted);
        Assert.NotEqual(old.Files, newer.Files);
        Assert.Equal(1, _runtime.Running);
        Assert.Equal(second.Id, Assert.Single(_host.Host.Programs).Spec.Id);
        Assert.Contains("pc was replaced by a newer deploy", await LogAsync(first));
        Assert.True(_owner.State.Programs[first.Id].Stopped);
    }

    // Goal: nobody waits for the folders and groups of a sandbox that has ended, and none of them are left behind. Method: two deploys and the end of the
    // host, while what the first left is not cleaned up yet.
    [Fact]
    public async Task A_newer_deploy_starts_while_the_older_one_is_cleaned_up_and_the_host_ends_after_that()
    {
        var free = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cleaned = 0;
        _runtime.CleanUp = async () =>
        {
            await free.Task;
            for (var i = 0; i < 100; i++) await Task.Yield();
            Interlocked.Increment(ref cleaned);
        };
        await DeployAsync();
        await _runtime.NextAsync();
        _swarm.Folder.With("hello/bot.py", "print('newer')\n");
        await DeployAsync();
        var newer = await _runtime.NextAsync();
        _swarm.Folder.With("hello/bot.py", "print('newest')\n");
        var last = await DeployAsync();
        await _runtime.NextAsync();
        Assert.True(newer.Exited.IsCompleted, "the one before it is ended, not one that had ended already");
        Assert.Equal(1, _runtime.Running);
        Assert.Equal(last.Id, Assert.Single(_host.Host.Programs).Spec.Id);

        free.SetResult();
        await _host.Host.DisposeAsync();
        Assert.Equal(3, cleaned);
    }

    [Fact]
    public async Task A_newer_deploy_that_cannot_be_unpacked_leaves_the_older_one_until_another_host_has_it()
    {
        await DeployAsync();
        await _runtime.NextAsync();
        var damaged = Spec(await DeployedElsewhereAsync()) with { Swarm = default };
        await Refused.WithAsync(ErrorCode.BundleKeyMissing, "no key of hello", () => _host.Host.StartAsync(damaged, Token));
        Assert.Equal(1, _runtime.Running);
        Assert.Single(_host.Host.Programs);
    }

    [Fact]
    public async Task A_name_of_another_owner_is_refused()
    {
        var other = _swarm.Add("other", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        await DeployAsync();
        other.ReceiveFrom(_owner);
        await Refused.WithAsync(ErrorCode.NameTaken, "hello is a program of owner in friends already", () => other.Deployer.DeployAsync(other, new DeployOrder(_swarm.Folder["hello"]), null, Token));
    }

    // Two members deploy one name at the same moment, before they hear of each other: the host takes the first.
    [Fact]
    public async Task A_name_that_two_owners_took_at_once_runs_for_the_first()
    {
        var other = _swarm.Add("other", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        await DeployAsync();
        await Refused.WithAsync(ErrorCode.StartFailed, "hello is a program of another member on this host already", () => other.Deployer.DeployAsync(other, new DeployOrder(_swarm.Folder["hello"]), null, Token));
        Assert.Equal(1, _runtime.Running);
    }

    [Fact]
    public async Task A_start_that_is_asked_for_twice_runs_once()
    {
        var gate = new TaskCompletionSource();
        _runtime.Gate = gate.Task;
        var program = Spec(await DeployedElsewhereAsync());
        var starts = Enumerable.Range(0, 3).Select(_ => _host.Host.StartAsync(program, Token)).ToList();
        await _host.Host.ReconcileAsync(_host.State);
        gate.SetResult();
        await Task.WhenAll(starts);
        await _host.Host.StartAsync(program, Token);
        await _runtime.NextAsync();
        Assert.False(_runtime.HasMore);
    }

    [Fact]
    public async Task An_owner_that_gives_up_waiting_leaves_nothing_running()
    {
        var gate = new TaskCompletionSource();
        _runtime.Gate = gate.Task;
        using var cancel = new CancellationTokenSource();
        var start = _host.Host.StartAsync(Spec(await DeployedElsewhereAsync()), cancel.Token);
        await cancel.CancelAsync();
        gate.SetResult();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        Assert.Equal(0, _runtime.Running);
        Assert.Empty(_host.Host.Programs);
    }

    // The owner was told that the start failed and moves the program on; until that entry comes, the feed still says that it is here.
    [Fact]
    public async Task A_start_that_failed_is_not_made_up_for_until_it_is_placed_here_again()
    {
        _runtime.Failure = _ => new PcException(ErrorCode.HostStorageFailed, "full");
        var program = Spec(await DeployedElsewhereAsync(stopped: false));
        await Assert.ThrowsAsync<PcException>(() => _host.Host.StartAsync(program, Token));
        _runtime.Failure = _ => null;
        _host.ReceiveFrom(_owner);
        await _host.Host.ReconcileAsync(_host.State);
        Assert.Empty(_host.Host.Programs);
        await _owner.AppendAsync(new ProgramPlaced(program.Id, _owner.Self, 2), Token);
        _host.ReceiveFrom(_owner);
        await _host.Host.ReconcileAsync(_host.State);
        await _owner.AppendAsync(new ProgramPlaced(program.Id, _host.Self, 3), Token);
        _host.ReceiveFrom(_owner);
        await _host.Host.ReconcileAsync(_host.State);
        await _runtime.NextAsync();
    }

    [Fact]
    public async Task A_bundle_that_nobody_has_is_said_so()
    {
        var program = Spec(await DeployedElsewhereAsync());
        _owner.Awake = false;
        await Refused.WithAsync(ErrorCode.BundleUnavailable, "the bundle of hello could not be fetched", () => _host.Host.StartAsync(program, Token));
    }

    [Fact]
    public async Task A_host_that_does_not_host_refuses()
    {
        var program = Spec(await DeployedElsewhereAsync());
        await Refused.WithAsync(ErrorCode.HostRefuses, "does not host", () => _owner.Host.StartAsync(program, Token));
        Assert.Equal((false, 0), (_owner.Host.Offer(Ask(new RunLimits()), _owner.Self).Hosts, _owner.Host.Languages.Count));
    }

    [Theory]
    [InlineData("memory", "rule memory: allows 2 GiB of memory, 3 GiB were asked for")]
    [InlineData("cpu", "rule cpus: allows 4 cores, 8 were asked for")]
    [InlineData("pids", "rule pids: allows 1024 processes, 5000 were asked for")]
    [InlineData("disk", "rule disk: allows 2 GiB of disk, 3 GiB were asked for")]
    [InlineData("lan", "rule network: allows the network internet, lan was asked for")]
    public void A_host_s_policy_is_in_its_offer(string what, string why)
    {
        var limits = what switch
        {
            "memory" => new RunLimits { MemoryBytes = 3L << 30 },
            "cpu" => new RunLimits { Cpus = 8 },
            "pids" => new RunLimits { Pids = 5000 },
            "disk" => new RunLimits { DiskBytes = 3L << 30 },
            _ => new RunLimits(),
        };
        Assert.Equal(why, _host.Host.Offer(Ask(limits, what == "lan" ? NetworkMode.Lan : NetworkMode.None), _owner.Self).Refusal);
        Assert.Null(_host.Host.Offer(Ask(new RunLimits()), _owner.Self).Refusal);
        Assert.Equal(15, _host.Host.Offer(Ask(new RunLimits()), _owner.Self).Rank);
    }

    [Fact]
    public async Task A_policy_that_changes_ends_what_it_no_longer_allows_and_lets_it_run_again()
    {
        var program = await DeployAsync();
        var run = await _runtime.NextAsync();
        var allowed = _policy;
        _policy = allowed with { Pause = new HostPause(null) };
        var ended = Assert.Single(await _host.Host.EnforcePolicyAsync());
        Assert.Equal((program.Id, ProgramState.Waiting, "rule pause: its owner paused it"), (ended.Spec.Id, ended.State, ended.Detail));
        Assert.Equal(TimeSpan.FromSeconds(10), run.StopGrace);
        Assert.Equal((ProgramState.Waiting, "rule pause: its owner paused it"), Status());
        Assert.Contains("pc was ended by this host's owner: rule pause: its owner paused it", await LogAsync(program, follow: false));

        // The feeds still place it here: it waits, and the wait ends with the rule.
        await _host.Host.ReconcileAsync(_host.State);
        Assert.Equal((0, ProgramState.Waiting), (_runtime.Running, Status().State));
        _policy = allowed;
        await _host.Host.ReconcileAsync(_host.State);
        await _runtime.NextAsync();
        await UntilAsync(ProgramState.Running);
    }

    [Fact]
    public async Task What_waits_is_looked_at_again_when_its_hour_has_come()
    {
        await DeployAsync();
        await _runtime.NextAsync();
        Assert.True(HostHours.TryParse("00:30-01:00", out var hours));
        _policy = _policy with { Hours = [hours] };
        Assert.Single(await _host.Host.EnforcePolicyAsync());
        var resumed = new TaskCompletionSource();
        using var stop = new CancellationTokenSource();
        var watching = _host.Host.WatchPolicyAsync(() => resumed.TrySetResult(), stop.Token);
        Assert.NotNull(_host.Host.RefusalOf(_host.Host.Programs[0].Spec));
        // It is three seconds to midnight by this host's clock, which jumps an hour.
        _time.Advance(TimeSpan.FromMinutes(45));
        await resumed.Task.WaitAsync(Patience.Limit, Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }

    [Fact]
    public async Task A_run_that_is_longer_than_allowed_ends_and_a_restart_of_the_daemon_does_not_begin_anew()
    {
        _policy = _policy with { LongestRun = TimeSpan.FromSeconds(30) };
        await DeployAsync();
        await _runtime.NextAsync();
        await _host.Host.EnforcePolicyAsync();
        for (var i = 0; i < 3; i++) await Step(TimeSpan.FromSeconds(9), ended: false);
        await Step(TimeSpan.FromSeconds(9), ended: true);
        Assert.Equal((ProgramState.Waiting, "rule longest_run: allows a run of 30s, it ran for that long"), Status());
        await _host.RestartHostAsync();
        Assert.Equal((0, ProgramState.Waiting), (_runtime.Running, Status().State));

        async Task Step(TimeSpan by, bool ended)
        {
            _time.Advance(by);
            Assert.Equal(ended ? 1 : 0, (await _host.Host.EnforcePolicyAsync()).Count);
        }
    }

    // Hours are the wall's, lengths are not.
    [Fact]
    public async Task A_clock_that_jumps_an_hour_moves_the_hours_and_no_length_of_time()
    {
        _policy = _policy with { LongestRun = TimeSpan.FromMinutes(30) };
        await DeployAsync();
        await _runtime.NextAsync();
        await _host.Host.EnforcePolicyAsync();
        foreach (var hours in new[] { 1, -2, 1 })
        {
            _time.JumpWall(TimeSpan.FromHours(hours));
            Assert.Empty(await _host.Host.EnforcePolicyAsync());
        }
        Assert.InRange(_host.Host.RanFor(_host.Host.Programs[0].Spec), TimeSpan.Zero, TimeSpan.FromMinutes(10)); // a busy machine, and no hour

        // It is three seconds to midnight, and then an hour later.
        Assert.True(HostHours.TryParse("22:00-24:00", out var evening));
        _policy = _policy with { Hours = [evening] };
        Assert.Empty(await _host.Host.EnforcePolicyAsync());
        _time.JumpWall(TimeSpan.FromHours(1));
        Assert.StartsWith("rule hours: ", Assert.Single(await _host.Host.EnforcePolicyAsync()).Detail, StringComparison.Ordinal);
        _time.JumpWall(TimeSpan.FromHours(-1));
        await _host.Host.ReconcileAsync(_host.State);
        await _runtime.NextAsync();
        await UntilAsync(ProgramState.Running);
    }

    [Fact]
    public async Task Sleep_is_no_run()
    {
        _policy = _policy with { LongestRun = TimeSpan.FromMinutes(30) };
        await DeployAsync();
        await _runtime.NextAsync();
        await _host.Host.EnforcePolicyAsync();
        _time.Advance(TimeSpan.FromHours(8));
        Assert.Empty(await _host.Host.EnforcePolicyAsync());
        Assert.InRange(_host.Host.RanFor(_host.Host.Programs[0].Spec), TimeSpan.Zero, 2 * ProgramHost.PolicyInterval);
    }

    [Fact]
    public async Task A_host_that_is_full_takes_a_newer_deploy_of_what_it_runs_and_nothing_else()
    {
        _policy = _policy with { Programs = 1 };
        await DeployAsync();
        var run = await _runtime.NextAsync();
        Assert.Equal("rule programs: runs 1 program already, its limit", _host.Host.Offer(Ask(new RunLimits()) with { Name = "other" }, _owner.Self).Refusal);
        Assert.Null(_host.Host.Offer(Ask(new RunLimits()) with { Name = "hello" }, _owner.Self).Refusal);
        Assert.NotNull(_host.Host.Offer(Ask(new RunLimits()) with { Name = "hello" }, _host.Self).Refusal);
        // What ends for it does not make this host look busier.
        Assert.Equal((16, 15), (_host.Host.Offer(Ask(new RunLimits()) with { Name = "other" }, _owner.Self).Rank, _host.Host.Offer(Ask(new RunLimits()) with { Name = "hello" }, _owner.Self).Rank));
        run.Used = new RunUsage(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 10, TimeSpan.Zero, 1);
        Assert.Equal(10, _host.Host.Offer(Ask(new RunLimits()) with { Name = "hello" }, _owner.Self).Rank, 0.1);
        await DeployAsync();
        await _runtime.NextAsync();
        Assert.Equal(1, _runtime.Running);
    }

    // Goal: with the rule favours a full host gives its room to whoever gave more, one after the other; without it nobody loses a place.
    [Fact]
    public async Task A_full_host_makes_room_for_a_member_that_gave_more_when_its_owner_says_so()
    {
        var fir = _swarm.Add("fir", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        _policy = _policy with { Programs = 1 };
        var hello = await DeployAsync();
        var first = await _runtime.NextAsync();
        fir.ReceiveFrom(_owner);
        _balances[fir.Self] = 3;
        Assert.Equal("rule programs: runs 1 program already, its limit", Refusal());
        _policy = _policy with { FavoursFirst = true };
        _balances[_owner.Self] = 3;
        Assert.Equal("rule programs: runs 1 program already, its limit; members that gave more go first (rule favours)", Refusal());
        Assert.Empty(await _host.Host.EnforcePolicyAsync());

        _balances[_owner.Self] = -1;
        Assert.Null(Refusal());
        Assert.Empty(await _host.Host.EnforcePolicyAsync()); // nobody is here for whom it would give way
        await fir.Deployer.DeployAsync(fir, new DeployOrder(_swarm.Folder["hello"], Name: "second"), null, Token);
        await _runtime.NextAsync();
        Assert.True(first.Exited.IsCompleted);
        Assert.Equal(TimeSpan.FromSeconds(10), first.StopGrace);
        Assert.Equal(1, _runtime.Running);
        Assert.Equal([("hello", ProgramState.Waiting), ("second", ProgramState.Running)], _host.Host.Programs.Select(program => (program.Spec.Name, program.State)).Order());
        Assert.Contains("(rule favours)", _host.Host.Programs.Single(program => program.Spec.Id == hello.Id).Detail, StringComparison.Ordinal);

        // It does not come back before the room does, and then it does.
        await _host.Host.ReconcileAsync(_host.State);
        Assert.False(_runtime.HasMore);
        _policy = _policy with { FavoursFirst = false };
        Assert.Empty(await _host.Host.EnforcePolicyAsync());
        _policy = _policy with { Programs = 2 };
        await _host.Host.ReconcileAsync(_host.State);
        await _runtime.NextAsync();
        Assert.Equal(2, _runtime.Running);

        string? Refusal() => _host.Host.Offer(Ask(new RunLimits()) with { Name = "second" }, fir.Self).Refusal;
    }

    [Fact]
    public async Task A_disk_that_refuses_is_said_so()
    {
        var program = Spec(await DeployedElsewhereAsync());
        await File.WriteAllTextAsync(Path.Combine(_swarm.Folder["host/programs"], program.LocalName), "in the way", Token);
        await Refused.WithAsync(ErrorCode.HostStorageFailed, "could not be written", () => _host.Host.StartAsync(program, Token));
    }

    [Fact]
    public async Task A_log_that_is_nowhere_is_not_found()
    {
        var program = Spec(await DeployedElsewhereAsync());
        await Refused.WithAsync(ErrorCode.ProgramNotFound, "no log", () => LogAsync(program));
    }

    [Fact]
    public async Task Old_logs_go_oldest_first()
    {
        await using var swarm = new TestSwarm { Time = _time };
        var runtime = new FakeRuntime();
        var node = swarm.Add("alone", runtime, new ProgramHostOptions { Folder = "", KeptLogs = 3 });
        swarm.Folder.With("hello/bot.py");
        var programs = new List<ProgramSpec>();
        for (var i = 0; i < 12; i++) programs.Add((await node.Deployer.DeployAsync(node, new DeployOrder(swarm.Folder["hello"]), null, Token)).Program);
        // Three old ones, the new one, and some before it for as long as they are cleaned up after.
        Assert.InRange(Directory.EnumerateDirectories(swarm.Folder["alone/programs"]).Count(), 4, 8);
        Assert.True(Directory.Exists(Path.Combine(swarm.Folder["alone/programs"], programs[^1].LocalName)));
        Assert.False(Directory.Exists(Path.Combine(swarm.Folder["alone/programs"], programs[0].LocalName)));
    }

    public async ValueTask DisposeAsync() => await _swarm.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task<ProgramSpec> DeployAsync() =>
        (await _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"]), null, Token).WaitAsync(Patience.Limit)).Program;

    // A deploy that reached this node's feeds, whose host is this node, and whose start was lost on the way.
    private async Task<SwarmProgram> DeployedElsewhereAsync(bool stopped = true)
    {
        if (!stopped)
        {
            // Before the owner gives up, it is not stopped yet.
            var known = new TaskCompletionSource<SwarmProgram>();
            _host.OnRequest = what =>
            {
                if (what == "start") known.SetResult(_owner.State.Programs.Values.MaxBy(program => program.DeployedAt)!);
                return what == "start" ? Task.Delay(Timeout.Infinite, Token) : Task.CompletedTask;
            };
            _ = DeployAsync();
            var program = await known.Task.WaitAsync(Patience.Limit, Token);
            _host.OnRequest = _ => Task.CompletedTask;
            return program;
        }
        _host.OnRequest = what => what == "start" ? throw new IOException("the connection was reset") : Task.CompletedTask;
        await Assert.ThrowsAsync<PcException>(() => DeployAsync());
        _host.OnRequest = _ => Task.CompletedTask;
        return _owner.State.Programs.Values.MaxBy(program => program.DeployedAt)!;
    }

    private async Task AskRestartAsync(ProgramSpec program)
    {
        await _owner.AppendAsync(new ProgramControlled(program.Id, ControlAction.Restart, ""), Token);
        _host.ReceiveFrom(_owner);
    }

    private ProgramSpec Spec(SwarmProgram program) => ProgramSpec.Of(_owner.State.Id, program);

    private ProgramAsk Ask(RunLimits limits, NetworkMode network = NetworkMode.Internet) => new(_owner.State.Id, "py3", limits.ToProgramLimits(network));

    private (ProgramState State, string? Detail) Status() => (Assert.Single(_host.Host.Programs).State, _host.Host.Programs[0].Detail);

    private Task UntilAsync(ProgramState state)
    {
        var host = _host.Host;
        return Patience.UntilAsync(() => host.Programs.Any(program => program.State == state), changed => host.Changed += changed, changed => host.Changed -= changed);
    }

    private async Task<List<string>> LogAsync(ProgramSpec program, bool follow = false)
    {
        using var limit = new CancellationTokenSource(Patience.Limit);
        var lines = new List<string>();
        await foreach (var line in _host.Host.LogsAsync(program.Id, -1, follow, limit.Token)) lines.Add($"{line.Source.ToString().ToLowerInvariant()} {line.Text}");
        return lines;
    }
}
