using System.Globalization;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>What a program on a host does, as people see it.</summary>
public enum ProgramState
{
    /// <summary>Its bundle is fetched and unpacked, or its process is being started.</summary>
    Starting,

    /// <summary>It runs.</summary>
    Running,

    /// <summary>It crashed and is started again after a pause.</summary>
    Restarting,

    /// <summary>It was stopped, or it ended by itself with exit code 0.</summary>
    Stopped,

    /// <summary>It could not be started.</summary>
    Failed,

    /// <summary>It is placed here and this host's owner does not let it run now.</summary>
    Waiting,

    /// <summary>It is ready and waits for the next time of its schedule.</summary>
    Scheduled,
}

/// <summary>When a crashed program is started again.</summary>
public sealed record RestartPolicy
{
    /// <summary>The pause after the first crash; it doubles with each that follows. Default 1 s.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause. Default 5 minutes: a bot whose service is down comes back soon after it.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>By how much a pause is made shorter or longer at random, as a share. Default 0.2, so that bots of one service do not come back at once.</summary>
    public double Jitter { get; init; } = 0.2;

    /// <summary>How long a program runs until its earlier crashes are forgotten. Default 60 s.</summary>
    public TimeSpan StableAfter { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a program may take to end by itself after TERM. Default 10 s, as Docker has it.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>What happens to a program.</summary>
internal abstract record SupervisorInput
{
    /// <summary>Begin. When the daemon resumes what it ran before, nobody waits for the outcome: a failure is tried again.</summary>
    public sealed record Begin(bool Resumed) : SupervisorInput;

    /// <summary>The bundle is unpacked.</summary>
    public sealed record Prepared : SupervisorInput;

    /// <summary>The bundle could not be fetched or unpacked.</summary>
    public sealed record PrepareFailed(string Why) : SupervisorInput;

    /// <summary>The process runs.</summary>
    public sealed record Launched : SupervisorInput;

    /// <summary>The process could not be started.</summary>
    public sealed record LaunchFailed(string Why) : SupervisorInput;

    /// <summary>The process has ended.</summary>
    public sealed record Exited(RunExit Exit) : SupervisorInput;

    /// <summary>The pause is over. An alarm of an earlier pause does nothing.</summary>
    public sealed record Alarm(int Number) : SupervisorInput;

    /// <summary>Stop for good, with the reason for the log and how long it may take to end by itself; null for what the policy says. A second one may shorten the time.</summary>
    public sealed record Stop(string Why, TimeSpan? Grace = null) : SupervisorInput;

    /// <summary>Somebody wants it started again, with what the log says of it. No crash: no pause comes of it. One that waits for its time runs at once.</summary>
    public sealed record Restart(string Why) : SupervisorInput;

    /// <summary>It has its place: what <see cref="SupervisorEffect.TakePlace"/> asked for is done.</summary>
    public sealed record Placed : SupervisorInput;

    /// <summary>A time of its schedule has come (in seconds since 1970), with what the log says of it.</summary>
    public sealed record Due(long Time, string Why) : SupervisorInput;
}

/// <summary>What is to be done for a program.</summary>
internal abstract record SupervisorEffect
{
    /// <summary>Fetch and unpack the bundle; answer Prepared or PrepareFailed.</summary>
    public sealed record Prepare : SupervisorEffect;

    /// <summary>Give up fetching; PrepareFailed follows.</summary>
    public sealed record CancelPrepare : SupervisorEffect;

    /// <summary>Start the process; answer Launched or LaunchFailed, later Exited.</summary>
    public sealed record Launch : SupervisorEffect;

    /// <summary>Have the lease and end what it replaces, and start nothing yet; answer Placed or LaunchFailed.</summary>
    public sealed record TakePlace : SupervisorEffect;

    /// <summary>A run of a scheduled program is over: how it ended, or why it did not begin.</summary>
    public sealed record RunOver(RunExit? Exit, string? Why) : SupervisorEffect;

    /// <summary>Stop the process; Exited follows.</summary>
    public sealed record EndRun(TimeSpan Grace) : SupervisorEffect;

    /// <summary>Send Alarm with this number after a pause.</summary>
    public sealed record SetAlarm(int Number, TimeSpan After) : SupervisorEffect;

    /// <summary>Write a line to the program's log.</summary>
    public sealed record Say(string Text) : SupervisorEffect;

    /// <summary>It is over: nothing follows this. The host forgets its files; when it finished by itself, the host remembers that.</summary>
    public sealed record Over(bool Finished) : SupervisorEffect;
}

/// <summary>
/// Decides what is done for one program on its host: start it, start it again after a crash with growing pauses, end it. A
/// synchronous state machine without a clock, a process or a file; <see cref="HostedProgram"/> carries out its effects.
/// <code>
/// Idle -Begin-> Preparing -Prepared-> Launching -Launched-> Running -Exited(0)-> Over
///                   |                     |   ^                 | crash
///                   | failed              |   +---- Alarm ---- Pausing
///                   v                     v
///      Over, or Pausing when it had been started before          Stop leads from anywhere to Over, through Ending
///      Running -Restart-> Renewing -Exited-> Launching           Restart ends a pause; what is starting already goes on
///
/// scheduled: Preparing -Prepared-> Placing -Placed-> Resting -Due or Restart-> Launching -Launched-> Running
///                                                       ^---- could not be started, or Exited anyhow ----+
/// </code>
/// </summary>
/// <param name="policy">When it is started again.</param>
/// <param name="random">For the jitter of pauses.</param>
/// <param name="scheduled">Whether it runs at times: how a run ends is told, and the next one is the schedule's business.</param>
internal sealed class ProgramSupervisor(RestartPolicy policy, Random random, bool scheduled = false)
{
    /// <summary>What is said of a program that ended with exit code 0: it is done, and not started again.</summary>
    public const string FinishedDetail = "finished by itself with exit code 0";

    private enum Phase
    {
        Idle,
        Preparing,
        Launching,
        Running,
        Pausing,
        Placing,
        Resting,
        Renewing,
        Ending,
        Over,
    }

    private Phase _phase = Phase.Idle;
    private bool _prepared;
    private bool _keep;
    private bool _hasProcess; // while it is ending
    private TimeSpan _grace;
    private int _failuresInRow;
    private int _alarm;
    private DateTimeOffset _launched;

    /// <summary>As people see it.</summary>
    public ProgramState State { get; private set; } = ProgramState.Starting;

    /// <summary>More about the state: why it failed, when it starts again. Null when there is nothing to say.</summary>
    public string? Detail { get; private set; }

    /// <summary>How often it was started again after a crash.</summary>
    public int Restarts { get; private set; }

    /// <summary>Takes what happened and decides. What does not fit the phase (it crossed a stop on its way) changes nothing.</summary>
    public IReadOnlyList<SupervisorEffect> Handle(SupervisorInput input, DateTimeOffset now) => (_phase, input) switch
    {
        (Phase.Idle, SupervisorInput.Begin begin) => Begin(begin.Resumed),
        (Phase.Preparing, SupervisorInput.Prepared) => Prepared(),
        (Phase.Preparing, SupervisorInput.PrepareFailed failed) => NotStarted(failed.Why),
        (Phase.Launching, SupervisorInput.Launched) => Launched(now),
        (Phase.Placing, SupervisorInput.Placed) => Rest(),
        (Phase.Placing, SupervisorInput.LaunchFailed failed) => NotStarted(failed.Why),
        (Phase.Resting, SupervisorInput.Due due) => Launch(due.Why),
        (Phase.Resting, SupervisorInput.Restart restart) => Launch(restart.Why),
        (Phase.Launching, SupervisorInput.LaunchFailed failed) when scheduled => [new SupervisorEffect.Say($"could not be started: {failed.Why}"), new SupervisorEffect.RunOver(null, failed.Why), .. Rest()],
        (Phase.Launching, SupervisorInput.LaunchFailed failed) => NotStarted(failed.Why),
        (Phase.Running, SupervisorInput.Exited exited) when scheduled => [new SupervisorEffect.Say(IsSuccess(exited.Exit) ? FinishedDetail : Described(exited.Exit)), new SupervisorEffect.RunOver(exited.Exit, null), .. Rest()],
        (Phase.Running, SupervisorInput.Exited exited) => Exited(exited.Exit, now),
        (Phase.Pausing, SupervisorInput.Alarm alarm) when alarm.Number == _alarm => Again(),
        (Phase.Preparing, SupervisorInput.Stop stop) => End(stop, new SupervisorEffect.CancelPrepare()),
        (Phase.Launching or Phase.Placing, SupervisorInput.Stop stop) => End(stop, null),
        (Phase.Running, SupervisorInput.Stop stop) => End(stop, new SupervisorEffect.EndRun(stop.Grace ?? policy.StopGrace)),
        (Phase.Idle or Phase.Pausing or Phase.Resting, SupervisorInput.Stop stop) => [.. End(stop, null), .. Over(ProgramState.Stopped, Detail, finished: false)],
        (Phase.Running, SupervisorInput.Restart restart) => Renew(restart.Why),
        (Phase.Renewing, SupervisorInput.Exited) => Launch(),
        (Phase.Renewing, SupervisorInput.Stop stop) => End(stop, stop.Grace is { } grace ? new SupervisorEffect.EndRun(grace) : null),
        (Phase.Pausing, SupervisorInput.Restart restart) => EndPause(restart.Why),
        (Phase.Ending, SupervisorInput.Stop { Grace: { } grace }) => Hasten(grace),
        (Phase.Ending, SupervisorInput.Launched) => LaunchedLate(),
        (Phase.Ending, SupervisorInput.Prepared or SupervisorInput.PrepareFailed or SupervisorInput.Placed or SupervisorInput.LaunchFailed or SupervisorInput.Exited) => Over(ProgramState.Stopped, Detail, finished: false),
        _ => [],
    };

    private IReadOnlyList<SupervisorEffect> Begin(bool resumed)
    {
        _keep = resumed;
        _phase = Phase.Preparing;
        return [new SupervisorEffect.Prepare()];
    }

    private IReadOnlyList<SupervisorEffect> Prepared()
    {
        _prepared = true;
        return Start();
    }

    // What is scheduled has its place first.
    private IReadOnlyList<SupervisorEffect> Start()
    {
        if (!scheduled) return Launch();
        _phase = Phase.Placing;
        return [new SupervisorEffect.TakePlace()];
    }

    private IReadOnlyList<SupervisorEffect> Rest()
    {
        _keep = true;
        _phase = Phase.Resting;
        (State, Detail) = (ProgramState.Scheduled, null);
        return [];
    }

    private IReadOnlyList<SupervisorEffect> Launched(DateTimeOffset now)
    {
        _keep = true;
        _phase = Phase.Running;
        _launched = now;
        (State, Detail) = (ProgramState.Running, null);
        return [];
    }

    // The owner waits for a first start and tries another host when it fails; later ones are this host's own business.
    private IReadOnlyList<SupervisorEffect> NotStarted(string why)
    {
        if (_keep) return Pause($"could not be started: {why}");
        return [new SupervisorEffect.Say($"could not be started: {why}"), .. Over(ProgramState.Failed, why, finished: false)];
    }

    private IReadOnlyList<SupervisorEffect> Exited(RunExit exit, DateTimeOffset now)
    {
        if (IsSuccess(exit))
        {
            return [new SupervisorEffect.Say(FinishedDetail), .. Over(ProgramState.Stopped, FinishedDetail, finished: true)];
        }
        if (now - _launched >= policy.StableAfter) _failuresInRow = 0;
        return Pause(Described(exit));
    }

    private IReadOnlyList<SupervisorEffect> Pause(string what)
    {
        var pause = NextPause();
        _phase = Phase.Pausing;
        (State, Detail) = (ProgramState.Restarting, what);
        return [new SupervisorEffect.Say($"{what}; starts again in {Shown(pause)}"), new SupervisorEffect.SetAlarm(++_alarm, pause)];
    }

    // Its earlier crashes are forgotten: whoever asks for it has mended what made them, or hopes so.
    private IReadOnlyList<SupervisorEffect> Renew(string why)
    {
        _failuresInRow = 0;
        _phase = Phase.Renewing;
        (State, Detail) = (ProgramState.Restarting, why);
        return [new SupervisorEffect.Say(why), new SupervisorEffect.EndRun(policy.StopGrace)];
    }

    private IReadOnlyList<SupervisorEffect> EndPause(string why)
    {
        _failuresInRow = 0;
        _alarm++; // the pause's alarm does nothing any more
        return [new SupervisorEffect.Say(why), .. Begun()];
    }

    private IReadOnlyList<SupervisorEffect> Again()
    {
        Restarts++;
        return Begun();
    }

    private IReadOnlyList<SupervisorEffect> Begun()
    {
        if (_prepared) return Start();
        _phase = Phase.Preparing;
        return [new SupervisorEffect.Prepare()];
    }

    // Said before the process can print: its first line may come sooner than the answer that it runs.
    private IReadOnlyList<SupervisorEffect> Launch(string? why = null)
    {
        _phase = Phase.Launching;
        if (scheduled) State = ProgramState.Starting;
        return [new SupervisorEffect.Say(why ?? (Restarts == 0 ? "starting" : $"starting again ({Times(Restarts)})")), new SupervisorEffect.Launch()];
    }

    private IReadOnlyList<SupervisorEffect> End(SupervisorInput.Stop stop, SupervisorEffect? effect)
    {
        _hasProcess = _phase is Phase.Running or Phase.Renewing;
        _phase = Phase.Ending;
        _grace = stop.Grace ?? policy.StopGrace;
        Detail = stop.Why;
        return effect is null ? [] : [effect];
    }

    // It is to end sooner than it was told.
    private IReadOnlyList<SupervisorEffect> Hasten(TimeSpan grace)
    {
        _grace = grace < _grace ? grace : _grace;
        return _hasProcess ? [new SupervisorEffect.EndRun(_grace)] : [];
    }

    private IReadOnlyList<SupervisorEffect> LaunchedLate()
    {
        _hasProcess = true;
        return [new SupervisorEffect.EndRun(_grace)];
    }

    private IReadOnlyList<SupervisorEffect> Over(ProgramState state, string? detail, bool finished)
    {
        var said = _phase == Phase.Ending ? new SupervisorEffect[] { new SupervisorEffect.Say(detail ?? "stopped") } : [];
        _phase = Phase.Over;
        (State, Detail) = (state, detail);
        return [.. said, new SupervisorEffect.Over(finished)];
    }

    // Doubles from the first to the longest pause, each made shorter or longer by the jitter.
    private TimeSpan NextPause()
    {
        var doubled = policy.FirstPause.TotalSeconds * Math.Pow(2, Math.Min(_failuresInRow++, 30));
        var jitter = 1 + (policy.Jitter * ((2 * random.NextDouble()) - 1));
        return TimeSpan.FromSeconds(Math.Min(doubled, policy.LongestPause.TotalSeconds) * jitter);
    }

    /// <summary>Whether a process ended by itself with exit code 0.</summary>
    public static bool IsSuccess(RunExit exit) => exit is { ExitCode: 0, Reason: RunExitReason.Exited };

    /// <summary>How a process ended, for people.</summary>
    public static string Described(RunExit exit) => exit.Reason switch
    {
        RunExitReason.OutOfMemory => "used more memory than it may and was ended",
        RunExitReason.Signalled => string.Create(CultureInfo.InvariantCulture, $"was ended by signal {exit.ExitCode - 128}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"crashed with exit code {exit.ExitCode}"),
    };

    private static string Shown(TimeSpan pause) => string.Create(CultureInfo.InvariantCulture, $"{pause.TotalSeconds:0.0} s");

    private static string Times(int count) => count == 1 ? "once" : string.Create(CultureInfo.InvariantCulture, $"{count} times");
}
