using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

public sealed class ForkTests
{
    // Node 1's home runs twice: `twin` writes numbers that node 1 wrote too.
    private static (Village Village, SwarmReplica Twin) Forked()
    {
        var village = new Village(Role.Member, Role.Member, Role.Admin);
        var twin = village.Load(1);
        village.Deploy(1, "left-1");
        village.Deploy(1, "left-2");
        twin.Append(Village.Program("right-1"), village.Now);
        return (village, twin);
    }

    [Fact]
    public void A_fork_is_known_to_all_who_meet_and_its_entries_do_not_count()
    {
        var (village, twin) = Forked();
        village.Give(village[1], village[0]);
        village.Give(village[1], village[2]);
        village.Give(twin, village[3]);
        Assert.Equal(2, village[0].State.Programs.Count);
        Assert.Single(village[3].State.Programs);
        village.MeetAll();
        village.AssertAgree();
        foreach (var replica in village.Replicas)
        {
            Assert.Equal(1UL, replica.State.Forked[village.Peer(1)]);
            Assert.Empty(replica.State.Programs);
        }
    }

    [Fact]
    public void A_forked_member_cannot_write_until_it_is_readmitted_and_goes_on_after_its_longest_branch()
    {
        var (village, twin) = Forked();
        village.Give(twin, village[3]);
        village.MeetAll();
        Assert.Equal(ErrorCode.FeedForked, Assert.Throws<PcException>(() => village.Deploy(1)).Code);
        Assert.Equal(ErrorCode.NotAllowed, Assert.Throws<PcException>(() => village[2].Readmit(village.Peer(1), village.Now)).Code);

        village[3].Readmit(village.Peer(1), village.Now);
        village.MeetAll();
        village.AssertAgree();
        Assert.Empty(village[0].State.Forked);
        var next = village.Deploy(1, "after");
        village.MeetAll();
        village.AssertAgree();
        Assert.Contains("after", village[2].State.Programs.Values.Select(program => program.Deployed.Name));
        Assert.True(next.Sequence > 1);
    }

    [Fact]
    public void Entries_of_a_fork_that_others_built_on_are_taken_but_do_not_count()
    {
        var (village, twin) = Forked();
        village.Give(twin, village[2]);
        var built = village.Deploy(2, "built"); // an honest member that saw the right branch only
        village.Give(village[1], village[0]);
        village.MeetAll();
        village.AssertAgree();
        Assert.Contains(built.Hash, village[0].State.Programs.Keys);
        Assert.Single(village[0].State.Programs);
    }

    [Fact]
    public void Two_forked_admins_cannot_readmit_each_other()
    {
        var village = new Village(Role.Admin, Role.Admin, Role.Member);
        var (twin1, twin2) = (village.Load(1), village.Load(2));
        village.Deploy(1, "one");
        village.Deploy(2, "two");
        twin1.Append(Village.Program("one-again"), village.Now);
        twin2.Append(Village.Program("two-again"), village.Now);
        // Each twin sees the other admin's fork, not its own, and readmits it.
        village.Give(village[2], twin1);
        village.Give(twin2, twin1);
        village.Give(village[1], twin2);
        twin1.Readmit(village.Peer(2), village.Now);
        village.Give(twin1, village[3]);
        village.Give(twin2, village[3]);
        village.MeetAll();
        village.AssertAgree();
        Assert.Equal(2, village[3].State.Forked.Count);
    }
}
