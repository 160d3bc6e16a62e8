using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

public sealed class RemovalTests
{
    [Fact]
    public void What_a_removed_member_wrote_unseen_does_not_count_and_what_was_seen_does()
    {
        var village = new Village(Role.Member, Role.Member);
        var seen = village.Deploy(1, "seen");
        village.Give(village[1], village[0]);
        var removal = village[0].Remove(village.Peer(1), village.Now);
        Assert.Equal(1UL, ((MemberRemoved)removal.Body).LastAccepted);
        var unseen = village.Deploy(1, "unseen"); // before it heard, or dated so
        village.Give(village[1], village[2]); // an honest member takes it and builds on it
        var built = village.Deploy(2, "built");
        village.MeetAll();
        foreach (var replica in new[] { village[0], village[2] })
        {
            Assert.Contains(seen.Hash, replica.State.Programs.Keys);
            Assert.True(replica.State.Programs[seen.Hash].Stopped);
            Assert.DoesNotContain(unseen.Hash, replica.State.Programs.Keys);
            Assert.Contains(built.Hash, replica.State.Programs.Keys);
        }
        Assert.Equal(ErrorCode.NotAMember, Assert.Throws<PcException>(() => village.Deploy(1)).Code);
        village.AssertAgree();
    }

    [Fact]
    public void Nobody_takes_new_entries_of_a_removed_member_unless_others_built_on_them()
    {
        var village = new Village(Role.Member, Role.Member);
        village[0].Remove(village.Peer(1), village.Now);
        village.Give(village[0], village[2]);
        for (var i = 0; i < 20; i++) village.Deploy(1, "flood"); // has not heard
        var held = village[2].Count;
        village.Give(village[1], village[2]);
        Assert.Equal(held, village[2].Count);
    }

    [Fact]
    public void A_removal_that_states_another_number_than_it_saw_does_not_count()
    {
        var village = new Village(Role.Member, Role.Admin);
        village.Deploy(1, "one");
        village.Give(village[1], village[2]);
        var heads = new[] { village.Beginning[^1].Hash, village[2].MissingFor(village[0].Heads, int.MaxValue, out _)[0].Hash };
        // A changed program would undo what the removed member wrote before.
        var lie = StoredEntry.Create(village.Keys.Signer(2), village[0].Id, 1, null, heads, HybridClock.At(village.Now), new MemberRemoved(village.Peer(1), 0));
        village[2].Receive([lie.Bytes], village.Now);
        village.MeetAll();
        village.AssertAgree();
        Assert.NotNull(village[0].State.Find(village.Peer(1)));
        Assert.Single(village[0].State.Programs);
    }

    [Fact]
    public void Two_admins_who_remove_each_other_at_once_leave_the_senior_one()
    {
        for (var junior = 1; junior <= 2; junior++)
        {
            var village = new Village(Role.Admin, Role.Admin, Role.Member);
            village[0].Remove(village.Peer(junior), village.Now);
            village[junior].Remove(village.Peer(0), village.Now);
            village.MeetAll();
            village.AssertAgree();
            Assert.NotNull(village[3].State.Find(village.Peer(0)));
            Assert.Null(village[3].State.Find(village.Peer(junior)));
        }
    }

    [Fact]
    public void A_removal_that_was_seen_is_final_whoever_is_senior()
    {
        var village = new Village(Role.Admin, Role.Member);
        village[1].Remove(village.Peer(0), village.Now);
        village.Give(village[1], village[0]);
        Assert.Equal(ErrorCode.NotAMember, Assert.Throws<PcException>(() => village[0].Remove(village.Peer(1), village.Now)).Code);
        village.MeetAll();
        village.AssertAgree();
        Assert.Null(village[2].State.Find(village.Peer(0)));
    }

    [Fact]
    public void Three_admins_who_remove_each_other_in_a_ring_end_the_same_everywhere()
    {
        var village = new Village(Role.Admin, Role.Admin, Role.Member);
        village[0].Remove(village.Peer(1), village.Now);
        village[1].Remove(village.Peer(2), village.Now);
        village[2].Remove(village.Peer(0), village.Now);
        village.MeetAll();
        village.AssertAgree();
        // The creator's removal of 1 strikes 1's removal of 2; 2's removal of the creator is of a junior and strikes no removal.
        Assert.Null(village[3].State.Find(village.Peer(1)));
        Assert.NotNull(village[3].State.Find(village.Peer(2)));
        Assert.Null(village[3].State.Find(village.Peer(0)));
    }

    [Fact]
    public void Somebody_admitted_by_a_removed_admin_behind_its_back_is_not_in()
    {
        var village = new Village(Role.Admin, Role.Member);
        village[0].Remove(village.Peer(1), village.Now);
        village[1].Append(new MemberAdmitted(village.Peer(7), "friend", new byte[32], Role.Admin, null), village.Now);
        var friend = village.Load(1); // any replica will do to sign as the friend
        village.Give(village[1], friend);
        village.MeetAll();
        village.AssertAgree();
        Assert.False(village[0].State.Members.ContainsKey(village.Peer(7)));
    }

    [Fact]
    public void A_member_who_is_admitted_again_counts_from_then_on()
    {
        var village = new Village(Role.Member, Role.Member);
        village[0].Remove(village.Peer(1), village.Now);
        var behind = village.Deploy(1, "behind"); // unseen by the removal
        village[0].Append(new MemberAdmitted(village.Peer(1), "back", new byte[32], Role.Member, null), village.Now);
        village.MeetAll();
        var after = village.Deploy(1, "after");
        village.MeetAll();
        village.AssertAgree();
        Assert.DoesNotContain(behind.Hash, village[2].State.Programs.Keys);
        Assert.Contains(after.Hash, village[2].State.Programs.Keys);
    }
}
