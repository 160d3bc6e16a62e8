using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Programs.Languages;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>A program on this host and how it is.</summary>
/// <param name="Spec">The program.</param>
/// <param name="State">What it does.</param>
/// <param name="Detail">More about the state; null when there is nothing to say.</param>
/// <param name="Restarts">How often it was started again after a crash.</param>
public sealed record ProgramStatus(ProgramSpec Spec, ProgramState State, string? Detail, int Restarts);

/// <summary>
/// The shell around one <see cref="ProgramSupervisor"/>: carries out its effects with the bundle, the runtime, the log and the
/// clock, and feeds it what comes of them, one input at a time. Thread-safe.
/// </summary>
internal sealed class HostedProgram : IDisposable
{
    private readonly Workplace _workplace;
    private readonly ProgramSupervisor _supervisor;
    private readonly IRuntime _runtime;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action _changed;
    private readonly Func<CancellationToken, Task<ulong>> _acquireLease;
    private readonly Func<Task> _beforeFirstLaunch;
    private readonly IProgramData? _programData;
    private readonly Channel<SupervisorInput> _inputs = Channel.CreateUnbounded<SupervisorInput>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _preparing = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _firstStart = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _still = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _work = [];
    private readonly ConcurrentDictionary<MeteredStream, bool> _open = [];
    private readonly ConcurrentQueue<(EntryHash Entry, TaskCompletionSource Done)> _restartsAsked = new();
    private readonly List<TaskCompletionSource> _restartsBegun = []; // used by the loop only
    private (EntryHash? Entry, Task Done) _restart = (null, Task.CompletedTask);
    private Exception? _failure;
    private ITimer? _alarm;
    private IRun? _run;
    private Task _freezing = Task.CompletedTask;
    private long _runBegan;
    private long _passed; // when bytes went through one of its ports last
    private long _until; // ticks since boot, 0 while nothing was said
    private IProgramDataRun? _data;
    private Task<ulong>? _lease; // asked for, and not waited for yet
    private bool _launchedOnce; // under its lease, and what it replaces has ended
    private bool _disposed;
    private long? _due; // the time for which it runs; used by the loop only
    private DueEnd? _dueEnd; // not told yet
    private DateTimeOffset? _began;

    /// <summary>Makes the program; <see cref="RunAsync"/> starts it.</summary>
    /// <param name="workplace">Its folder, log and bundle.</param>
    /// <param name="policy">When it is started again.</param>
    /// <param name="random">For the jitter of pauses; this program's own.</param>
    /// <param name="runtime">Runs it.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">For what nobody foresaw.</param>
    /// <param name="changed">Called after each change of <see cref="Status"/>.</param>
    /// <param name="acquireLease">Has the lease and answers its epoch; called when its bundle begins to be fetched, so that no other guardian takes it meanwhile.</param>
    /// <param name="beforeFirstLaunch">Ends an older version, when the bundle is unpacked and the lease is held, before the process starts.</param>
    /// <param name="data">Keeps the data of programs that have some; null where nothing does.</param>
    public HostedProgram(Workplace workplace, RestartPolicy policy, Random random, IRuntime runtime, TimeProvider time, ILogger logger, Action changed, Func<CancellationToken, Task<ulong>> acquireLease, Func<Task> beforeFirstLaunch, IProgramData? data = null)
    {
        _programData = data;
        _workplace = workplace;
        _supervisor = new ProgramSupervisor(policy, random, scheduled: workplace.Spec.Deployed.Manifest.Schedule is not null);
        _runtime = runtime;
        _time = time;
        _logger = logger;
        _changed = changed;
        _acquireLease = acquireLease;
        _beforeFirstLaunch = beforeFirstLaunch;
        LastRestart = workplace.Spec.LastRestart;
        Status = new ProgramStatus(workplace.Spec, ProgramState.Starting, null, 0);
        Meter = new RunMeter(time);
    }

    /// <summary>Called when the host's runtime could not start it again after it had run here, though it is tried further; quick.</summary>
    public Action<string>? RuntimeFailed { get; init; }

    /// <summary>The program.</summary>
    public ProgramSpec Spec => _workplace.Spec;

    /// <summary>Its log.</summary>
    public LogStore Log => _workplace.Log;

    /// <summary>How it is now; a snapshot.</summary>
    public ProgramStatus Status { get; private set; }

    /// <summary>What it uses now; null when no process of it runs.</summary>
    public RunUsage? Usage => _run is { Exited.IsCompleted: false } run ? run.Usage() : null;

    /// <summary>Whether it is over: it does nothing any more.</summary>
    public bool IsOver => Ended.IsCompleted;

    /// <summary>The epoch of the lease under which it runs; null before it was launched for the first time.</summary>
    public ulong? Epoch { get; private set; }

    /// <summary>How old the data was with which it began; null when it has none, or has not begun yet.</summary>
    public DataAge? DataAge => _data?.Age;

    /// <summary>How its last process ended; null while none has.</summary>
    public RunExit? LastExit { get; private set; }

    /// <summary>What it took so far, all its processes together; a snapshot.</summary>
    public RunMeter Meter { get; }

    /// <summary>Why it does not run here any more, as the first who stopped it said; null while it is not stopped.</summary>
    public RunEnd? EndedFor { get; private set; }

    /// <summary>Whether it ended by itself with exit code 0; known when it is over.</summary>
    public bool Finished { get; private set; }

    /// <summary>Completes when it runs for the first time; fails with the reason when the first attempt failed or it was stopped before.</summary>
    public Task FirstStart => _firstStart.Task;

    /// <summary>Completes when its first process runs; never when none ever does.</summary>
    public Task Begun => _begun.Task;

    /// <summary>Completes when nothing of it runs or will run, and its data is handed over: another program may take its place.</summary>
    public Task Still => _still.Task;

    /// <summary>Completes when it is over and nothing of it is left but its log.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Completes when it is over and that was told; set by its host.</summary>
    public Task Told { get; set; } = Task.CompletedTask;

    /// <summary>Told of each run that <see cref="RunDue"/> asked for when it is over, or did not begin; on any thread, and quickly.</summary>
    public Action<DueEnd>? DueEnded { get; init; }

    /// <summary>Whether it has waited for a time of its schedule.</summary>
    public bool HasRested { get; private set; }

    /// <summary>Starts a scheduled program for a time, if it waits for one; <see cref="DueEnded"/> follows when this is true.</summary>
    public bool RunDue(long due, string why) => Status.State == ProgramState.Scheduled && _inputs.Writer.TryWrite(new SupervisorInput.Due(due, why));

    /// <summary>Says until when its lease lets it run, as time since boot; also for processes that are started later. Null: nobody else may run it.</summary>
    public void RunsUntil(TimeSpan? sinceBoot)
    {
        Interlocked.Exchange(ref _until, sinceBoot?.Ticks ?? 0);
        _run?.RunsUntil(sinceBoot);
    }

    /// <summary>Starts it; call once.</summary>
    public void Start(bool resumed)
    {
        _inputs.Writer.TryWrite(new SupervisorInput.Begin(resumed));
        Ended = RunAsync();
    }

    /// <summary>Stops it for good; <see cref="Ended"/> completes when it has ended.</summary>
    /// <param name="why">For its log.</param>
    /// <param name="end">For the feed.</param>
    /// <param name="grace">How long it may take to end by itself; null for what the policy says. Zero ends it before this returns, as far as the runtime can.</param>
    public void Stop(string why, RunEnd end = RunEnd.Stopped, TimeSpan? grace = null)
    {
        EndedFor ??= end;
        _inputs.Writer.TryWrite(new SupervisorInput.Stop(why, grace));
        lock (_stopping)
        {
            if (!_disposed) _stopping.Cancel();
        }
        // A lease that is lost leaves no time for a queue.
        if (grace == TimeSpan.Zero && _run is { } run) Work(EndRunAsync(run, TimeSpan.Zero));
    }

    /// <summary>It has done nothing since a moment, by the wall clock: its host slept, and its lease ended meanwhile. Say it before <see cref="Stop"/>.</summary>
    public void StoodStillSince(DateTimeOffset moment) => StillSince ??= moment;

    /// <summary>Since when it has done nothing, when that is not since it ended.</summary>
    public DateTimeOffset? StillSince { get; private set; }

    /// <summary>Lets its process do nothing more until it is stopped, or <see cref="Thaw"/>.</summary>
    public void Freeze()
    {
        if (Current is { } run) Work(_freezing = TryAsync(async () => await run.FreezeAsync()));
    }

    /// <summary>Ends <see cref="Freeze"/>.</summary>
    public void Thaw()
    {
        if (Current is not { } run) return;
        var freezing = _freezing;
        Work(TryAsync(async () =>
        {
            await freezing;
            await run.ThawAsync();
        }));
    }

    /// <summary>
    /// Starts it again, wherever it is between its starts; completes when the new process runs, fails with the reason when it cannot be
    /// started or is over before. A restart that was asked for already is waited for. Call it under a lock.
    /// </summary>
    /// <param name="restart">The entry that asks for it.</param>
    /// <param name="why">What its log says of it.</param>
    public Task RestartAsync(EntryHash restart, string why)
    {
        if (_restart.Entry == restart || LastRestart == restart) return _restart.Done;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = done.Task.ContinueWith(static task => task.Exception, TaskScheduler.Default); // Nobody may be waiting for it.
        _restart = (restart, done.Task);
        _restartsAsked.Enqueue((restart, done));
        if (!_inputs.Writer.TryWrite(new SupervisorInput.Restart(why))) done.TrySetException(OverBefore("restarted"));
        return done.Task;
    }

    /// <summary>Its process; null when none runs now.</summary>
    public IRun? Current => _run is { Exited.IsCompleted: false } run ? run : null;

    /// <summary>What its process has taken until now; null when none runs.</summary>
    public UsageSample? Sample() => Current is { } run ? new UsageSample(run, run.Usage(), _time.GetTimestamp(), _runBegan) : null;

    /// <summary>The last restart that it has done, is doing, or was started after; one that came when it was over is none of them.</summary>
    public EntryHash? LastRestart { get; private set; }

    /// <summary>Connects to a port of its process, see <see cref="IRun.ConnectAsync"/>; null when none runs now.</summary>
    public async Task<Stream?> ConnectAsync(int port, CancellationToken cancellationToken) =>
        _run is { Exited.IsCompleted: false } run ? Open(await run.ConnectAsync(port, cancellationToken)) : null;

    /// <summary>Whether somebody waits for an answer of one of its ports, or may have asked something that is on its way: a connection is open, and something passed a moment ago.</summary>
    /// <param name="quiet">How long a moment is.</param>
    /// <param name="since">From when on it is counted, at the earliest.</param>
    public bool IsAsked(TimeSpan quiet, long since) =>
        Current is not null && !_open.IsEmpty && (_open.Keys.Any(connection => connection.IsAsked) || _time.GetElapsedTime(Math.Max(since, Interlocked.Read(ref _passed))) < quiet);

    /// <summary>Opens a way for datagrams to a port of its process, see <see cref="IRun.OpenDatagramsAsync"/>; null when none runs now.</summary>
    public async Task<IDatagramChannel?> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => Current is { } run ? new MeteredDatagrams(await run.OpenDatagramsAsync(port, cancellationToken), Meter) : null;

    /// <summary>Frees the alarm; a program does this itself when it is over.</summary>
    public void Dispose()
    {
        _alarm?.Dispose();
        _preparing.Dispose();
        lock (_stopping)
        {
            _disposed = true;
            _stopping.Dispose();
        }
    }

    private MeteredStream Open(Stream connection)
    {
        var open = new MeteredStream(connection, Meter, () => Interlocked.Exchange(ref _passed, _time.GetTimestamp()), closed => _open.TryRemove(closed, out _));
        _open[open] = true;
        return open;
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        var over = false;
        while (!over)
        {
            var input = await _inputs.Reader.ReadAsync(CancellationToken.None);
            if (input is SupervisorInput.Due due) TakeDue(due.Time);
            foreach (var effect in _supervisor.Handle(input, _time.GetUtcNow())) over |= CarryOut(effect);
            FollowRestarts(input);
            Publish();
            TellDue();
        }
        _inputs.Writer.Complete();
        EndDue(ScheduledResult.Failed, _supervisor.Detail);
        while (_inputs.Reader.TryRead(out var late))
        {
            if (late is SupervisorInput.Due due) TakeDue(due.Time);
            TellDue();
        }
        TellDue();
        EndRestarts(_failure ?? OverBefore("restarted"));
        while (_restartsAsked.TryDequeue(out var late)) late.Done.TrySetException(OverBefore("restarted"));
        await HandDataOverAsync();
        _still.SetResult();
        await AllWork();
        Dispose();
        _workplace.CleanUp();
        _firstStart.TrySetException(_failure ?? OverBefore("started"));
        _ = _firstStart.Task.Exception; // Nobody may be waiting for it.
        _changed();
    }

    // Before anybody hears that it is over: the next host begins with what is handed over here.
    private async Task HandDataOverAsync()
    {
        if (_data is null) return;
        try
        {
            await _data.DisposeAsync();
        }
        catch (Exception failed)
        {
            Failed(failed);
        }
    }

    private bool CarryOut(SupervisorEffect effect)
    {
        switch (effect)
        {
            case SupervisorEffect.Prepare:
                Work(PrepareAsync());
                break;
            case SupervisorEffect.CancelPrepare:
                _preparing.Cancel();
                break;
            case SupervisorEffect.TakePlace:
                Work(TakePlaceAsync());
                break;
            case SupervisorEffect.RunOver over:
                var (ok, why) = over.Exit is { } exit ? (ProgramSupervisor.IsSuccess(exit), ProgramSupervisor.Described(exit)) : (false, over.Why);
                EndDue(ok ? ScheduledResult.Ok : ScheduledResult.Failed, ok ? null : why);
                break;
            case SupervisorEffect.Launch:
                Work(LaunchAsync());
                break;
            case SupervisorEffect.EndRun end:
                Work(EndRunAsync(_run!, end.Grace));
                break;
            case SupervisorEffect.SetAlarm alarm:
                _alarm?.Dispose();
                _alarm = _time.CreateTimer(_ => Post(new SupervisorInput.Alarm(alarm.Number)), null, alarm.After, Timeout.InfiniteTimeSpan);
                break;
            case SupervisorEffect.Say say:
                Log.Say(say.Text);
                break;
            case SupervisorEffect.Over end:
                Finished = end.Finished;
                if (Finished) _workplace.Mark(LastRestart); // before anybody is told
                return true;
        }
        return false;
    }

    // Somebody may have started it by hand, or ended it, at this moment.
    private void TakeDue(long due)
    {
        if (_supervisor.State == ProgramState.Scheduled) (_due, _began) = (due, null);
        else if (_supervisor.State == ProgramState.Stopped) _dueEnd = new DueEnd(Spec, due, ScheduledResult.Failed, null, TimeSpan.Zero, _supervisor.Detail);
        else _dueEnd = new DueEnd(Spec, due, ScheduledResult.Skipped, null, TimeSpan.Zero, "it was running");
    }

    private void EndDue(ScheduledResult result, string? detail)
    {
        if (_due is not { } due) return;
        _due = null;
        _dueEnd = new DueEnd(Spec, due, result, _began, _began is null ? TimeSpan.Zero : _time.GetElapsedTime(_runBegan), detail);
    }

    // After the status: whoever is told sees that it waits again.
    private void TellDue()
    {
        if (_dueEnd is not { } end) return;
        _dueEnd = null;
        DueEnded?.Invoke(end);
    }

    // A restart is done by the first process that runs after it was asked for.
    private void FollowRestarts(SupervisorInput input)
    {
        if (input is SupervisorInput.Restart && _restartsAsked.TryDequeue(out var asked))
        {
            LastRestart = asked.Entry;
            _restartsBegun.Add(asked.Done);
        }
        else if (input is SupervisorInput.Launched)
        {
            EndRestarts(null);
        }
        else if (input is SupervisorInput.LaunchFailed or SupervisorInput.PrepareFailed)
        {
            EndRestarts(_failure);
        }
    }

    private void EndRestarts(Exception? failure)
    {
        foreach (var restart in _restartsBegun) _ = failure is null ? restart.TrySetResult() : restart.TrySetException(failure);
        _restartsBegun.Clear();
    }

    private PcException OverBefore(string what) => new(ErrorCode.StartFailed, $"{Spec.Name} was stopped before it had {what}");

    private void Publish()
    {
        var status = new ProgramStatus(Spec, _supervisor.State, _supervisor.Detail, _supervisor.Restarts);
        if (status.State is ProgramState.Running or ProgramState.Scheduled) _firstStart.TrySetResult();
        else if (status.State is ProgramState.Restarting && _failure is not null) _firstStart.TrySetException(_failure);
        HasRested |= status.State == ProgramState.Scheduled;
        if (status == Status) return;
        Status = status;
        _changed();
    }

    private async Task PrepareAsync()
    {
        try
        {
            await Task.Yield();
            if (!_launchedOnce) _lease ??= AskForLease();
            await _workplace.PrepareAsync(_preparing.Token);
            Post(new SupervisorInput.Prepared());
        }
        catch (Exception failed)
        {
            Post(new SupervisorInput.PrepareFailed(Failed(failed)));
        }
    }

    private TimeSpan? Until() => Interlocked.Read(ref _until) is > 0 and var until ? TimeSpan.FromTicks(until) : null;

    private Task<ulong> AskForLease()
    {
        var lease = _acquireLease(_stopping.Token);
        _ = lease.ContinueWith(static asked => asked.Exception, TaskScheduler.Default); // When it cannot be prepared, nobody waits for it.
        return lease;
    }

    private async Task TakePlaceAsync()
    {
        try
        {
            await HavePlaceAsync();
            Post(new SupervisorInput.Placed());
        }
        catch (Exception failed)
        {
            Post(new SupervisorInput.LaunchFailed(Failed(failed)));
        }
    }

    private async Task HavePlaceAsync()
    {
        if (_launchedOnce) return;
        (var lease, _lease) = (_lease ?? AskForLease(), null);
        Epoch = await lease;
        await _beforeFirstLaunch();
        _launchedOnce = true;
    }

    private async Task LaunchAsync()
    {
        try
        {
            await HavePlaceAsync();
            if (_programData is not null && Spec.Deployed.Manifest.Data) _data ??= await _programData.BeginAsync(Spec, Epoch!.Value, Log.Say, _stopping.Token);
            _stopping.Token.ThrowIfCancellationRequested(); // its lease may be lost already
            var run = await _runtime.StartAsync(_workplace.RunSpec with { DataFolder = _data?.Folder, RunsUntil = Until }, Write, CancellationToken.None);
            _data?.Started(run);
            Meter.Begin(run);
            (_run, _runBegan, _began) = (run, _time.GetTimestamp(), _time.GetUtcNow());
            if (Until() is { } until) run.RunsUntil(until);
            _begun.TrySetResult();
            Post(new SupervisorInput.Launched());
        }
        catch (Exception failed)
        {
            Post(new SupervisorInput.LaunchFailed(Failed(failed)));
            // What ran before and cannot run now lacks something that is the host's.
            if (_begun.Task.IsCompleted && failed is PcException { Code: ErrorCode.DockerUnreachable or ErrorCode.DockerGuardFailed or ErrorCode.DockerImageMissing or ErrorCode.SandboxToolMissing } lacking) RuntimeFailed?.Invoke(lacking.Message);
            return;
        }
        await WaitForExitAsync(_run);
    }

    private async Task WaitForExitAsync(IRun run)
    {
        var exit = new RunExit(-1, RunExitReason.Signalled);
        try
        {
            exit = await run.Exited;
            LastExit = exit;
            Meter.End();
            Log.FinishLines();
            Work(TryAsync(async () => await run.DisposeAsync())); // the next process need not wait for that; who waits for the end of the program does
            if (_data is not null) await _data.EndedAsync();
        }
        catch (Exception failed)
        {
            Failed(failed);
        }
        Post(new SupervisorInput.Exited(exit));
    }

    private async Task TryAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception failed)
        {
            Failed(failed);
        }
    }

    private async Task EndRunAsync(IRun run, TimeSpan grace)
    {
        try
        {
            await run.StopAsync(grace);
        }
        catch (Exception failed)
        {
            Failed(failed);
            await run.DisposeAsync();
        }
    }

    private ValueTask Write(OutputKind kind, ReadOnlyMemory<byte> chunk)
    {
        Log.Append(kind, chunk.Span);
        return ValueTask.CompletedTask;
    }

    // What a person can act on is told; anything else is a bug here or a failing machine, and goes to the daemon's log too.
    private string Failed(Exception failure)
    {
        _failure = failure;
        if (failure is not (PcException or OperationCanceledException)) ProgramsLog.Unexpected(_logger, Spec.Name, Spec.LocalName, failure);
        return failure.Message;
    }

    private void Work(Task task)
    {
        lock (_work)
        {
            _work.RemoveAll(done => done.IsCompleted);
            _work.Add(task);
        }
    }

    private Task AllWork()
    {
        lock (_work) return Task.WhenAll(_work);
    }

    private void Post(SupervisorInput input) => _inputs.Writer.TryWrite(input);
}
