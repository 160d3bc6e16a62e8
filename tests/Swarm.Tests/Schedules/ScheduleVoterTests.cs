using PeoplesCloud.Libp2p;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class ScheduleVoterTests
{
    private static readonly EntryHash Program = EntryHash.Of([7]);
    private static readonly DateTimeOffset Now = new(2027, 3, 1, 11, 0, 0, TimeSpan.Zero);
    private static readonly long Due = Now.ToUnixTimeSeconds();

    private readonly SimKeys _keys = new();

    private PeerId Self => _keys.Signer(0).Self;

    private PeerId Elm => _keys.Signer(1).Self;

    private PeerId Fir => _keys.Signer(2).Self;

    [Fact]
    public void A_time_is_granted_once_and_to_the_same_life_as_often_as_it_asks()
    {
        var (answer, record) = Judge(ScheduleRecord.Empty, Claim(Due), Elm);
        Assert.Equal((ScheduleRefusal.None, 0), (answer.Refusal, answer.Due));
        Assert.Equal(ScheduleRefusal.None, Judge(record, Claim(Due), Elm).Answer.Refusal);
        Assert.Equal(ScheduleRefusal.Taken, Judge(record, Claim(Due, life: 2), Elm).Answer.Refusal); // it started again
        Assert.Equal(ScheduleRefusal.Taken, Judge(record, Claim(Due), Fir).Answer.Refusal);
        Assert.Equal(ScheduleRefusal.Past, Judge(record, Claim(Due - 60), Fir).Answer.Refusal);
        Assert.Equal(ScheduleRefusal.None, Judge(record, Claim(Due + 60), Fir).Answer.Refusal);
    }

    [Fact]
    public void A_time_that_is_over_is_granted_to_nobody()
    {
        var record = Judge(ScheduleRecord.Empty, Claim(Due), Elm).Record;
        Assert.Equal(ScheduleRefusal.None, Judge(record, Claim(Due) with { Again = true }, Fir).Answer.Refusal); // not known to be over: at least once
        record = Judge(record, Claim(null) with { Last = Over(Due, Elm) }, Elm).Record;
        Assert.True(record.IsOver);
        foreach (var asker in new[] { Elm, Fir }) Assert.Equal((ScheduleRefusal.Taken, true), (Judge(record, Claim(Due) with { Again = true }, asker).Answer.Refusal, Judge(record, Claim(Due), asker).Answer.IsOver));
    }

    [Fact]
    public void Who_may_not_ask_is_refused_and_changes_nothing()
    {
        var stranger = _keys.Signer(7).Self;
        Refuses(ScheduleRefusal.Unknown, Claim(Due), stranger, Sight());
        Refuses(ScheduleRefusal.Unknown, Claim(Due), Elm, Sight() with { Guardians = [Elm, Fir] });
        Refuses(ScheduleRefusal.Generation, Claim(Due) with { Generation = 2 }, Elm, Sight());
        Refuses(ScheduleRefusal.Generation, Claim(Due), Elm, Sight() with { IsSealed = true });
        Refuses(ScheduleRefusal.NotHolder, Claim(Due), Elm, Sight() with { Holder = Fir });
        Refuses(ScheduleRefusal.Early, Claim(Due + 61), Elm, Sight());
        // Nor by telling that a time is over that has not come, or for another.
        Assert.Equal(0, Judge(ScheduleRecord.Empty, Claim(null) with { Last = Over(Due + 3600, Elm) }, Elm).Record.Due);
        Assert.Equal(0, Judge(ScheduleRecord.Empty, Claim(null) with { Last = Over(Due, Fir) }, Elm).Record.Due);
    }

    [Fact]
    public void A_generation_begins_with_the_times_of_the_one_before() =>
        Refuses(ScheduleRefusal.Past, Claim(Due - 3600), Elm, Sight() with { Floor = Due - 60 });

    [Fact]
    public void The_last_times_are_kept_in_order()
    {
        var record = ScheduleRecord.Empty;
        for (var hour = -20; hour < 0; hour++) record = Judge(record, Claim(null) with { Last = Over(Due + hour * 3600, Elm) }, Elm).Record;
        Assert.Equal(Enumerable.Range(-16, 16).Select(hour => Due + hour * 3600L), record.Runs.Select(run => run.Due));
        var (_, _, read) = ScheduleRecord.TryDecode(record.Encode(new SwarmId(EntryHash.Of([1])), Program))!.Value;
        Assert.Equal((record.Due, record.By, record.IsOver), (read.Due, read.By, read.IsOver));
        Assert.Equal(record.Runs, read.Runs);
    }

    [Fact]
    public void Who_says_that_a_time_is_lost_does_not_unsay_how_it_ended()
    {
        var record = Judge(ScheduleRecord.Empty, Claim(null) with { Last = Over(Due, Elm) }, Elm).Record;
        Assert.Same(record, Judge(record, Claim(null) with { Last = Over(Due, Fir) with { Result = ScheduledResult.Lost } }, Fir).Record);
        record = Judge(ScheduleRecord.Empty, Claim(null) with { Last = Over(Due, Elm) with { Result = ScheduledResult.Skipped } }, Elm).Record;
        Assert.Equal(ScheduledResult.Lost, Assert.Single(Judge(record, Claim(null) with { Last = Over(Due, Fir) with { Result = ScheduledResult.Lost } }, Fir).Record.Runs).Result);
    }

    [Fact]
    public void Messages_are_read_as_they_were_written_and_nothing_else_is()
    {
        var claim = new ScheduleClaim(Program, 3, Due, 0x1122334455667788, true, Over(Due - 60, Elm) with { Detail = "crashed with exit code 3", Result = ScheduledResult.Failed });
        var bytes = claim.Encode();
        Assert.True(ScheduleClaim.TryDecode(bytes, out var read));
        Assert.Equal(claim, read);
        var answer = new ScheduleAnswer(ScheduleRefusal.Taken, Due, true);
        Assert.True(ScheduleAnswer.TryDecode(answer.Encode(), out var said));
        Assert.Equal(answer, said);
        for (var length = 0; length < bytes.Length; length++) Assert.True(!ScheduleClaim.TryDecode(bytes.AsSpan(0, length), out var cut) || cut != claim);
        Assert.False(ScheduleClaim.TryDecode(new byte[ScheduleClaim.MaxBytes + 1], out _));
        Assert.False(ScheduleAnswer.TryDecode(new byte[ScheduleAnswer.MaxBytes + 1], out _));
        Assert.Null(ScheduleRecord.TryDecode(new byte[ScheduleRecord.MaxBytes + 1]));
        var longest = ScheduleRecord.Empty;
        for (var due = 1; due <= 20; due++) longest = longest.With(Over(due, Elm) with { Detail = new string('€', 300), Began = Now, Took = TimeSpan.FromDays(300) }, new Claimant(Elm, ulong.MaxValue));
        Assert.True(longest.Encode(new SwarmId(EntryHash.Of([1])), Program).Length <= ScheduleRecord.MaxBytes);
    }

    private static ScheduleClaim Claim(long? due, ulong life = 1) => new(Program, 1, due, life, false, null);

    private static ScheduledRun Over(long due, PeerId host) => new(due, host, ScheduledResult.Ok, DateTimeOffset.FromUnixTimeSeconds(due), TimeSpan.FromSeconds(2), null);

    private ScheduleSight Sight() => new(Self, 1, [Self, Elm, Fir], false, null, 0, Now);

    private (ScheduleAnswer Answer, ScheduleRecord Record) Judge(ScheduleRecord record, ScheduleClaim claim, PeerId from) => ScheduleVoter.Judge(record, claim, from, Sight());

    private static void Refuses(ScheduleRefusal expected, ScheduleClaim claim, PeerId from, ScheduleSight sight)
    {
        var (answer, record) = ScheduleVoter.Judge(ScheduleRecord.Empty, claim, from, sight);
        Assert.Equal((expected, sight.Floor), (answer.Refusal, record.Due));
    }
}
