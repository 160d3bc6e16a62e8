using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Deploying;

/// <summary>
/// The attack: mallory writes a deploy of its own that names oak's bundle and the keys that oak sealed, and asks a guardian to run it. As its owner,
/// mallory could then read oak's program with <c>pc exec</c>.
/// </summary>
public sealed class CopiedBundleTests : IAsyncDisposable
{
    private readonly TestSwarm _swarm = new();
    private readonly FakeRuntime _runtime = new();
    private readonly TestNode _oak;
    private readonly TestNode _elm;
    private readonly TestNode _mallory;

    public CopiedBundleTests()
    {
        var none = new ProgramHostOptions { Folder = "", Hosts = false };
        _oak = _swarm.Add("oak", new FakeRuntime(), none);
        _elm = _swarm.Add("elm", _runtime);
        _mallory = _swarm.Add("mallory", new FakeRuntime(), none);
        _swarm.Folder.With("hello/bot.py", "print('of oak')\n");
    }

    [Fact]
    public async Task A_guardian_does_not_run_another_s_bundle()
    {
        var program = (await DeployAsync()).Program;
        _mallory.ReceiveFrom(_oak);
        var copy = await CopyAsync(program.Deployed);
        await Refused.WithAsync(ErrorCode.BundleOfAnother, $"the bundle of copy is one that {_oak.Self} deployed", () => StartAsync(copy));
        Assert.Equal(1, _runtime.Running);
        Assert.Equal(program.Id, Assert.Single(_elm.Host.Programs).Spec.Id);
    }

    // A seal of version 2 needs no order of entries: it is of no use in an entry of another author, whatever that one hides.
    [Fact]
    public async Task Hiding_what_it_has_seen_gives_mallory_nothing_and_takes_nothing_from_oak()
    {
        var program = (await DeployAsync()).Program;
        var copy = await CopyAsync(program.Deployed); // mallory's feed says that it never saw oak's entry
        await Assert.ThrowsAsync<PcException>(() => StartAsync(copy));
        await _elm.RestartHostAsync();
        Assert.Equal(ProgramState.Running, (await RunningAsync(program)).State);
    }

    // Entries of earlier versions have keys of the first version, which say nothing of their owner.
    [Fact]
    public async Task A_key_of_the_first_version_opens_for_whoever_packed_the_bundle()
    {
        _elm.Seals = 1;
        var program = (await DeployAsync()).Program;
        Assert.True(BundleKey.TryOpenWithoutOwner(_elm.SealingKey, program.Swarm, program.Deployed.Bundle, program.SealedKeyOf(_elm.Self), out _));
        Assert.False(BundleKey.TryOpenWithoutOwner(_oak.SealingKey, program.Swarm, program.Deployed.Bundle, program.SealedKeyOf(_oak.Self), out _)); // oak's own is of the newest

        _mallory.ReceiveFrom(_oak);
        var copy = await CopyAsync(program.Deployed);
        await Refused.WithAsync(ErrorCode.BundleOfAnother, "the bundle of copy is one that", () => StartAsync(copy));
        await _elm.RestartHostAsync();
        Assert.Equal(ProgramState.Running, (await RunningAsync(program)).State);
    }

    [Fact]
    public async Task Nobody_gets_a_key_of_the_first_version_when_it_cannot_be_told_who_packed_the_bundle()
    {
        _elm.Seals = 1;
        var program = (await DeployAsync()).Program;
        var copy = await CopyAsync(program.Deployed);
        await Refused.WithAsync(ErrorCode.BundleOfAnother, "the bundle of copy is one that", () => StartAsync(copy));
        var hello = ProgramSpec.Of(program.Swarm, _elm.State.Programs[program.Id]);
        Assert.Equal(_mallory.Self, hello.BundleClaimedBy);
        Assert.Equal(ErrorCode.BundleOfAnother, Assert.Throws<PcException>(() => BundleKey.Open(_elm.SealingKey, _elm.Self, hello)).Code);
        using var key = BundleKey.Open(_oak.SealingKey, _oak.Self, hello); // its owner deploys it again
    }

    [Fact]
    public async Task Keys_that_are_given_to_guardians_later_are_of_their_program_too()
    {
        var program = (await DeployAsync()).Program;
        _mallory.ReceiveFrom(_oak);
        var copy = await CopyAsync(program.Deployed with { Keys = [], Guardians = [_elm.Self] });
        var later = copy with { LaterKeys = program.Deployed.Keys, BundleClaimedBy = null };
        Assert.Equal(ErrorCode.BundleKeyMissing, Assert.Throws<PcException>(() => BundleKey.Open(_elm.SealingKey, _elm.Self, later)).Code);
    }

    public ValueTask DisposeAsync() => _swarm.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Task<DeployResult> DeployAsync() => _oak.Deployer.DeployAsync(_oak, new DeployOrder(_swarm.Folder["hello"]), null, Token);

    private async Task<ProgramSpec> CopyAsync(ProgramDeployed deployed)
    {
        var id = await _mallory.AppendDeployedAsync(deployed with { Name = "copy" }, _elm.Self, null, Token);
        return ProgramSpec.Of(_mallory.State.Id, _mallory.State.Programs[id]);
    }

    // As a host is asked over the mesh: it reads the program from its own state.
    private async Task StartAsync(ProgramSpec copy)
    {
        _elm.ReceiveFrom(_mallory);
        await _elm.Host.StartAsync(ProgramSpec.Of(copy.Swarm, _elm.State.Programs[copy.Id]), Token);
    }

    private async Task<ProgramStatus> RunningAsync(ProgramSpec program)
    {
        while (true)
        {
            var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            void OnChanged() => changed.TrySetResult();
            _elm.Host.Changed += OnChanged;
            if (_elm.Host.Programs.FirstOrDefault(status => status.Spec.Id == program.Id) is { State: ProgramState.Running } running) return running;
            await changed.Task.WaitAsync(TimeSpan.FromSeconds(60), Token);
            _elm.Host.Changed -= OnChanged;
        }
    }
}
