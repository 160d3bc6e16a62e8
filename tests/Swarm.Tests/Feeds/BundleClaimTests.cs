using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>A bundle that two members' deploys name: who of them may have packed it, by what their entries had seen.</summary>
public sealed class BundleClaimTests
{
    private readonly Village _village = new(Role.Member, Role.Member, Role.Member);

    [Fact]
    public void A_bundle_of_one_member_is_claimed_by_nobody_else_however_often_it_is_deployed()
    {
        var first = Deploy(1);
        var second = Deploy(1);
        Deploy(2, 7);
        _village.MeetAll();
        Assert.Equal([null, null], Claims(first, second));
        _village.AssertAgree();
    }

    // Both orders of authors, since entries that have not seen each other are folded in the order of their authors.
    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public void Who_has_seen_another_s_deploy_copied_it(int oak, int mallory)
    {
        var original = Deploy(oak);
        _village.Meet(_village[oak], _village[mallory]);
        var copy = Deploy(mallory);
        Assert.Equal(_village.Peer(oak), _village[mallory].State.Programs[copy].BundleClaimedBy); // as it is applied on top
        var later = Deploy(oak); // has not seen the copy, which has not seen it
        _village.MeetAll();
        Assert.Equal([null, _village.Peer(oak)], Claims(original, copy));
        Assert.Equal([_village.Peer(mallory)], Claims(later));
        _village.AssertAgree();
        Deploy(3, 7);
        _village.Remove(0, 3); // folds all anew
        Assert.Equal([null, _village.Peer(oak)], Claims(original, copy));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 1)]
    public void Of_deploys_that_have_not_seen_each_other_either_may_be_the_first(int oak, int mallory)
    {
        var (one, other) = (Deploy(oak), Deploy(mallory));
        _village.MeetAll();
        Assert.Equal([_village.Peer(mallory), _village.Peer(oak)], Claims(one, other));
        _village.AssertAgree();
    }

    private EntryHash Deploy(int index, byte bundle = 0) =>
        _village[index].Append(Village.Program() with { Bundle = Cid.V1(Cid.Raw, [.. Enumerable.Repeat(bundle, 32)]) }, _village.Now).Hash;

    private PeerId?[] Claims(params EntryHash[] programs) => [.. programs.Select(program => _village[0].State.Programs[program].BundleClaimedBy)];
}
