using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests.Joining;

public sealed class JoinSecretTests
{
    private static readonly ScryptCost Cheap = new(14, 2, 1);
    private static readonly JoinVerifier Verifier = new(new byte[16], Cheap, [1, .. new byte[31]]);
    private static readonly byte[] SwarmKey = new byte[32];

    // Admins 1 and 2 and member 3, admitted with real keys for sealed boxes.
    private readonly Village _village = new();
    private readonly X25519Key[] _keys = [.. Enumerable.Range(1, 5).Select(i => new X25519Key(Enumerable.Repeat((byte)i, 32).ToArray()))];

    private JoinApplicant Applicant(string name, int key = 0) => new(name, _keys[key].PublicKey.ToArray(), _village.Now);

    private SwarmReplica Admit(int index, Role role)
    {
        _village[0].Append(new MemberAdmitted(_village.Peer(index), $"node-{index}", _keys[index].PublicKey.ToArray(), role, null), _village.Now);
        var replica = _village.Load(index);
        _village.Give(_village[0], replica);
        return replica;
    }

    private X25519Sealer Sealer(int index) => new(_keys[index]);

    private JoinVerifier? Open(SwarmReplica replica, int index) => replica.State.JoinSecret!.Open(replica.Id, replica.Self, Sealer(index));

    [Fact]
    public void Every_admin_can_answer_and_no_other_member()
    {
        var elm = Admit(1, Role.Admin);
        var fir = Admit(2, Role.Member);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Guest, _village.Now);
        _village.Give(elm, fir);
        _village.Give(elm, _village[0]);
        Assert.Equal(Verifier.Password, Open(elm, 1)!.Password);
        Assert.Equal(Role.Guest, _village[0].State.JoinSecret!.Set.Role);
        Assert.Null(Open(fir, 2));
        Assert.Null(fir.State.JoinSecret!.Open(fir.Id, elm.Self, Sealer(2))); // another's box
        Assert.Equal([_village.Peer(1), _village.Peer(0)], fir.State.JoinSecret.Set.Boxes.Select(box => box.Peer));
        Assert.Equal(ErrorCode.NotAllowed, Assert.Throws<PcException>(() => fir.SetJoinSecret(Sealer(2), Verifier, Role.Member, _village.Now)).Code);
    }

    [Fact]
    public void A_later_secret_takes_the_place_of_an_earlier_one_and_can_be_taken_back()
    {
        var elm = Admit(1, Role.Admin);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        elm.SetJoinSecret(Sealer(1), Verifier with { Password = [2, .. new byte[31]] }, Role.Member, _village.Now);
        Assert.Equal(2, Open(elm, 1)!.Password[0]);
        elm.SetJoinSecret(Sealer(1), null, Role.Member, _village.Now);
        Assert.True(elm.State.JoinSecret!.Closed);
        Assert.Null(Open(elm, 1));
    }

    [Fact]
    public void A_removal_ends_the_secret_until_another_is_set()
    {
        var elm = Admit(1, Role.Admin);
        Admit(2, Role.Member);
        _village.Give(_village[0], elm);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        _village.Give(elm, _village[0]);
        Remove(_village[0], 2);
        _village.Give(_village[0], elm);
        Assert.True(elm.State.JoinSecret!.Closed);
        Assert.Null(Open(elm, 1));
        Assert.Null(elm.ShareJoinSecret(Sealer(1), _village.Now));
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        Assert.NotNull(Open(elm, 1));
    }

    [Fact] // Whoever is removed may have been told the secret that another admin sets at that moment.
    public void A_secret_that_was_set_while_another_admin_removed_somebody_is_ended_on_every_node()
    {
        var elm = Admit(1, Role.Admin);
        Admit(2, Role.Member);
        _village.Give(_village[0], elm);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        Remove(_village[0], 2);
        _village.Give(elm, _village[0]);
        _village.Give(_village[0], elm);
        Assert.True(elm.State.JoinSecret!.Closed);
        Assert.True(_village[0].State.JoinSecret!.Closed);
        Assert.Equal(Simulation.StateDigest.Of(elm.State), Simulation.StateDigest.Of(_village[0].State));
    }

    [Fact]
    public void An_admin_who_comes_later_is_given_the_secret()
    {
        var elm = Admit(1, Role.Admin);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        Assert.Null(elm.ShareJoinSecret(Sealer(1), _village.Now)); // nobody lacks it
        var fir = Admit(2, Role.Admin);
        _village.Give(_village[0], elm);
        Assert.NotNull(elm.ShareJoinSecret(Sealer(1), _village.Now));
        _village.Give(elm, fir);
        Assert.Equal(Verifier.Password, Open(fir, 2)!.Password);
        Assert.Equal(1UL, fir.State.JoinSecret!.Set.Number); // the same secret still
        Assert.Null(fir.ShareJoinSecret(Sealer(2), _village.Now));
    }

    [Fact]
    public void An_admin_whose_key_is_unusable_is_left_out_and_the_others_are_not()
    {
        var elm = Admit(1, Role.Admin);
        _village[0].Append(new MemberAdmitted(_village.Peer(4), "node-4", new byte[32], Role.Admin, null), _village.Now); // a point of small order
        _village.Give(_village[0], elm);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        Assert.NotNull(Open(elm, 1));
        Assert.DoesNotContain(elm.State.JoinSecret!.Set.Boxes, box => box.Peer == _village.Peer(4));
        Assert.Null(elm.ShareJoinSecret(Sealer(1), _village.Now)); // and it is not tried for ever
    }

    [Fact] // Sharing the old secret must not bring it back beside a new one.
    public void Sharing_a_secret_does_not_undo_a_newer_one()
    {
        var elm = Admit(1, Role.Admin);
        var fir = Admit(2, Role.Admin);
        _village.Give(_village[0], elm);
        elm.SetJoinSecret(Sealer(1), Verifier, Role.Member, _village.Now);
        _village.Give(elm, fir);
        var late = Admit(3, Role.Admin);
        _village.Give(_village[0], elm);
        elm.SetJoinSecret(Sealer(1), Verifier with { Password = [2, .. new byte[31]] }, Role.Member, _village.Now);
        _village.Give(_village[0], fir);
        Assert.NotNull(fir.ShareJoinSecret(Sealer(2), _village.Now)); // of the old one, at the same time
        _village.Give(fir, elm);
        _village.Give(elm, fir);
        _village.Give(elm, late);
        foreach (var (replica, key) in new[] { (elm, 1), (fir, 2), (late, 3) }) Assert.Equal(2, Open(replica, key)!.Password[0]);
    }

    [Fact]
    public void Who_is_admitted_is_a_member_and_asking_again_writes_nothing()
    {
        var (reply, entries) = _village[0].Admit(_village.Peer(9), Applicant("fir"), Role.Guest, SwarmKey, _village.Now);
        Assert.Single(entries);
        var joined = SwarmReplica.JoinProven(_village.Keys.Signer(9), _village.Keys, _village[0].Id, "friends", reply, _village.Now, out _);
        Assert.Equal((Role.Guest, "fir"), (joined.State.Find(_village.Peer(9))!.Role, joined.State.Find(_village.Peer(9))!.Name));
        Assert.Empty(_village[0].Admit(_village.Peer(9), Applicant("fir"), Role.Guest, SwarmKey, _village.Now).Entries);
        _village[0].Admit(_village.Peer(10), Applicant("fir"), Role.Guest, SwarmKey, _village.Now);
        Assert.Equal("fir-2", _village[0].State.Find(_village.Peer(10))!.Name);
        Assert.Equal(ErrorCode.ClockWrong, Assert.Throws<PcException>(() => _village[0].Admit(_village.Peer(11), Applicant("elm") with { Clock = _village.Now.AddDays(1) }, Role.Member, SwarmKey, _village.Now)).Code);
    }

    private void Remove(SwarmReplica replica, int index) => replica.Append(new MemberRemoved(_village.Peer(index), 0), _village.Now);
}
