using PeoplesCloud.Libp2p;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>The holder and the guardians of an hourly program, by hand: self and two others keep records, and answer when they are asked to.</summary>
public sealed class ScheduleRunnerTests
{
    private static readonly EntryHash Program = EntryHash.Of([7]);
    private static readonly CronSchedule Hourly = CronSchedule.TryParse("@hourly")!;

    private readonly SimKeys _keys = new();
    private readonly Dictionary<PeerId, ScheduleRecord> _records = [];
    private readonly List<PeerId> _asleep = [];
    private readonly List<ScheduledRun> _told = [];
    private readonly List<long> _runs = [];
    private DateTimeOffset _now = new(2027, 3, 1, 10, 20, 0, TimeSpan.Zero);
    private DateTimeOffset? _wake;

    private PeerId Self => _keys.Signer(0).Self;

    private PeerId Other => _keys.Signer(1).Self;

    private IReadOnlyList<PeerId> Three => [.. Enumerable.Range(0, 3).Select(index => _keys.Signer(index).Self).Order()];

    [Fact]
    public void A_time_is_run_when_a_majority_has_granted_it_and_its_end_is_told_to_all()
    {
        var runner = Begin(Three);
        Assert.Equal(At(10, 20) + new ScheduleOptions().LookEvery, _wake); // the clock is looked at now and then
        Pass(runner, At(11));
        Assert.Equal([Seconds(11)], _runs);
        Assert.Equal(2, _records.Values.Count(record => record is { IsOver: false } && record.Due == Seconds(11)) - (_records.Count - 2)); // oneself last, when the others agree
        Handle(runner, new ScheduleInput.Ended(Run(11, ScheduledResult.Ok)));
        Assert.All(_records.Values, record => Assert.True(record.IsOver && record.Runs[^1].Result == ScheduledResult.Ok));
        Pass(runner, At(11, 30));
        Assert.Single(_runs);
    }

    [Fact]
    public void Without_a_majority_a_time_is_asked_for_again_until_the_next_one_comes()
    {
        var runner = Begin(Three);
        _asleep.AddRange(Three.Where(guardian => guardian != Self));
        Pass(runner, At(11));
        Assert.Empty(_runs);
        _asleep.RemoveAt(0);
        Pass(runner, _wake!.Value);
        Assert.Equal([Seconds(11)], _runs);
    }

    [Fact]
    public void What_was_missed_is_run_once_when_it_is_nearer_than_the_next_time()
    {
        var runner = Begin(Three);
        Pass(runner, At(14, 20));
        Assert.Equal([Seconds(14)], _runs);
        Assert.Equal((Seconds(13), "no host was there, nor for 2 before it"), (Assert.Single(_told).Due, _told[0].Detail));
        Handle(runner, new ScheduleInput.Ended(Run(14, ScheduledResult.Ok)));
        Pass(runner, At(16, 31));
        Assert.Single(_runs);
        Assert.Equal([13, 15, 16], _told.Select(told => told.DueAt.Hour));
    }

    [Fact]
    public void A_time_during_a_run_is_skipped()
    {
        var runner = Begin(Three);
        Pass(runner, At(11));
        Pass(runner, At(12));
        Assert.Equal((ScheduledResult.Skipped, "the run of 11:00 UTC was still going"), (Assert.Single(_told).Result, _told[0].Detail));
        Handle(runner, new ScheduleInput.Ended(Run(11, ScheduledResult.Ok)));
        Pass(runner, At(12, 20));
        Assert.Equal([Seconds(11)], _runs);
    }

    [Fact]
    public void What_another_had_and_ended_is_not_run_and_not_told()
    {
        Had(At(11), over: true, Three);
        var runner = Begin(Three, known: ScheduleRecord.Empty);
        Pass(runner, At(11, 10));
        Assert.Empty(_runs);
        Assert.Empty(_told);
    }

    [Fact]
    public void What_another_had_and_did_not_end_is_lost_at_most_once_and_run_again_at_least_once()
    {
        Had(At(11), over: false, Three);
        var careful = Begin(Three, known: ScheduleRecord.Empty);
        Pass(careful, At(11, 10));
        Assert.Empty(_runs);
        Assert.Equal(ScheduledResult.Lost, Assert.Single(_told).Result);

        _records.Clear();
        Had(At(11), over: false, Three);
        var eager = Begin(Three, atLeastOnce: true);
        Pass(eager, At(11, 10));
        Assert.Equal([Seconds(11)], _runs);
    }

    // Goal: no time that was begun vanishes from the history. Method: the next holder comes when a later time has come already.
    [Fact]
    public void What_was_cut_off_before_a_later_time_came_is_told()
    {
        Had(At(11), over: false, Three);
        var runner = Begin(Three, atLeastOnce: true);
        Pass(runner, At(12, 10));
        Assert.Equal([Seconds(12)], _runs);
        Assert.Equal((Seconds(11), ScheduledResult.Lost, "a host that is gone had begun it or was about to; a later time has come"), (Assert.Single(_told).Due, _told[0].Result, _told[0].Detail));

        // What this life ran itself was heard of, whatever the others remember.
        Handle(runner, new ScheduleInput.Ended(Run(12, ScheduledResult.Ok)));
        Had(At(12), over: false, Three);
        Pass(runner, At(13));
        Assert.Equal([Seconds(12), Seconds(13)], _runs);
        Assert.Single(_told);
    }

    [Fact]
    public void Alone_under_at_least_once_its_own_record_must_do()
    {
        _asleep.Add(Other);
        var runner = Begin([.. new[] { Self, Other }.Order()], atLeastOnce: true, alone: true);
        Pass(runner, At(11));
        Assert.Equal([Seconds(11)], _runs);
        Handle(runner, new ScheduleInput.Ended(Run(11, ScheduledResult.Ok)));
        var again = Begin([.. new[] { Self, Other }.Order()], atLeastOnce: true, alone: true);
        Pass(again, At(11, 5));
        Assert.Single(_runs); // it is known to be over
    }

    [Fact]
    public void A_clock_that_was_an_hour_ahead_uses_up_no_times()
    {
        var runner = Begin(Three);
        var right = _now;
        _now = At(12, 0);
        Handle(runner, new ScheduleInput.Tick(), guardiansNow: right);
        Assert.Empty(_runs); // the others say that it has not come
        Assert.Equal(0, _records.GetValueOrDefault(Self, ScheduleRecord.Empty).Due);
        _now = right;
        Pass(runner, At(11));
        Assert.Equal([Seconds(11)], _runs);
    }

    [Fact]
    public void A_guardian_that_speaks_of_the_future_uses_up_no_times()
    {
        var runner = Begin(Three);
        foreach (var guardian in Three.Where(guardian => guardian != Self)) _records[guardian] = ScheduleRecord.Empty with { Due = Seconds(23), IsOver = true };
        Pass(runner, At(11));
        _records.Clear();
        Pass(runner, At(12));
        Assert.Equal([Seconds(12)], _runs);
    }

    [Fact]
    public void Nothing_is_run_before_the_deploy_nor_without_the_lease()
    {
        var runner = NewRunner();
        Handle(runner, new ScheduleInput.Tick());
        Assert.Null(_wake);
        Handle(runner, new ScheduleInput.Holds(Hold(Three), ScheduleRecord.Empty));
        Handle(runner, new ScheduleInput.Holds(null, ScheduleRecord.Empty));
        Pass(runner, At(11));
        Assert.Empty(_runs);
        Assert.Null(_wake);
    }

    private static DateTimeOffset At(int hour, int minute = 0) => new(2027, 3, 1, hour, minute, 0, TimeSpan.Zero);

    private static long Seconds(int hour) => At(hour).ToUnixTimeSeconds();

    private ScheduledRun Run(int hour, ScheduledResult result) => new(Seconds(hour), Self, result, At(hour), TimeSpan.FromSeconds(1), null);

    private static ScheduleHold Hold(IReadOnlyList<PeerId> guardians, bool atLeastOnce = false, bool alone = false) => new(1, guardians, alone, atLeastOnce, false, At(10, 20), 0);

    private void Had(DateTimeOffset due, bool over, IReadOnlyList<PeerId> guardians)
    {
        foreach (var guardian in guardians.Where(guardian => guardian != Self)) _records[guardian] = new ScheduleRecord(due.ToUnixTimeSeconds(), new Claimant(Other, 9), over, []);
    }

    private ScheduleRunner NewRunner() => new(Program, Hourly.NextAfter, Self, life: (ulong)_records.Count + 1, new ScheduleOptions());

    private ScheduleRunner Begin(IReadOnlyList<PeerId> guardians, ScheduleRecord? known = null, bool atLeastOnce = false, bool alone = false)
    {
        var runner = NewRunner();
        Handle(runner, new ScheduleInput.Holds(Hold(guardians, atLeastOnce, alone), known ?? _records.GetValueOrDefault(Self, ScheduleRecord.Empty)));
        return runner;
    }

    private void Pass(ScheduleRunner runner, DateTimeOffset now)
    {
        _now = now;
        Handle(runner, new ScheduleInput.Tick());
    }

    // Guardians that are awake answer at once.
    private void Handle(ScheduleRunner runner, ScheduleInput input, DateTimeOffset? guardiansNow = null)
    {
        var inputs = new Queue<ScheduleInput>([input]);
        while (inputs.TryDequeue(out var next))
        {
            foreach (var effect in runner.Handle(next, _now))
            {
                if (effect is ScheduleEffect.Run run) _runs.Add(run.Due);
                if (effect is ScheduleEffect.Tell tell) _told.Add(tell.Not);
                if (effect is ScheduleEffect.WakeAt wake) _wake = wake.At;
                if (effect is not ScheduleEffect.Ask ask || _asleep.Contains(ask.To)) continue;
                var now = ask.To == Self ? _now : guardiansNow ?? _now;
                var sight = new ScheduleSight(ask.To, 1, [.. Three.Concat([Self, Other]).Distinct()], false, null, 0, now);
                (var answer, _records[ask.To]) = ScheduleVoter.Judge(_records.GetValueOrDefault(ask.To, ScheduleRecord.Empty), ask.Claim, Self, sight);
                if (ask.Claim.Due is { } due) inputs.Enqueue(new ScheduleInput.Answered(ask.To, due, answer));
            }
        }
    }
}
