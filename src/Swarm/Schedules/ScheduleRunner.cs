using System.Globalization;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>
/// The holder's side of one scheduled program: waits for its times, has each granted by a majority of the guardians before it is run, and tells them how
/// it ended. A synchronous state machine without a clock, a disk or a network.
/// <code>
/// Away -Holds-> Waiting -a time has come-> Claiming -majority-> Running -Ended-> Waiting
///                  ^                           |
///                  +---- taken, or too late ---+       Holds(null) leads from anywhere to Away
/// </code>
/// </summary>
/// <param name="program">The program.</param>
/// <param name="nextAfter">The first time of its schedule after a moment.</param>
/// <param name="self">This node.</param>
/// <param name="life">A random number of this node's start.</param>
/// <param name="options">Times and bounds.</param>
public sealed class ScheduleRunner(EntryHash program, Func<DateTimeOffset, DateTimeOffset?> nextAfter, PeerId self, ulong life, ScheduleOptions options)
{
    private const string BegunBefore = "a host that is gone had begun it or was about to";

    private static readonly int[] LookBack = [1, 32, 400];

    private readonly Dictionary<PeerId, ScheduleAnswer> _answers = [];
    private ScheduleHold? _hold;
    private long _after; // what has come until here is done with
    private long _began; // nothing before it is this program's
    private long _highest; // that this node ran or told of, whatever the clock says now
    private long? _claiming;
    private long? _running;
    private DateTimeOffset _askAgain;
    private ScheduledRun? _last;

    /// <summary>The time that is asked for now; null when none is.</summary>
    public DateTimeOffset? Claiming => _claiming is { } due ? At(due) : null;

    /// <summary>Takes what happened and decides.</summary>
    /// <param name="input">What happened.</param>
    /// <param name="now">The ordinary clock.</param>
    public IReadOnlyList<ScheduleEffect> Handle(ScheduleInput input, DateTimeOffset now)
    {
        var effects = new List<ScheduleEffect>();
        switch (input)
        {
            case ScheduleInput.Holds holds:
                Hold(holds.Hold, holds.Known, now);
                break;
            case ScheduleInput.Answered answered when _claiming == answered.Due && _hold is not null:
                _answers[answered.From] = answered.Answer;
                Count(now, effects);
                break;
            case ScheduleInput.Ended ended when _running == ended.Run.Due:
                _running = null;
                Finish(ended.Run, effects);
                break;
        }
        Look(now, effects);
        effects.Add(new ScheduleEffect.WakeAt(WakeAt(now)));
        return effects;
    }

    private void Hold(ScheduleHold? hold, ScheduleRecord known, DateTimeOffset now)
    {
        var begins = _hold is null;
        _hold = hold;
        if (hold is null) (_claiming, _running, _last) = (null, null, null);
        if (hold is null || !begins) return;
        // A clock of the owner that is ahead delays nothing for longer than it must.
        _began = Math.Max(Math.Min(Seconds(hold.Deployed), Seconds(now)), hold.Floor);
        // Under at least once, what is not known to be over is tried again.
        _after = hold.AtLeastOnce && !known.IsOver ? Math.Max(_began, known.Due - 1) : Math.Max(Math.Max(_began, _after), known.Due);
    }

    private void Look(DateTimeOffset now, List<ScheduleEffect> effects)
    {
        if (_hold is not { } hold) return;
        Clamp(now);
        if (_running is not null || hold.IsBusy)
        {
            if (LastDue(_after, now) is { } missed) Overlapped(missed, effects);
            return;
        }
        // The next one has come before this one was granted: nobody waits for it any more.
        if (_claiming is { } waiting && LastDue(waiting, now) is not null) (_claiming, _after) = (null, waiting);
        if (_claiming is null && LastDue(_after, now) is { } due) Begin(due);
        if (_claiming is not { } claimed || now < _askAgain) return;
        _askAgain = now + options.RetryEvery;
        foreach (var guardian in hold.Guardians.Where(guardian => guardian != self && IsOpen(guardian))) effects.Add(new ScheduleEffect.Ask(guardian, Message(claimed)));
        AskSelf(effects);
    }

    // Last, when the others make a majority with it: a clock that is wrong here uses up no times on the own disk that the others refuse.
    private void AskSelf(List<ScheduleEffect> effects)
    {
        var (hold, due) = (_hold!, _claiming!.Value);
        var granted = hold.Guardians.Count(guardian => _answers.GetValueOrDefault(guardian) is { IsGranted: true });
        if (IsOpen(self) && (granted >= hold.Guardians.Count / 2 || hold is { Alone: true, AtLeastOnce: true })) effects.Add(new ScheduleEffect.Ask(self, Message(due)));
    }

    private bool IsOpen(PeerId guardian) => !_answers.TryGetValue(guardian, out var answer) || answer is { IsGranted: false, IsFinal: false };

    // The clock was set back: what has not come is neither claimed nor done with. The guardians know what was run.
    private void Clamp(DateTimeOffset now)
    {
        var horizon = Seconds(now + ScheduleVoter.MaxEarly);
        if (_claiming > horizon) _claiming = null;
        if (_after > horizon) _after = Seconds(now);
    }

    private void Begin(long due)
    {
        _claiming = due;
        _answers.Clear();
        _askAgain = DateTimeOffset.MinValue;
    }

    private void Count(DateTimeOffset now, List<ScheduleEffect> effects)
    {
        var (hold, due) = (_hold!, _claiming!.Value);
        var granted = hold.Guardians.Where(guardian => _answers.GetValueOrDefault(guardian) is { IsGranted: true }).ToList();
        var majority = hold.Guardians.Count / 2 + 1;
        // Alone, this node's own disk must do: another part of the swarm may run the time too.
        var alone = granted.Count < majority && hold is { Alone: true, AtLeastOnce: true } && granted.Contains(self);
        if (granted.Count < majority && !alone && !(options.Without.HasFlag(ScheduleChecks.Majority) && granted.Count > 0))
        {
            var lost = hold.Guardians.Select(guardian => _answers.GetValueOrDefault(guardian)).OfType<ScheduleAnswer>().Where(answer => answer.IsFinal).ToList();
            if (hold.Guardians.Count - lost.Count < majority || (hold.AtLeastOnce && _answers.GetValueOrDefault(self) is { IsFinal: true })) Lose(due, now, lost, effects);
            else AskSelf(effects);
            return;
        }
        _claiming = null;
        _after = due;
        TellCutOff([.. granted.Select(guardian => _answers[guardian])], due, effects);
        TellMissed(Math.Max(_began, granted.Max(guardian => _answers[guardian].Due)), due, effects);
        if (now - At(due) > LateBound(due))
        {
            NotRun(due, ScheduledResult.Skipped, "no host was there in time", effects);
            return;
        }
        _running = due;
        _highest = Math.Max(_highest, due);
        effects.Add(new ScheduleEffect.Run(due, alone));
    }

    // Another host had it, or it is over. What was claimed and never said to be over may or may not have run: at most once means not again.
    private void Lose(long due, DateTimeOffset now, List<ScheduleAnswer> refusals, List<ScheduleEffect> effects)
    {
        _claiming = null;
        _after = Math.Max(due, Math.Min(refusals.Max(refusal => refusal.Due), Seconds(now))); // nobody can speak of what has not come
        if (refusals.All(refusal => refusal.Due == due && !refusal.IsOver)) NotRun(due, ScheduledResult.Lost, $"{BegunBefore}; it is not begun twice", effects);
    }

    // Granted before, to a host that is gone or to an earlier life of this one, and never said to be over: nobody else will tell of it.
    private void TellCutOff(List<ScheduleAnswer> answers, long due, List<ScheduleEffect> effects)
    {
        var latest = answers.Max(answer => answer.Due);
        if (latest < _began || latest <= _highest || latest >= due || answers.Exists(answer => answer.Due == latest && answer.IsOver)) return;
        NotRun(latest, ScheduledResult.Lost, $"{BegunBefore}; a later time has come", effects);
    }

    private void Overlapped(long due, List<ScheduleEffect> effects)
    {
        _after = due;
        if (due <= _highest) return; // the clock had been set back
        NotRun(due, ScheduledResult.Skipped, _running is { } running ? $"the run of {Text(running)} was still going" : "it was running", effects);
    }

    // Between the last time that anybody knew and the one that is granted now.
    private void TellMissed(long known, long due, List<ScheduleEffect> effects)
    {
        var (count, last) = (0, 0L);
        for (var missed = NextDue(Math.Max(known, due - (long)options.CountBack.TotalSeconds)); missed is { } one && one < due; missed = NextDue(one)) (count, last) = (count + 1, one);
        if (count > 0) NotRun(last, ScheduledResult.Skipped, count == 1 ? "no host was there" : string.Create(CultureInfo.InvariantCulture, $"no host was there, nor for {count - 1} before it"), effects);
    }

    private void NotRun(long due, ScheduledResult result, string why, List<ScheduleEffect> effects)
    {
        var run = new ScheduledRun(due, self, result, null, TimeSpan.Zero, why);
        effects.Add(new ScheduleEffect.Tell(run));
        Finish(run, effects);
    }

    private void Finish(ScheduledRun run, List<ScheduleEffect> effects)
    {
        if (_hold is not { } hold) return;
        _last = run;
        _highest = Math.Max(_highest, run.Due);
        foreach (var guardian in hold.Guardians) effects.Add(new ScheduleEffect.Ask(guardian, Message(null)));
    }

    private ScheduleClaim Message(long? due) => new(program, _hold!.Generation, due, life, _hold.AtLeastOnce, _last);

    private DateTimeOffset? WakeAt(DateTimeOffset now)
    {
        if (_hold is null) return null;
        var next = _claiming is not null ? _askAgain : DateTimeOffset.MaxValue;
        if (NextDue(_claiming ?? _after) is { } due && At(due) < next) next = At(due);
        return next < now + options.LookEvery ? next : now + options.LookEvery;
    }

    // The latest time after another that has come. First near the present: a program of every minute missed half a million times in a year.
    private long? LastDue(long after, DateTimeOffset now)
    {
        if (NextDue(after) is not { } first || first > Seconds(now)) return null;
        foreach (var days in LookBack)
        {
            long? last = null;
            for (var due = NextDue(Math.Max(after, Seconds(now.AddDays(-days)))); due is { } one && one <= Seconds(now); due = NextDue(one)) last = one;
            if (last is not null) return last;
        }
        return first;
    }

    private TimeSpan LateBound(long due)
    {
        var half = NextDue(due) is { } next ? TimeSpan.FromSeconds((next - due) / 2.0) : TimeSpan.MaxValue;
        return half < options.MaxLate ? half : options.MaxLate;
    }

    private long? NextDue(long after) => nextAfter(At(after)) is { } next ? Seconds(next) : null;

    private static DateTimeOffset At(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);

    private static long Seconds(DateTimeOffset time) => time.ToUnixTimeSeconds();

    private static string Text(long due) => At(due).ToString("HH:mm 'UTC'", CultureInfo.InvariantCulture);
}
