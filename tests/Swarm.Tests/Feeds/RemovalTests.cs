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
        var removal = village.Remove(0, 1);
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
        village.Remove(0, 1);
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
            village.Remove(0, junior);
            village.Remove(junior, 0);
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
        village.Remove(1, 0);
        village.Give(village[1], village[0]);
        Assert.Equal(ErrorCode.NotAMember, Assert.Throws<PcException>(() => village.Remove(0, 1)).Code);
        village.MeetAll();
        village.AssertAgree();
        Assert.Null(village[2].State.Find(village.Peer(0)));
    }

    [Fact]
    public void Three_admins_who_remove_each_other_in_a_ring_end_the_same_everywhere()
    {
        var village = new Village(Role.Admin, Role.Admin, Role.Member);
        village.Remove(0, 1);
        village.Remove(1, 2);
        village.Remove(2, 0);
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
        village.Remove(0, 1);
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
        village.Remove(0, 1);
        var behind = village.Deploy(1, "behind"); // unseen by the removal
        village[0].Append(new MemberAdmitted(village.Peer(1), "back", new byte[32], Role.Member, null), village.Now);
        village.MeetAll();
        var after = village.Deploy(1, "after");
        village.MeetAll();
        village.AssertAgree();
        Assert.DoesNotContain(behind.Hash, village[2].State.Programs.Keys);
        Assert.Contains(after.Hash, village[2].State.Programs.Keys);
    }

    [Fact]
    public void A_ticket_that_has_not_seen_a_removal_is_closed_and_a_later_one_is_open()
    {
        var village = new Village(Role.Admin, Role.Member);
        EntryHash Issue(int by, byte secret) => village[by].IssueTicket(Role.Member, TimeSpan.FromDays(1), 0, [], Enumerable.Repeat(secret, 16).ToArray(), village.Now).Ticket.Id;
        var before = Issue(0, 1);
        village.Remove(0, 2);
        var atOnce = Issue(1, 2); // by an admin who has not heard: the removed member may know it
        village.MeetAll();
        var after = Issue(1, 3);
        village.MeetAll();
        foreach (var node in new[] { 0, 1 })
        {
            var tickets = village[node].State.Tickets;
            Assert.Equal((true, true, false), (tickets[before].Closed, tickets[atOnce].Closed, tickets[after].Closed));
        }
        village.AssertAgree();
    }

    [Fact]
    public void A_ticket_that_a_removed_admin_issued_admits_nobody_any_more()
    {
        var village = new Village(Role.Admin, Role.Member);
        var (ticket, _) = village[1].IssueTicket(Role.Admin, TimeSpan.FromDays(1), 0, [], new byte[16], village.Now);
        village.MeetAll();
        village.Remove(0, 1);
        var request = new JoinRequest(ticket.Swarm, ticket.Secret, "friend", new byte[32], village.Now);
        // The removed admin has not heard and redeems; another admin never does.
        Assert.Single(village[1].Redeem(village.Peer(7), request, new byte[32], village.Now).Entries);
        Assert.Equal(ErrorCode.TicketUnknown, Assert.Throws<PcException>(() => village[0].Redeem(village.Peer(7), request, new byte[32], village.Now)).Code);
        village.MeetAll();
        village.AssertAgree();
        Assert.Null(village[0].State.Find(village.Peer(7)));
        Assert.Equal(ErrorCode.TicketClosed, Assert.Throws<PcException>(() => village[1].Redeem(village.Peer(8), request, new byte[32], village.Now)).Code);
    }

    [Fact]
    public void Whoever_held_the_key_of_a_program_and_is_out_is_named_until_it_is_stopped()
    {
        var village = new Village(Role.Member, Role.Member);
        var deployed = village[1].Append(Village.Program() with { Keys = [new SealedKey(village.Peer(1), new byte[81]), new SealedKey(village.Peer(2), new byte[81])] }, village.Now);
        village.MeetAll();
        Assert.Empty(village[0].State.FormerKeyHolders(village[0].State.Programs[deployed.Hash]));
        village.Remove(0, 2);
        Assert.Equal(["node-2"], village[0].State.FormerKeyHolders(village[0].State.Programs[deployed.Hash]).Select(member => member.Name));
    }
}
