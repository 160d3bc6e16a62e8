using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

// Node 0 is the creator, 1 an admin, 2 a member, 3 a guest.
public sealed class RightsTests
{
    private readonly Village _village = new(Role.Admin, Role.Member, Role.Guest);

    private ErrorCode CodeOf(int index, EntryBody body) => Assert.Throws<PcException>(() => _village[index].Append(body, _village.Now)).Code;

    [Fact]
    public void Only_admins_invite_admit_and_remove()
    {
        var issued = new TicketIssued(EntryHash.Of([1]), Role.Member, _village.Now.AddDays(1), 1);
        var admitted = new MemberAdmitted(_village.Peer(9), "new", new byte[32], Role.Member, null);
        foreach (var index in new[] { 2, 3 })
        {
            Assert.Equal(ErrorCode.NotAllowed, CodeOf(index, issued));
            Assert.Equal(ErrorCode.NotAllowed, CodeOf(index, admitted));
            Assert.Equal(ErrorCode.NotAllowed, CodeOf(index, new MemberRemoved(_village.Peer(1), 0)));
        }
        _village[1].Append(issued, _village.Now);
        _village[1].Append(admitted, _village.Now);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(1, issued)); // twice
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(1, new MemberRemoved(_village.Peer(1), 0))); // itself
        Assert.Equal(ErrorCode.MemberUnknown, CodeOf(1, new MemberRemoved(_village.Peer(12), 0)));
        Assert.Equal(ErrorCode.MemberUnknown, Assert.Throws<PcException>(() => _village[1].Readmit(_village.Peer(2), _village.Now)).Code);
    }

    [Fact]
    public void Guests_neither_deploy_nor_host()
    {
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(3, Village.Program()));
        var program = _village.Deploy(2);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(2, new ProgramPlaced(program.Hash, _village.Peer(3), 1)));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(2, new ProgramPlaced(program.Hash, _village.Peer(17), 1)));
        _village[2].Append(new ProgramPlaced(program.Hash, _village.Peer(1), 1), _village.Now);
        Assert.Null(_village[2].WouldRefuse(Village.Program()));
        Assert.Equal(ErrorCode.NotAllowed, _village[3].WouldRefuse(Village.Program())!.Code);
    }

    [Fact]
    public void A_program_is_placed_and_stopped_by_its_owner_or_an_admin()
    {
        var program = _village.Deploy(2).Hash;
        var other = _village.Deploy(1).Hash;
        _village.MeetAll();
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(2, new ProgramStopped(other)));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(3, new ProgramStopped(program)));
        Assert.Equal(ErrorCode.SwarmProgramUnknown, CodeOf(2, new ProgramStopped(EntryHash.Of([1]))));
        _village[1].Append(new ProgramPlaced(program, _village.Peer(2), 4), _village.Now);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(1, new ProgramPlaced(program, _village.Peer(1), 3))); // an older choice
        _village[1].Append(new ProgramStopped(program), _village.Now);
        Assert.Equal(ErrorCode.SwarmProgramUnknown, CodeOf(1, new ProgramStopped(program)));
        Assert.Equal(ErrorCode.SwarmProgramUnknown, CodeOf(1, new ProgramPlaced(program, _village.Peer(1), 9)));
        var state = _village[1].State;
        Assert.True(state.MayControl(_village.Peer(2), state.Programs[program]));
        Assert.False(state.MayControl(_village.Peer(2), state.Programs[other]));
        Assert.False(state.MayControl(_village.Peer(3), state.Programs[program]));
    }

    [Fact]
    public void A_program_is_controlled_by_its_owner_an_admin_or_for_its_data_a_keeper()
    {
        var program = _village.Deploy(1).Hash;
        _village.MeetAll();
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(2, new ProgramControlled(program, ControlAction.Restart, "")));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(3, new ProgramControlled(program, ControlAction.Exec, "sh")));
        var restart = _village[1].Append(new ProgramControlled(program, ControlAction.Restart, ""), _village.Now);
        for (var i = 0; i < SwarmLimits.MaxControlsKept; i++) _village[1].Append(new ProgramControlled(program, ControlAction.Exec, $"ls {i}"), _village.Now);
        var known = _village[1].State.Programs[program];
        Assert.Equal(restart.Hash, known.LastRestart);
        Assert.Equal(SwarmLimits.MaxControlsKept, known.Controls.Count);
        Assert.Equal(("ls 0", ControlAction.Exec, _village.Peer(1)), (known.Controls[0].Detail, known.Controls[0].Action, known.Controls[0].Author));
        _village[1].Append(new ProgramStopped(program), _village.Now);
        Assert.Equal(ErrorCode.SwarmProgramUnknown, CodeOf(1, new ProgramControlled(program, ControlAction.Restart, "")));

        var kept = _village[1].Append(Village.Program() with { Keys = [new SealedKey(_village.Peer(2), new byte[81])], Replaces = program }, _village.Now).Hash;
        _village.MeetAll();
        Assert.Equal(program, _village[2].State.Programs[kept].Deployed.Replaces);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(2, new ProgramControlled(kept, ControlAction.Exec, "sh")));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(3, new ProgramControlled(kept, ControlAction.DataTold, "3 files")));
        _village[2].Append(new ProgramControlled(kept, ControlAction.DataTold, "3 files"), _village.Now);
    }

    [Fact]
    public void A_restart_undoes_a_finished_run_and_no_later_one()
    {
        var program = _village[1].Append(Village.Program() with { Keys = [new SealedKey(_village.Peer(1), new byte[81])] }, _village.Now).Hash;
        void Ran(ulong epoch, RunEnd? end) => _village[1].Append(new RunRecorded(program, epoch, _village.Now, end, null, null, RunUse.None), _village.Now);
        void Restart() => _village[1].Append(new ProgramControlled(program, ControlAction.Restart, ""), _village.Now);
        bool Finished() => _village[1].State.Programs[program].Finished;
        Ran(1, null);
        Restart();
        Ran(1, RunEnd.Finished);
        Assert.True(Finished());
        Restart();
        Assert.False(Finished());
        Ran(2, null);
        Ran(2, RunEnd.Finished);
        Assert.True(Finished());
    }

    [Fact]
    public void What_somebody_without_the_right_writes_anyway_is_held_but_does_not_count()
    {
        // A changed program of member 2 writes what ours refuses.
        var head = _village.Beginning[^1];
        var entry = StoredEntry.Create(_village.Keys.Signer(2), _village[0].Id, 1, null, [head.Hash], HybridClock.At(_village.Now), new MemberRemoved(_village.Peer(0), head.Sequence));
        Assert.Single(_village[1].Receive([entry.Bytes], _village.Now).Accepted);
        var admitted = StoredEntry.Create(
            _village.Keys.Signer(2), _village[0].Id, 2, entry.Hash, [], HybridClock.At(_village.Now), new MemberAdmitted(_village.Peer(2), "me", new byte[32], Role.Admin, null));
        Assert.Single(_village[1].Receive([admitted.Bytes], _village.Now).Accepted);
        Assert.NotNull(_village[1].State.Find(_village.Peer(0)));
        Assert.Equal(Role.Member, _village[1].State.Find(_village.Peer(2))!.Role);
        Assert.Equal(2, _village[1].State.Entries.Ignored);
        _village.MeetAll();
        _village.AssertAgree();
    }

    [Fact]
    public void Whoever_left_writes_nothing_that_counts_and_can_come_back()
    {
        _village.Deploy(2, "mine");
        _village[2].Leave(_village.Now);
        Assert.Equal(ErrorCode.NotAMember, CodeOf(2, Village.Program()));
        _village.MeetAll();
        Assert.Equal(MemberStatus.Left, _village[0].State.Members[_village.Peer(2)].Status);
        Assert.True(_village[0].State.Programs.Values.Single().Stopped);
        _village[0].Append(new MemberAdmitted(_village.Peer(2), "again", new byte[32], Role.Member, null), _village.Now);
        _village.MeetAll();
        _village.Deploy(2, "new");
        _village.MeetAll();
        _village.AssertAgree();
        Assert.Equal(1, _village[3].State.Programs.Values.Count(program => !program.Stopped));
    }
}
