using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests;

// Node 0 is the creator and owns the program; 1 to 3 guard it; 4 and 5 may come later; 6 is a guest.
public sealed class GuardianSetTests
{
    private readonly Village _village = new(Role.Member, Role.Member, Role.Member, Role.Member, Role.Member, Role.Guest);
    private readonly EntryHash _program;

    public GuardianSetTests()
    {
        _program = _village[0].Append(Village.Program() with { Guardians = Peers(1, 2, 3) }, _village.Now).Hash;
        _village.MeetAll();
    }

    [Fact]
    public void A_deploy_names_the_first_set()
    {
        var program = Program(4);
        Assert.Equal(Peers(1, 2, 3), program.Guardians);
        Assert.Equal(1UL, program.GuardianGeneration);
        Assert.Equal(WhenAlone.Stop, program.WhenAlone);
    }

    [Fact]
    public void A_program_of_an_earlier_version_is_guarded_by_its_host_alone()
    {
        var old = _village.Deploy(0, "old").Hash;
        Assert.Equal(0UL, _village[0].State.Programs[old].GuardianGeneration);
        _village[0].Append(new ProgramPlaced(old, _village.Peer(2), 1), _village.Now);
        _village[0].Append(new ProgramPlaced(old, _village.Peer(3), 2), _village.Now);
        var program = _village[0].State.Programs[old];
        Assert.Equal(Peers(3), program.Guardians);
        Assert.Equal(2UL, program.GuardianGeneration);
        Assert.Equal(WhenAlone.Run, program.WhenAlone);
    }

    [Fact]
    public void Another_set_counts_once_a_majority_of_the_set_before_approved_it()
    {
        var set = Propose(0, 2, 3, 4, 5);
        Approve(2, set);
        Assert.Equal(1UL, Program(0).GuardianGeneration);
        Assert.True(Program(0).IsSealedBy(_village.Peer(2)));
        Assert.False(Program(0).IsSealedBy(_village.Peer(1)));
        Approve(1, set);
        foreach (var index in Enumerable.Range(0, 7))
        {
            Assert.Equal(2UL, Program(index).GuardianGeneration);
            Assert.Equal(Peers(3, 4, 5), Program(index).Guardians);
            Assert.Equal([7], Program(index).KeyOf(_village.Peer(4))!.Box);
            Assert.False(Program(index).IsSealedBy(_village.Peer(2)));
        }
    }

    [Fact]
    public void A_guardian_approves_one_set_of_a_generation()
    {
        // Both are proposed without knowing of each other; each guardian takes one.
        var one = _village[0].Append(Set(2, 3, 4), _village.Now).Hash;
        var other = _village[1].Append(Set(2, 4, 5), _village.Now).Hash;
        _village.MeetAll();
        Approve(1, other);
        Approve(2, one);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(2, new GuardiansApproved(_program, other)));
        Assert.Equal(1UL, Program(0).GuardianGeneration);
        Approve(3, other);
        Assert.Equal(Peers(4, 5), Program(0).Guardians);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(3, new GuardiansApproved(_program, one))); // of a generation that is over
    }

    [Fact]
    public void Only_the_owner_admins_and_guardians_propose_and_only_guardians_approve()
    {
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(4, Set(2, 3, 4)));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(0, Set(3, 3, 4))); // not the next generation
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(0, Set(2, 3, 6))); // a guest
        var set = Propose(3, 2, 3, 4);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(0, new GuardiansApproved(_program, set)));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(4, new GuardiansApproved(_program, set)));
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(1, new GuardiansApproved(_program, _program)));
    }

    [Fact]
    public void When_a_majority_can_never_come_together_all_that_are_left_must_approve()
    {
        var set = Propose(0, 2, 3, 4);
        Approve(3, set);
        _village.Remove(0, 1);
        Assert.Equal(1UL, _village[0].State.Programs[_program].GuardianGeneration); // two of three can still come together
        _village.Remove(0, 2);
        Assert.Equal(Peers(3, 4), _village[0].State.Programs[_program].Guardians);
    }

    [Fact]
    public void An_accusation_is_kept_once_for_each_author_and_guardian()
    {
        var said = new GuardianMisbehaved(_program, _village.Peer(2), Misbehaviour.TwoVotes, []);
        _village[1].Append(said, _village.Now);
        Assert.Equal(ErrorCode.NotAllowed, CodeOf(1, said));
        _village.MeetAll();
        _village[3].Append(said, _village.Now);
        _village.MeetAll();
        Assert.Equal(Peers(1, 3), _village[5].State.Accusations.Select(accusation => accusation.By).Order());
    }

    private PeerId[] Peers(params int[] indexes) => [.. indexes.Select(_village.Peer).Order()];

    private SwarmProgram Program(int index) => _village[index].State.Programs[_program];

    private GuardiansSet Set(ulong generation, params int[] guardians) => new(_program, generation, Peers(guardians), [new SealedKey(_village.Peer(4), [7])]);

    private EntryHash Propose(int index, ulong generation, params int[] guardians)
    {
        var entry = _village[index].Append(Set(generation, guardians), _village.Now);
        _village.MeetAll();
        return entry.Hash;
    }

    private void Approve(int index, EntryHash set)
    {
        _village[index].Append(new GuardiansApproved(_program, set), _village.Now);
        _village.MeetAll();
    }

    private ErrorCode CodeOf(int index, EntryBody body) => Assert.Throws<PcException>(() => _village[index].Append(body, _village.Now)).Code;
}
