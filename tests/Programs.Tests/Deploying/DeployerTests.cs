using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Deploying;

/// <summary>The owner's side against real feeds, bundles and hosts, with a runtime without processes.</summary>
public sealed class DeployerTests : IAsyncDisposable
{
    private static readonly ProgramHostOptions NoHost = new() { Folder = "", Hosts = false };

    private readonly ManualTime _time = new();
    private readonly TestSwarm _swarm;
    private readonly TestNode _owner;
    private readonly FakeRuntime _elm = new();
    private readonly FakeRuntime _fir = new();
    private readonly List<DeployProgress> _progress = [];

    public DeployerTests()
    {
        _swarm = new TestSwarm { Time = _time };
        _owner = _swarm.Add("oak", new FakeRuntime(), NoHost, random: new Random(3));
        _swarm.Folder.With("hello/bot.py", "print('hello')\n");
    }

    [Theory]
    [InlineData("0 0 31 2 *")]
    [InlineData("TZ=Middle/Earth @daily")]
    public async Task A_schedule_that_this_machine_does_not_know_is_refused(string schedule) =>
        await Refused.WithAsync(ErrorCode.ManifestInvalid, "is no schedule that this machine knows", () => _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"]) { Manifest = new ProgramManifest { Schedule = schedule } }, null, TestContext.Current.CancellationToken));

    // One would run it all the time.
    [Fact]
    public async Task A_program_with_a_schedule_goes_to_no_host_of_an_earlier_version()
    {
        _swarm.Add("elm", _elm).Schedules = false;
        await Refused.WithAsync(ErrorCode.NoHost, "its version starts no programs by a schedule", () => _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"]) { Manifest = new ProgramManifest { Schedule = "@daily" } }, null, TestContext.Current.CancellationToken));
    }

    // Goal: how often a time may run is said when it is deployed. Method: with one guardian and with three, the defaults; and what is asked for instead.
    [Theory]
    [InlineData(1, null, "each time runs at least once")]
    [InlineData(2, null, "each time runs at least once")]
    [InlineData(3, null, "each time runs at most once (when-alone is stop)")]
    [InlineData(3, "run", "each time runs at least once: again when its host dies in it, and twice where hosts cannot reach each other (when-alone is run)")]
    [InlineData(1, "stop", "each time runs at most once")]
    public async Task A_schedule_says_how_often_a_time_may_run(int hosts, string? whenAlone, string said)
    {
        foreach (var name in new[] { "elm", "fir", "ash" }.Take(hosts)) _swarm.Add(name, new FakeRuntime());
        var order = new DeployOrder(_swarm.Folder["hello"]) { Manifest = new ProgramManifest { Schedule = "@daily", WhenAlone = whenAlone } };
        await _owner.Deployer.DeployAsync(_owner, order, _progress.Add, Token);
        Assert.Contains(said, _progress[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deploy_tells_each_step_and_each_member_s_part()
    {
        var (elm, fir) = (_swarm.Add("elm", _elm), _swarm.Add("fir", _fir));
        await fir.Deployer.DeployAsync(fir, new DeployOrder(_swarm.Folder["hello"], Name: "busy", Host: fir.Self), null, Token);
        var result = await DeployAsync();
        Assert.Equal(elm.Self, result.Host);
        Assert.Equal(
            [(Verdict.DoesNotHost, "does not host"), (Verdict.Chosen, "lowest rank, 15.0"), (Verdict.HigherRank, "rank 16.0 is higher than 15.0")],
            _swarm.Nodes.Select(node => result.Candidates.Single(candidate => candidate.Peer == node.Self)).Select(candidate => (candidate.Verdict, candidate.Why)));
        Assert.Equal(
            [
                (DeployStep.Detected, "hello is written in Python 3 (bot.py)"),
                (DeployStep.Packed, $"packed and encrypted 1 file, 15 bytes: {result.Program.Deployed.Bundle}"),
                (DeployStep.Asked, "2 of 3 members host"),
                (DeployStep.Chosen, "chose elm: lowest rank, 15.0"),
                (DeployStep.Recorded, "recorded for 3 keepers"),
                (DeployStep.Started, "hello runs on elm"),
            ],
            _progress.Select(progress => (progress.Step, progress.Text)));
        var recorded = _owner.State.Programs[result.Program.Id];
        Assert.Equal((elm.Self, 1ul, false), (recorded.Host!.Value, recorded.Generation, recorded.Stopped));
        Assert.Equal(recorded.DeployedAt, result.Program.DeployedAt); // or its data is refused by all who go by the entry
        Assert.Equal("hello", (await _elm.NextAsync()).Spec.Id is { Length: 26 } ? recorded.Deployed.Name : "");
    }

    [Fact]
    public async Task What_a_program_asks_for_reaches_its_host_and_its_entry()
    {
        _swarm.Add("elm", _elm);
        var manifest = new ProgramManifest { Command = ["python3", "-m", "hello"], Environment = new Dictionary<string, string> { ["MODE"] = "calm", ["PYTHONIOENCODING"] = "latin-1" } };
        var program = (await _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"]) { Manifest = manifest }, null, Token)).Program;
        Assert.Equal(manifest, _owner.State.Programs[program.Id].Deployed.Manifest);
        var spec = (await _elm.NextAsync()).Spec;
        Assert.Equal(["python3", "-m", "hello"], spec.Command);
        Assert.Equal(("calm", "latin-1", "1"), (spec.Environment["MODE"], spec.Environment["PYTHONIOENCODING"], spec.Environment["PYTHONDONTWRITEBYTECODE"]));
    }

    [Fact]
    public async Task What_is_not_possible_is_refused_before_anything_is_packed()
    {
        _swarm.Add("elm", _elm);
        var order = new DeployOrder(_swarm.Folder["hello"]) { Manifest = new ProgramManifest { Ports = [new(0)] } };
        await Refused.WithAsync(ErrorCode.ManifestInvalid, "0 is no port: 1 to 65535", () => _owner.Deployer.DeployAsync(_owner, order, _progress.Add, Token));
        Assert.Empty(_progress);
    }

    // Goal: an unchanged folder is not encrypted and sent again; a changed one is, and so is one whose key somebody else's version holds.
    [Fact]
    public async Task A_folder_that_did_not_change_keeps_its_bundle()
    {
        var elm = _swarm.Add("elm", _elm);
        var first = (await DeployAsync()).Program;
        var second = (await DeployAsync()).Program;
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(first.Deployed.Bundle, second.Deployed.Bundle);
        Assert.All(second.Deployed.Keys, key => Assert.DoesNotContain(first.Deployed.Keys, before => before.Box.SequenceEqual(key.Box)));
        Assert.Equal(ProgramState.Running, Assert.Single(elm.Host.Programs).State);

        // The same length and content but the executable bit, then other content; each is another bundle.
        File.SetUnixFileMode(_swarm.Folder["hello/bot.py"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var third = (await DeployAsync()).Program;
        Assert.NotEqual(first.Deployed.Bundle, third.Deployed.Bundle);
        _swarm.Folder.With("hello/bot.py", "print('HELLO')\n");
        var fourth = (await DeployAsync()).Program;
        Assert.NotEqual(third.Deployed.Bundle, fourth.Deployed.Bundle);

        // Under another name nothing is replaced: the blocks of a program that may be stopped any time are not relied on.
        var other = (await _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"], Name: "other"), null, Token)).Program;
        Assert.NotEqual(fourth.Deployed.Bundle, other.Deployed.Bundle);
    }

    // Goal: nobody but the owner and the guardians reads a program. Method: seven hosts, five of them guardians; each member tries its
    // own key on every sealed key of the entry that all of them hold, and on the bundle, whose blocks all of them may fetch.
    [Fact]
    public async Task A_member_that_is_no_guardian_cannot_decrypt()
    {
        for (var i = 0; i < 7; i++) _swarm.Add($"host{i}", new FakeRuntime());
        var program = (await DeployAsync()).Program;
        _swarm.Spread();
        var keepers = program.Keepers.ToHashSet();
        Assert.Equal(6, keepers.Count);
        Assert.Contains(_owner.Self, keepers);
        var able = 0;
        foreach (var node in _swarm.Nodes)
        {
            var entry = node.State.Programs[program.Id].Deployed;
            using var bundle = await new UnixFsReader(new BlockFetcher(node.Store, [_owner])).OpenAsync(entry.Bundle, null, Token);
            Assert.True(bundle.Length > 0);
            var opened = entry.Keys.Count(key => BundleKey.TryOpen(node.SealingKey, node.State.Id, _owner.Self, entry.Bundle, key.Box, out _));
            Assert.Equal(keepers.Contains(node.Self) ? 1 : 0, opened);
            able += opened;
            if (opened == 0) await Refused.WithAsync(ErrorCode.BundleKeyMissing, "no key of hello", () => node.Host.StartAsync(program, Token));
        }
        Assert.Equal(6, able);
    }

    [Fact]
    public async Task A_host_that_fails_to_start_it_is_followed_by_the_next()
    {
        _elm.Failure = _ => new PcException(ErrorCode.HostStorageFailed, "its disk is full");
        var (elm, fir) = (_swarm.Add("elm", _elm), _swarm.Add("fir", _fir));
        await fir.Deployer.DeployAsync(fir, new DeployOrder(_swarm.Folder["hello"], Name: "busy", Host: fir.Self), null, Token);
        var result = await DeployAsync();
        Assert.Equal(fir.Self, result.Host);
        Assert.Contains(new DeployProgress(DeployStep.Trouble, "elm failed to start hello: its disk is full"), _progress);
        Assert.Equal(Verdict.FailedToStart, result.Candidates.Single(candidate => candidate.Peer == elm.Self).Verdict);
        Assert.Equal(Verdict.Chosen, result.Candidates.Single(candidate => candidate.Peer == fir.Self).Verdict);
        var recorded = _owner.State.Programs[result.Program.Id];
        Assert.Equal((fir.Self, 2ul), (recorded.Host!.Value, recorded.Generation));
        Assert.Empty(elm.Host.Programs);
    }

    // Eight hosts, of which the first seven fail: the eighth is no guardian of the first entry and gets an entry of its own.
    [Fact]
    public async Task When_all_guardians_fail_others_are_made_guardians()
    {
        var runtimes = Enumerable.Range(0, 8).Select(_ => new FakeRuntime { Failure = _ => new PcException(ErrorCode.HostStorageFailed, "no") }).ToList();
        foreach (var (runtime, i) in runtimes.Select((runtime, i) => (runtime, i))) _swarm.Add($"host{i}", runtime);
        var failed = 0;
        foreach (var runtime in runtimes) runtime.Failure = _ => ++failed < 8 ? new PcException(ErrorCode.HostStorageFailed, "no") : null;
        var result = await DeployAsync();
        Assert.Equal(7, result.Candidates.Count(candidate => candidate.Verdict == Verdict.FailedToStart));
        Assert.NotNull(result.Program.SealedKeyOf(result.Host));
        var live = Assert.Single(_owner.State.Programs.Values, program => !program.Stopped);
        Assert.Equal((result.Program.Id, result.Host), (live.Id, live.Host!.Value));
    }

    // Goal: who stops a program while it is started has the last word. Method: it is stopped as the first host begins, which then fails.
    [Fact]
    public async Task What_is_stopped_while_it_is_started_is_not_started_elsewhere()
    {
        var asked = 0;
        _elm.Failure = _fir.Failure = _ =>
        {
            asked++;
            _owner.AppendAsync(new ProgramStopped(_owner.State.Programs.Keys.Single()), Token).AsTask().GetAwaiter().GetResult();
            return new InvalidOperationException("was stopped");
        };
        _swarm.Add("elm", _elm);
        _swarm.Add("fir", _fir);
        await Refused.WithAsync(ErrorCode.StoppedMeanwhile, "hello was stopped while ", () => DeployAsync());
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task When_no_host_can_start_it_nothing_is_left_behind()
    {
        _elm.Failure = _ => new PcException(ErrorCode.HostStorageFailed, "its disk is full");
        _fir.Failure = _ => new InvalidOperationException("a bug");
        _swarm.Add("elm", _elm);
        _swarm.Add("fir", _fir);
        var error = await Refused.WithAsync(ErrorCode.StartFailed, "elm: its disk is full", () => DeployAsync());
        Assert.Contains("fir: a bug", error.Message, StringComparison.Ordinal);
        Assert.All(_owner.State.Programs.Values, program => Assert.True(program.Stopped));
    }

    [Fact]
    public async Task Without_a_host_the_error_says_why_for_each_member()
    {
        _swarm.Add("elm", _elm, NoHost);
        _swarm.Add("fir", _fir).Awake = false;
        var error = await Refused.WithAsync(ErrorCode.NoHost, "no member of friends may run it now: ", () => DeployAsync());
        Assert.Contains("elm: does not host", error.Message, StringComparison.Ordinal);
        Assert.Contains("fir: asleep", error.Message, StringComparison.Ordinal);
        Assert.Empty(_owner.State.Programs);
    }

    [Fact]
    public async Task Where_a_rule_refuses_it_is_said_who_can_change_it()
    {
        _swarm.Add("elm", _elm, new ProgramHostOptions { Folder = "", Policy = () => new HostPolicy { Languages = ["nodejs"] } });
        _swarm.Add("fir", _fir, NoHost);
        var error = await Refused.WithAsync(ErrorCode.NoHost, "elm: rule languages: runs nodejs only", () => DeployAsync());
        Assert.Contains("fir: does not host", error.Message, StringComparison.Ordinal);
        Assert.Equal("ask for what the rule allows, or ask the owner of elm to change it: pc host set", error.Hint);
    }

    [Fact]
    public async Task A_host_without_the_interpreter_is_passed_over_and_told_apart()
    {
        _swarm.Folder.With("node/bot.js");
        var elm = _swarm.Add("elm", _elm);
        elm.Lacks.Add("nodejs");
        var order = new DeployOrder(_swarm.Folder["node"], Name: "node");
        var error = await Refused.WithAsync(ErrorCode.NoHost, "elm: cannot run nodejs", () => _owner.Deployer.DeployAsync(_owner, order, null, Token));
        Assert.Equal("on elm: apt-get install nodejs, then deploy again", error.Hint);

        var fir = _swarm.Add("fir", _fir);
        var result = await _owner.Deployer.DeployAsync(_owner, order, null, Token);
        Assert.Equal(fir.Self, result.Host);
        Assert.Equal(Verdict.LanguageMissing, result.Candidates.Single(candidate => candidate.Peer == elm.Self).Verdict);
        Assert.Equal(["node", "bot.js"], (await _fir.NextAsync()).Spec.Command);
    }

    [Fact]
    public async Task A_member_that_does_not_answer_delays_a_deploy_no_longer_than_its_time_out()
    {
        var (elm, fir) = (_swarm.Add("elm", _elm), _swarm.Add("fir", _fir));
        var asked = new TaskCompletionSource();
        elm.OnRequest = _ =>
        {
            asked.SetResult();
            return Task.Delay(Timeout.Infinite, Token);
        };
        var deploying = DeployAsync();
        await asked.Task;
        Assert.False(deploying.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        var result = await deploying;
        Assert.Equal(fir.Self, result.Host);
        Assert.Equal((Verdict.NoAnswer, "gave no answer in time"), result.Candidates.Where(candidate => candidate.Peer == elm.Self).Select(candidate => (candidate.Verdict, candidate.Why)).Single());
    }

    [Fact]
    public async Task A_member_that_is_not_reached_is_skipped_with_its_reason()
    {
        var elm = _swarm.Add("elm", _elm);
        _swarm.Add("fir", _fir);
        elm.OnRequest = _ => throw new IOException("the connection was reset");
        Assert.Contains((await DeployAsync()).Candidates, candidate => candidate.Why == "the connection was reset");
    }

    [Fact]
    public async Task A_named_host_gets_it_and_the_others_may_guard_it()
    {
        _swarm.Add("elm", _elm);
        var fir = _swarm.Add("fir", _fir);
        var result = await DeployAsync(fir);
        Assert.Equal(fir.Self, result.Host);
        Assert.Equal(3, result.Program.Deployed.Keys.Count);
    }

    [Fact]
    public async Task A_named_host_must_be_a_member()
    {
        await using var other = new TestSwarm();
        var stranger = other.Add("stranger", new FakeRuntime());
        await Refused.WithAsync(ErrorCode.HostUnknown, "is no member of friends", () => DeployAsync(stranger));
    }

    [Fact]
    public async Task A_guest_may_not_deploy()
    {
        _swarm.Add("elm", _elm);
        var guest = _swarm.Add("guest", new FakeRuntime(), NoHost, Role.Guest);
        var error = await Assert.ThrowsAsync<PcException>(() => guest.Deployer.DeployAsync(guest, new DeployOrder(_swarm.Folder["hello"]), null, Token));
        Assert.InRange((int)error.Code, 4000, 4999);
        Assert.Equal(0, _elm.Running);
    }

    [Fact]
    public async Task Bad_folders_are_refused_before_anybody_is_asked()
    {
        _swarm.Add("elm", _elm).OnRequest = what => throw new InvalidOperationException($"{what} should not be sent");
        await Refused.WithAsync(ErrorCode.PathNotFound, "nothing\" does not exist", () => _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["nothing"]), null, Token));
        await Refused.WithAsync(ErrorCode.PathNotFolder, "bot.py\" is a file", () => _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello/bot.py"]), null, Token));
        _swarm.Folder.With("empty/README.md");
        await Refused.WithAsync(ErrorCode.LanguageNotDetected, "bot.py", () => _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["empty"]), null, Token));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_packed_ends_the_deploy_with_nothing_written()
    {
        _swarm.Add("elm", _elm);
        File.CreateSymbolicLink(_swarm.Folder["hello/link"], "/etc/passwd");
        await Refused.WithAsync(ErrorCode.LinkRefused, "/etc/passwd", () => DeployAsync());
        Assert.Empty(_owner.State.Programs);
    }

    [Fact]
    public async Task A_cancelled_deploy_writes_nothing()
    {
        using var cancel = new CancellationTokenSource();
        _swarm.Add("elm", _elm).OnRequest = _ =>
        {
            cancel.Cancel();
            return Task.CompletedTask;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"]), null, cancel.Token));
        Assert.Empty(_owner.State.Programs);
        Assert.Equal(0, _elm.Running);
    }

    [Fact]
    public async Task An_older_version_elsewhere_ends_before_the_new_one_starts()
    {
        var (elm, fir) = (_swarm.Add("elm", _elm), _swarm.Add("fir", _fir));
        var first = await DeployAsync(elm);
        var old = await _elm.NextAsync();
        var endedBefore = false;
        fir.OnRequest = what =>
        {
            if (what == "start") endedBefore = old.Exited.IsCompleted;
            return Task.CompletedTask;
        };
        await DeployAsync(fir);
        Assert.True(endedBefore);
        Assert.Equal((0, 1), (_elm.Running, _fir.Running));
        Assert.True(_owner.State.Programs[first.Program.Id].Stopped);
    }

    [Fact]
    public async Task An_older_version_on_a_sleeping_host_is_told_as_trouble_and_ends_by_the_feed()
    {
        var (elm, fir) = (_swarm.Add("elm", _elm), _swarm.Add("fir", _fir));
        await DeployAsync(elm);
        elm.OnRequest = _ => throw new IOException("elm is not reached");
        await DeployAsync(fir);
        Assert.Contains(_progress, progress => progress.Step == DeployStep.Trouble && progress.Text.StartsWith("the older version on elm ends when", StringComparison.Ordinal));
        elm.ReceiveFrom(_owner);
        await elm.Host.ReconcileAsync(elm.State);
        Assert.Equal((0, 1), (_elm.Running, _fir.Running));
    }

    public async ValueTask DisposeAsync() => await _swarm.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Task<DeployResult> DeployAsync(TestNode? host = null) =>
        _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"], Host: host?.Self), progress => _progress.Add(progress), Token).WaitAsync(Patience.Limit, Token);
}
