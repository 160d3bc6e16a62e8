using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Schedules;

/// <summary>
/// Starts the scheduled programs whose leases this node holds, each time once in the whole swarm (docs/protocols/schedules.md): one
/// <see cref="ScheduleRunner"/> a program under one lock, its claims over the mesh, its times by the ordinary clock. Thread-safe.
/// </summary>
internal sealed class ScheduleService : IAsyncDisposable
{
    private static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(4);
    private const int MaxUnderWayPerPeer = 64;

    private readonly SwarmRegistry _swarms;
    private readonly ProgramHost _host;
    private readonly LeaseService _leases;
    private readonly MeshClient _client;
    private readonly ScheduleBook _book;
    private readonly ulong _life;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Outbox<PeerId> _outbox;
    private readonly Lock _gate = new();
    private readonly Dictionary<EntryHash, Scheduled> _programs = [];
    private readonly Channel<bool> _looks = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly ITimer _alarm;
    private bool _disposed;

    /// <summary>Makes the service; it starts nothing before <see cref="RunAsync"/>.</summary>
    /// <param name="swarms">The swarms.</param>
    /// <param name="host">Runs the programs.</param>
    /// <param name="leases">Which of them this node may run.</param>
    /// <param name="client">Asks guardians.</param>
    /// <param name="book">What this node keeps as a guardian.</param>
    /// <param name="life">A random number of this start.</param>
    /// <param name="boot">CLOCK_BOOTTIME, so that a machine that wakes looks at once.</param>
    /// <param name="time">The ordinary clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public ScheduleService(SwarmRegistry swarms, ProgramHost host, LeaseService leases, MeshClient client, ScheduleBook book, ulong life, TimeProvider boot, TimeProvider time, ILogger logger)
    {
        (_swarms, _host, _leases, _client, _book, _life, _time, _logger) = (swarms, host, leases, client, book, life, time, logger);
        _outbox = new Outbox<PeerId>(MaxUnderWayPerPeer, e => DaemonLog.RequestFailed(logger, "claiming a time of a program", e));
        host.Changed += LookSoon;
        host.DueEnded += Ended;
        _alarm = boot.CreateTimer(_ => LookSoon(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How claims and runs are timed; for tests.</summary>
    public ScheduleOptions Options { get; init; } = new();

    /// <summary>Starts programs at their times until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _book.Forget((swarm, program) => _swarms.Find(swarm) is not { } local || local.State.Programs.GetValueOrDefault(program) is { Stopped: true });
        do Look();
        while (await _looks.Reader.ReadAsync(cancellationToken));
    }

    /// <summary>Looks soon; for whoever has no time.</summary>
    public void LookSoon() => _looks.Writer.TryWrite(true);

    /// <summary>What became of the last time of a program, as far as this node knows; null when none has come.</summary>
    public ScheduledRun? LastOf(EntryHash program) => _book.Of(program).Runs is [.., var last] ? last : null;

    /// <summary>What this node keeps of a program.</summary>
    public ScheduleRecord RecordOf(EntryHash program) => _book.Of(program);

    /// <summary>The latest time that this node granted or heard of, with those of earlier generations.</summary>
    public long LatestOf(SwarmProgram program) => program.Deployed.Manifest.Schedule is null ? 0 : Math.Max(_book.LatestOf(program.Id), program.ScheduleFloor);

    /// <summary>A guardian asks for a time, or tells how one ended.</summary>
    public ScheduleAnswer Judge(LocalSwarm swarm, PeerId from, ScheduleClaim claim) => _book.Judge(swarm.Id, claim, from, () => SightOf(swarm, claim.Program));

    /// <summary>Looks at everything anew: leases, processes, the time.</summary>
    public void Look()
    {
        lock (_gate)
        {
            if (_disposed) return;
            foreach (var status in _host.Programs)
            {
                if (status.Spec.Deployed.Manifest.Schedule is not { } text || _programs.ContainsKey(status.Spec.Id) || CronSchedule.TryParse(text) is not { } schedule) continue;
                _programs[status.Spec.Id] = new Scheduled(status.Spec, new ScheduleRunner(status.Spec.Id, schedule.NextAfter, _swarms.Self, _life, Options));
            }
            foreach (var program in _programs.Values.ToList())
            {
                HandleLocked(program, new ScheduleInput.Holds(HoldOf(program), _book.Of(program.Spec.Id)));
                if (StateOf(program.Spec) is null or { Stopped: true }) _programs.Remove(program.Spec.Id);
            }
            SetAlarmLocked();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.Changed -= LookSoon;
        _host.DueEnded -= Ended;
        lock (_gate) _disposed = true;
        await _alarm.DisposeAsync();
        await _outbox.DisposeAsync();
    }

    private ScheduleSight SightOf(LocalSwarm swarm, EntryHash id)
    {
        var (leases, now) = (_leases.Of(swarm.Id), _time.GetUtcNow());
        return leases is not null && swarm.State.Programs.GetValueOrDefault(id) is { Stopped: false } program
            ? new ScheduleSight(_swarms.Self, program.GuardianGeneration, program.Guardians, leases.IsSealed(program), leases.ViewOf(id)?.Holder, program.ScheduleFloor, now)
            : new ScheduleSight(_swarms.Self, 0, [], true, null, 0, now);
    }

    private SwarmProgram? StateOf(ProgramSpec spec) => _swarms.Find(spec.Swarm)?.State.Programs.GetValueOrDefault(spec.Id);

    // It is held when this node has its lease and has it in its place: it waits, or a process of it runs.
    private ScheduleHold? HoldOf(Scheduled program)
    {
        if (StateOf(program.Spec) is not { Stopped: false } known || _leases.Of(program.Spec.Swarm)?.Held.GetValueOrDefault(known.Id) is not { IsEnding: false } held) return null;
        if (_host.StateSincePlaced(known.Id) is not { } state) return null;
        return new ScheduleHold(known.GuardianGeneration, known.Guardians, held.Alone, known.WhenAlone == WhenAlone.Run, state != ProgramState.Scheduled && program.Running is null, known.DeployedAt, known.ScheduleFloor);
    }

    private void HandleLocked(Scheduled program, ScheduleInput input)
    {
        foreach (var effect in program.Runner.Handle(input, _time.GetUtcNow()))
        {
            switch (effect)
            {
                case ScheduleEffect.Ask { Claim.Due: null } told when told.To == _swarms.Self:
                    JudgeOwn(program.Spec, told.Claim); // at once: the daemon may be stopping
                    _outbox.TryRun(told.To, _ =>
                    {
                        _swarms.Say(); // how the last time ended is a part of presence
                        return Task.CompletedTask;
                    });
                    break;
                case ScheduleEffect.Ask ask:
                    _outbox.TryRun(ask.To, stopping => AskAsync(program, ask, stopping));
                    break;
                case ScheduleEffect.Run run:
                    RunLocked(program, run);
                    break;
                case ScheduleEffect.Tell tell:
                    _host.Say(program.Spec.Id, $"{Text(tell.Not.Due)} {WordOf(tell.Not.Result)}: {tell.Not.Detail}");
                    break;
                case ScheduleEffect.WakeAt wake:
                    program.Wake = wake.At;
                    break;
            }
        }
    }

    private void RunLocked(Scheduled program, ScheduleEffect.Run run)
    {
        if (run.Alone) _host.Say(program.Spec.Id, $"{Text(run.Due)}: most of its guardians cannot be reached; another host may run this time too");
        program.Running = run.Due;
        // The lease is looked at last: what ends it ends the run too.
        if (HoldOf(program) is not null && _host.RunDue(program.Spec.Id, run.Due, $"starting for {Text(run.Due)}")) return;
        var now = _time.GetUtcNow();
        EndLocked(program, new ScheduledRun(run.Due, _swarms.Self, ScheduledResult.Failed, null, TimeSpan.Zero, $"could not be started at {now.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture)}: it was not ready"));
    }

    private void Ended(DueEnd end)
    {
        lock (_gate)
        {
            if (_disposed || !_programs.TryGetValue(end.Spec.Id, out var program) || program.Running != end.Due) return;
            EndLocked(program, new ScheduledRun(end.Due, _swarms.Self, end.Result, end.Began, end.Took, end.Detail));
            SetAlarmLocked();
        }
    }

    private void EndLocked(Scheduled program, ScheduledRun run)
    {
        program.Running = null;
        HandleLocked(program, new ScheduleInput.Ended(run));
    }

    private async Task AskAsync(Scheduled program, ScheduleEffect.Ask ask, CancellationToken stopping)
    {
        ScheduleAnswer? answer;
        try
        {
            answer = ask.To == _swarms.Self ? JudgeOwn(program.Spec, ask.Claim) : await AskOtherAsync(program.Spec, ask, stopping);
        }
        catch (PcException e)
        {
            DaemonLog.NotReached(_logger, ask.To, e.Message); // asked again while it is worth it
            return;
        }
        if (answer is null || ask.Claim.Due is not { } due) return;
        lock (_gate)
        {
            if (_disposed) return;
            HandleLocked(program, new ScheduleInput.Answered(ask.To, due, answer));
            SetAlarmLocked();
        }
    }

    private ScheduleAnswer? JudgeOwn(ProgramSpec spec, ScheduleClaim claim) => _swarms.Find(spec.Swarm) is { } swarm ? Judge(swarm, _swarms.Self, claim) : null;

    private async Task<ScheduleAnswer?> AskOtherAsync(ProgramSpec spec, ScheduleEffect.Ask ask, CancellationToken stopping)
    {
        var body = await _client.PostAsync(ask.To, ProgramMesh.PathOf(spec.Swarm, spec.Id, "claim"), ask.Claim.Encode(), ScheduleAnswer.MaxBytes, stopping, AskTimeout);
        return ScheduleAnswer.TryDecode(body, out var answer) ? answer : null;
    }

    private void SetAlarmLocked()
    {
        if (_disposed) return;
        DateTimeOffset? first = null;
        foreach (var program in _programs.Values.Where(program => program.Wake is not null && (first is null || program.Wake < first))) first = program.Wake;
        var wait = first is { } at ? at - _time.GetUtcNow() : Timeout.InfiniteTimeSpan;
        _alarm.Change(wait == Timeout.InfiniteTimeSpan || wait > TimeSpan.Zero ? wait : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private static string Text(long due) => DateTimeOffset.FromUnixTimeSeconds(due).ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string WordOf(ScheduledResult result) => result == ScheduledResult.Skipped ? "was skipped" : "was lost";

    private sealed class Scheduled(ProgramSpec spec, ScheduleRunner runner)
    {
        public ProgramSpec Spec => spec;

        public ScheduleRunner Runner => runner;

        /// <summary>The time for which it runs here.</summary>
        public long? Running { get; set; }

        public DateTimeOffset? Wake { get; set; }
    }
}
