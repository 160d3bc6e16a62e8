using System.Collections.Concurrent;
using System.Threading.Channels;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Hosting;

/// <summary>A host whose leases a test gives and takes: a program runs only while its lease is held, and what ran is told.</summary>
public sealed class LeasedProgramTests : IAsyncDisposable
{
    private readonly FakeRuntime _runtime = new();
    private readonly TestSwarm _swarm = new() { Time = new ManualTime() };
    private readonly HandLeases _leases = new();
    private readonly Channel<RunNote> _notes = Channel.CreateUnbounded<RunNote>();
    private readonly TestNode _owner;
    private readonly TestNode _host;

    public LeasedProgramTests()
    {
        _owner = _swarm.Add("owner", new FakeRuntime(), new ProgramHostOptions { Folder = "", Hosts = false });
        _host = _swarm.Add("host", _runtime, leases: _leases);
        _host.Host.Noted += note => _notes.Writer.TryWrite(note);
        _swarm.Folder.With("hello/bot.py");
    }

    [Fact]
    public async Task A_program_is_unpacked_while_its_lease_is_asked_for_and_starts_when_it_is_held()
    {
        var deploying = DeployAsync();
        var wish = await _leases.WishAsync();
        Assert.False(_runtime.HasMore);
        Assert.Equal(ProgramState.Starting, Assert.Single(_host.Host.Programs).State);
        wish.Grant(7);
        await _runtime.NextAsync();
        var program = await deploying;
        var note = await NextNoteAsync();
        Assert.Equal((program.Id, 7UL, (RunEnd?)null), (note.Spec.Id, note.Epoch, note.End));
    }

    [Fact]
    public async Task A_lost_lease_ends_it_before_the_call_returns()
    {
        var (program, run) = await RunAsync(3);
        var revoked = _host.Host.RevokeAsync(program.Id, "its lease is lost", RunEnd.LeaseLost);
        Assert.Equal(TimeSpan.Zero, run.StopGrace);
        Assert.True(await revoked);
        Assert.Equal(0, _runtime.Running);
        await NextNoteAsync();
        var note = await NextNoteAsync();
        Assert.Equal((3UL, RunEnd.LeaseLost, "its lease is lost", 143), (note.Epoch, note.End, note.Detail, note.ExitCode));
    }

    [Fact]
    public async Task A_lease_that_is_over_freezes_it_before_the_call_returns()
    {
        var (program, run) = await RunAsync(3);
        _host.Host.Freeze(program.Id);
        Assert.True(run.IsFrozen);
        Assert.Null(run.StopGrace);
        _host.Host.Thaw(program.Id); // it was good after all
        Assert.False(run.IsFrozen);
        _host.Host.Freeze(program.Id);
        Assert.True(await _host.Host.RevokeAsync(program.Id, "its lease is lost", RunEnd.LeaseLost));
        Assert.Equal(TimeSpan.Zero, run.StopGrace); // without another instruction
        _host.Host.Freeze(program.Id); // it has ended
    }

    [Fact]
    public async Task A_lease_that_is_lost_while_the_process_is_launched_ends_it_too()
    {
        var gate = new TaskCompletionSource();
        _runtime.Gate = gate.Task;
        var deploying = DeployAsync();
        (await _leases.WishAsync()).Grant(1);
        await _runtime.Asked.Task.WaitAsync(Patience.Limit, Token);
        var revoked = _host.Host.RevokeAsync(Deployed().Id, "its lease is lost", RunEnd.LeaseLost);
        gate.SetResult();
        var run = await _runtime.NextAsync();
        Assert.True(await revoked);
        Assert.Equal(TimeSpan.Zero, run.StopGrace);
        await Assert.ThrowsAnyAsync<Exception>(() => deploying);
    }

    [Fact]
    public async Task A_lease_that_is_lost_while_it_ends_by_itself_shortens_its_time()
    {
        _runtime.Stubborn = true;
        var (program, run) = await RunAsync(3);
        var handed = _host.Host.StopAsync(program.Id, "is handed over", RunEnd.HandedOver);
        await run.Stopping;
        Assert.Equal(TimeSpan.FromSeconds(10), run.StopGrace);
        await _host.Host.RevokeAsync(program.Id, "its lease is lost", RunEnd.LeaseLost);
        await handed;
        Assert.Equal(TimeSpan.Zero, run.StopGrace);
        await NextNoteAsync();
        Assert.Equal(RunEnd.HandedOver, (await NextNoteAsync()).End); // who stopped it first says why
    }

    [Fact]
    public async Task A_start_whose_lease_cannot_be_had_fails_and_runs_nothing()
    {
        var deploying = DeployAsync();
        (await _leases.WishAsync()).Refuse(new PcException(ErrorCode.HostRefuses, "no majority of its guardians answers"));
        await Refused.WithAsync(ErrorCode.StartFailed, "no majority of its guardians answers", () => deploying);
        Assert.False(_runtime.HasMore);
        Assert.Empty(_host.Host.Programs);
        var note = await NextNoteAsync();
        Assert.Equal((RunEnd.StartFailed, 0UL), (note.End, note.Epoch));
        Assert.NotNull(_host.Host.WhyNot(ProgramSpec.Of(_owner.State.Id, Deployed())));
    }

    [Fact]
    public async Task What_is_held_here_and_placed_elsewhere_runs_here()
    {
        var (program, run) = await RunAsync(3);
        await _owner.AppendAsync(new ProgramPlaced(program.Id, _owner.Self, 2), Token);
        _host.ReceiveFrom(_owner);
        await _host.Host.ReconcileAsync(_host.State);
        Assert.Equal(1, _runtime.Running); // whoever holds the leases hands it over

        _leases.Held.Clear();
        await _host.Host.ReconcileAsync(_host.State);
        Assert.Equal(0, _runtime.Running);
        Assert.True(run.Exited.IsCompleted);
        _leases.Held[program.Id] = 9;
        await _host.Host.ReconcileAsync(_host.State);
        (await _leases.WishAsync()).Grant(9);
        await _runtime.NextAsync();
    }

    [Fact]
    public async Task What_finishes_says_so()
    {
        var (_, run) = await RunAsync(2);
        run.Exit(0);
        await NextNoteAsync();
        var note = await NextNoteAsync();
        Assert.Equal((RunEnd.Finished, 0), (note.End, note.ExitCode));
    }

    [Fact]
    public async Task A_crash_is_not_the_end_of_a_run()
    {
        var (_, run) = await RunAsync(2);
        await NextNoteAsync();
        run.Exit(1);
        await RestartingAsync();
        Assert.False(_notes.Reader.TryPeek(out _));
        ((ManualTime)_swarm.Time).Advance(TimeSpan.FromSeconds(2));
        await _runtime.NextAsync();
        Assert.False(_notes.Reader.TryPeek(out _));
    }

    // Goal: a host whose Docker died gives its program to one whose Docker lives. Here: it says so; a crash of the program itself is not said.
    [Fact]
    public async Task That_the_runtime_cannot_start_it_again_is_told()
    {
        var told = new List<string>();
        _host.Host.NotStarted += (spec, why) => told.Add($"{spec.Name}: {why}");
        var (program, run) = await RunAsync(2);
        run.Exit(1);
        await RestartingAsync();
        ((ManualTime)_swarm.Time).Advance(TimeSpan.FromSeconds(2));
        run = await _runtime.NextAsync();
        Assert.Empty(told);

        _runtime.Failure = _ => new PcException(ErrorCode.DockerUnreachable, "no Docker answers");
        run.Exit(137, RunExitReason.Signalled);
        await RestartingAsync();
        ((ManualTime)_swarm.Time).Advance(TimeSpan.FromSeconds(4));
        await Patience.UntilAsync(() => told.Count > 0, changed => _host.Host.Changed += changed, changed => _host.Host.Changed -= changed);
        Assert.Equal([$"{program.Name}: no Docker answers"], told);
    }

    public async ValueTask DisposeAsync() => await _swarm.DisposeAsync();

    private Task RestartingAsync() => Patience.UntilAsync(() => _host.Host.Programs[0].State == ProgramState.Restarting, changed => _host.Host.Changed += changed, changed => _host.Host.Changed -= changed);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private SwarmProgram Deployed() => _owner.State.Programs.Values.Single();

    private async Task<ProgramSpec> DeployAsync() =>
        (await _owner.Deployer.DeployAsync(_owner, new DeployOrder(_swarm.Folder["hello"]), null, Token).WaitAsync(Patience.Limit)).Program;

    private async Task<(ProgramSpec Program, FakeRun Run)> RunAsync(ulong epoch)
    {
        var deploying = DeployAsync();
        (await _leases.WishAsync()).Grant(epoch);
        var run = await _runtime.NextAsync();
        return (await deploying, run);
    }

    private Task<RunNote> NextNoteAsync() => _notes.Reader.ReadAsync(Token).AsTask().WaitAsync(Patience.Limit);

    /// <summary>Leases that a test gives and takes.</summary>
    private sealed class HandLeases : IProgramLeases
    {
        private readonly Channel<Wish> _wishes = Channel.CreateUnbounded<Wish>();

        public ConcurrentDictionary<EntryHash, ulong> Held { get; } = new();

        public ulong? EpochOf(SwarmProgram program) => Held.TryGetValue(program.Id, out var epoch) ? epoch : null;

        public async Task<ulong> AcquireAsync(ProgramSpec program, CancellationToken cancellationToken)
        {
            var wish = new Wish();
            _wishes.Writer.TryWrite(wish);
            var epoch = await wish.Answer.WaitAsync(cancellationToken);
            Held[program.Id] = epoch;
            return epoch;
        }

        public Task<Wish> WishAsync() => _wishes.Reader.ReadAsync(Token).AsTask().WaitAsync(Patience.Limit);
    }

    private sealed class Wish
    {
        private readonly TaskCompletionSource<ulong> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<ulong> Answer => _answer.Task;

        public void Grant(ulong epoch) => _answer.SetResult(epoch);

        public void Refuse(Exception why) => _answer.SetException(why);
    }
}
