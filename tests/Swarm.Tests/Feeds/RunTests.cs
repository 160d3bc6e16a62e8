using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>What hosts write of the programs that they ran, and what comes of it.</summary>
public sealed class RunTests
{
    private readonly Village _village = new(Role.Admin, Role.Member, Role.Guest);

    [Fact]
    public void The_runs_of_a_program_are_in_order_of_their_epochs()
    {
        var program = Deploy();
        Record(2, program, 2);
        Record(1, program, 1);
        Record(1, program, 1, RunEnd.LeaseLost, "no majority");
        _village.MeetAll();
        var runs = _village[0].State.Programs[program].Runs;
        Assert.Equal([(_village.Peer(1), 1UL, RunEnd.LeaseLost), (_village.Peer(2), 2UL, (RunEnd?)null)], runs.Select(run => (run.Host, run.Epoch, run.End)));
        Assert.Equal("no majority", runs[0].Detail);
        Assert.True(runs[0].Began <= runs[0].Ended);
        Assert.Null(runs[1].Ended);
        Assert.False(_village[0].State.Programs[program].Finished);
    }

    [Fact]
    public void A_program_has_finished_when_its_last_run_says_so()
    {
        var program = Deploy();
        Record(1, program, 4, RunEnd.Finished);
        Assert.True(_village[1].State.Programs[program].Finished);
        Record(2, program, 3, RunEnd.LeaseLost); // of before; it came late
        Assert.True(_village[2].State.Programs[program].Runs.Count == 1);
        _village.MeetAll();
        Assert.True(_village[0].State.Programs[program].Finished);
        Record(2, program, 5);
        Assert.False(_village[2].State.Programs[program].Finished);
    }

    [Fact]
    public void The_state_holds_the_newest_runs_only()
    {
        var program = Deploy();
        for (ulong epoch = 1; epoch <= 40; epoch++) Record(1, program, epoch);
        var runs = _village[1].State.Programs[program].Runs;
        Assert.Equal(Enumerable.Range(25, 16).Select(epoch => (ulong)epoch), runs.Select(run => run.Epoch));
    }

    [Fact]
    public void Only_who_holds_the_key_may_have_run_it()
    {
        var program = Deploy();
        Assert.Equal(ErrorCode.NotAllowed, _village[0].WouldRefuse(Body(program, 1))!.Code);
        Assert.Equal(ErrorCode.NotAllowed, _village[3].WouldRefuse(Body(program, 1))!.Code); // a guest
        Assert.Equal(ErrorCode.SwarmProgramUnknown, _village[1].WouldRefuse(Body(EntryHash.Of([1]), 1))!.Code);
        Assert.Null(_village[1].WouldRefuse(Body(program, 1)));
    }

    [Fact]
    public void A_detail_that_is_too_long_or_has_lines_is_cut_to_one_line()
    {
        var body = Body(EntryHash.Of([1]), 1) with { End = RunEnd.StartFailed, Detail = "one\ntwo\u0007" + new string('x', 500) };
        var entry = StoredEntry.Create(_village.Keys.Signer(1), _village[0].Id, 9, EntryHash.Of([2]), [], HybridClock.At(_village.Now), body);
        Assert.True(StoredEntry.TryDecode(entry.Bytes.Span, out var read, out _));
        var run = Assert.IsType<RunRecorded>(read.Body);
        Assert.StartsWith("one two ", run.Detail);
        Assert.Equal(RunRecorded.MaxDetail, run.Detail!.Length);
    }

    // A program of member 1 whose key members 1 and 2 hold, and the guest 3 by mistake.
    private EntryHash Deploy()
    {
        var deployed = Village.Program() with { Keys = [.. new[] { 1, 2, 3 }.Select(index => new SealedKey(_village.Peer(index), new byte[81]))] };
        var program = _village[1].Append(deployed, _village.Now).Hash;
        _village.MeetAll();
        return program;
    }

    private RunRecorded Body(EntryHash program, ulong epoch, RunEnd? end = null, string? detail = null) => new(program, epoch, _village.Now, end, detail, null, RunUse.None);

    private void Record(int index, EntryHash program, ulong epoch, RunEnd? end = null, string? detail = null) => _village[index].Append(Body(program, epoch, end, detail), _village.Now);
}
