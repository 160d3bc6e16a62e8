using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests;

public sealed class LeaseEngineTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(6);

    [Fact]
    public void The_only_guardian_holds_at_once()
    {
        var guardians = new Guardians(1);
        guardians.WatchAll(WhenAlone.Run);
        Assert.Equal(guardians.Peers, guardians.Holders);
        guardians.RunFor(TimeSpan.FromMinutes(1));
        Assert.Equal(guardians.Peers, guardians.Holders);
        Assert.Single(guardians.Effects<LeaseEffect.Acquired>(guardians.Peers[0]));
        Assert.Empty(guardians.Effects<LeaseEffect.Lost>(guardians.Peers[0]));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void Whoever_was_chosen_holds_at_once_and_keeps_it(int count)
    {
        var guardians = new Guardians(count);
        guardians.GrowUp();
        guardians.WatchAll(WhenAlone.Stop);
        guardians.Settle();
        Assert.Empty(guardians.Holders);
        var chosen = guardians.Peers[^1];
        guardians.Do(chosen, new LeaseInput.Wish(Guardians.Program));
        guardians.Settle();
        Assert.Equal([chosen], guardians.Holders);
        Assert.Equal((ulong)count, guardians.Effects<LeaseEffect.Acquired>(chosen).Single().Epoch); // the last digit is its place
        guardians.RunFor(TimeSpan.FromMinutes(2));
        Assert.Equal([chosen], guardians.Holders);
        Assert.DoesNotContain(guardians.Seen, seen => seen.Effect is LeaseEffect.Lost);
    }

    // Else each deploy right after the hosts started would wait for their youth to pass.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Guardians_that_just_started_vote_at_once_where_no_earlier_life_of_theirs_can_have(bool fresh)
    {
        var guardians = new Guardians(3);
        foreach (var peer in guardians.Peers) guardians.Do(peer, new LeaseInput.Watch(Guardians.Program, 1, guardians.Peers, WhenAlone.Stop, CanRun: true) { IsFresh = fresh });
        guardians.Do(guardians.Peers[1], new LeaseInput.Wish(Guardians.Program));
        guardians.Settle();
        Assert.Equal(fresh ? [guardians.Peers[1]] : [], guardians.Holders);
    }

    [Fact]
    public void A_host_that_dies_is_followed_by_another_within_six_seconds_with_a_higher_epoch()
    {
        var guardians = Held(3, WhenAlone.Stop, out var first);
        guardians.Down.Add(first);
        Assert.True(guardians.RunUntil(() => guardians.Holders.Any(), Soon));
        var second = guardians.Holders.Single();
        Assert.True(guardians.Effects<LeaseEffect.Acquired>(second).Single().Epoch > guardians.Effects<LeaseEffect.Acquired>(first).Single().Epoch);
    }

    [Fact]
    public void Without_a_majority_a_program_that_stops_alone_stops_when_its_lease_ends()
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        foreach (var peer in guardians.Peers.Where(peer => peer != holder)) guardians.Down.Add(peer);
        guardians.RunFor(guardians.Options.Lease);
        Assert.Equal(LeaseLoss.Expired, guardians.Effects<LeaseEffect.Lost>(holder).Single().Why);
        guardians.RunFor(TimeSpan.FromMinutes(1));
        Assert.Empty(guardians.Holders);
    }

    [Fact]
    public void Without_a_majority_a_program_that_runs_alone_goes_on_with_its_epoch()
    {
        var guardians = Held(2, WhenAlone.Run, out var holder);
        guardians.Down.Add(guardians.Peers.Single(peer => peer != holder));
        guardians.RunFor(TimeSpan.FromMinutes(1));
        Assert.Equal([holder], guardians.Holders);
        Assert.Empty(guardians.Effects<LeaseEffect.Lost>(holder));
        Assert.True(guardians[holder].ViewOf(Guardians.Program)!.Alone);
    }

    [Fact]
    public void A_host_that_is_alone_takes_over_after_a_grace_time_and_the_lower_epoch_stops_when_they_meet()
    {
        var guardians = Held(2, WhenAlone.Run, out var first);
        var second = guardians.Peers.Single(peer => peer != first);
        var split = true;
        guardians.OnTheWay = (_, _, message) => split ? null : message;
        Assert.True(guardians.RunUntil(() => guardians.Holders.Count() == 2, Soon)); // each is alone: this is what run means
        split = false;
        guardians.RunFor(guardians.Options.RenewEvery);
        Assert.Equal([second], guardians.Holders);
        var lost = guardians.Effects<LeaseEffect.Lost>(first).Single();
        Assert.Equal(LeaseLoss.Superseded, lost.Why);
        Assert.Equal(second, lost.By!.Value.Holder);
        guardians.RunFor(TimeSpan.FromSeconds(10));
        Assert.False(guardians[second].ViewOf(Guardians.Program)!.Alone);
    }

    // Goal: of two hosts the other waits for the lease of the one whose daemon died, and for nothing more. Method: the dead one's machine refuses at once.
    [Fact]
    public void A_host_that_is_alone_waits_for_the_lease_of_a_holder_that_is_gone_and_for_no_grace()
    {
        var guardians = Held(2, WhenAlone.Run, out var first);
        var second = guardians.Peers.Single(peer => peer != first);
        guardians.Do(second, new LeaseInput.Reachable(first, IsReachable: true)); // gossip is slow
        guardians.Down.Add(first);
        var died = guardians.Now;
        guardians.Do(second, new LeaseInput.Gone(first));
        Assert.True(guardians.RunUntil(() => guardians.Holders.Any(), Soon));
        Assert.Equal([second], guardians.Holders);
        Assert.InRange(guardians.Now - died, guardians.Options.Backing - guardians.Options.RenewEvery, guardians.Options.Backing + guardians.Options.Stagger + guardians.Options.RoundTimeout / 2);
    }

    [Fact]
    public void Whoever_is_heard_of_again_is_not_gone()
    {
        var guardians = Held(2, WhenAlone.Run, out var first);
        var second = guardians.Peers.Single(peer => peer != first);
        guardians.Do(second, new LeaseInput.Gone(first));
        guardians.RunFor(guardians.Options.RenewEvery * 2); // it renews
        guardians.Down.Add(first);
        var died = guardians.Now;
        Assert.True(guardians.RunUntil(() => guardians.Holders.Any(), Soon));
        Assert.True(guardians.Now - died >= guardians.Options.Backing - guardians.Options.RenewEvery + guardians.Options.AloneGrace);
    }

    [Fact]
    public void A_lease_that_is_given_back_goes_to_whom_it_was_meant_for_at_once()
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        var next = guardians.Peers.Last(peer => peer != holder);
        guardians.Do(holder, new LeaseInput.Drain());
        guardians.Do(holder, new LeaseInput.Release(Guardians.Program, next));
        guardians.Settle();
        Assert.Equal([next], guardians.Holders);
        Assert.Equal(LeaseLoss.Released, guardians.Effects<LeaseEffect.Lost>(holder).Single().Why);
    }

    [Fact]
    public void A_guardian_that_started_less_than_a_lease_ago_does_not_vote()
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        var others = guardians.Peers.Where(peer => peer != holder).ToList();
        foreach (var peer in others) guardians.Restart(peer);
        var started = guardians.Now;
        foreach (var peer in others) guardians.Do(peer, Watch(guardians, 1));
        // The holder cannot renew, since both forgot that they back it; nobody else gets a majority while it runs.
        Assert.True(guardians.RunUntil(() => !guardians.Holders.Any(), Soon));
        Assert.True(guardians.RunUntil(() => guardians.Holders.Any(), Soon));
        Assert.True(guardians.Now - started >= guardians.Options.Backing);
    }

    [Theory]
    [InlineData(0, true)] // an epoch that nobody has had
    [InlineData(-10, false)] // used before
    [InlineData(1, false)] // somebody else's
    [InlineData(1 << 30, false)] // out of all proportion
    public void A_voter_backs_nobody_with_an_epoch_that_is_not_good(int off, bool good)
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        guardians.Do(holder, new LeaseInput.Drain());
        guardians.Do(holder, new LeaseInput.Release(Guardians.Program, null));
        var (liar, voter) = (guardians.Peers[1], guardians.Peers[2]);
        guardians.Do(voter, new LeaseInput.Drain());
        guardians.Do(liar, new LeaseInput.Drain());
        guardians.Settle(); // epoch 1 was the holder's, the next of the second is 2
        guardians.OnTheWay = (from, _, message) => from == liar ? message : null;
        LeaseEffect? answer = null;
        var ballot = new Ballot(BallotKind.Propose, Guardians.Program, 1) { Number = 99, Round = 5, Epoch = (ulong)Math.Max(0, 12 + off), Time = guardians.Options.Lease };
        foreach (var epoch in new[] { ballot with { Epoch = 12 }, ballot })
        {
            // The second is asked for after the first was backed and given back.
            var effects = guardians[voter].Handle(new LeaseInput.Received(liar, new LeaseMessage(liar, 1, 1, [epoch])), guardians.Now);
            answer = effects.OfType<LeaseEffect.Send>().First();
            if (good) break;
            guardians[voter].Handle(new LeaseInput.Received(liar, new LeaseMessage(liar, 1, 2, [new Ballot(BallotKind.Release, Guardians.Program, 1) { Epoch = 12 }])), guardians.Now);
        }
        var said = Assert.IsType<LeaseEffect.Send>(answer).Message.Ballots.Single();
        Assert.Equal(good ? BallotKind.Accept : BallotKind.Refuse, said.Kind);
        if (!good) Assert.Equal(BallotRefusal.Epoch, said.Refusal);
    }

    [Fact]
    public void Two_holders_by_the_votes_of_a_liar_end_when_they_meet_and_the_liar_is_named()
    {
        var guardians = Held(3, WhenAlone.Stop, out var first);
        var (liar, second) = (guardians.Peers[1], guardians.Peers[2]);
        var number = 0UL;
        var split = true;
        guardians.OnTheWay = (from, to, message) =>
        {
            if (split && from != liar && to != liar) return null;
            if (to != liar) return message;
            // The liar's engine hears nothing: it promises and votes for everybody.
            var answers = message.Ballots.Where(ballot => ballot.Kind is BallotKind.Prepare or BallotKind.Propose).Select(ballot => new Ballot(BallotKind.Promise, ballot.Program, ballot.Generation)
            {
                Kind = ballot.Kind == BallotKind.Prepare ? BallotKind.Promise : BallotKind.Accept,
                Number = ballot.Number,
                Round = ballot.Round,
                Epoch = ballot.Kind == BallotKind.Prepare ? 0 : ballot.Epoch,
                Holder = ballot.Kind == BallotKind.Prepare ? null : from,
            }).ToList();
            if (answers.Count > 0) guardians.Post(liar, from, new LeaseMessage(liar, 1, ++number, answers));
            return null;
        };
        guardians.Do(liar, new LeaseInput.Drain());
        Assert.True(guardians.RunUntil(() => guardians.Holders.Count() == 2, TimeSpan.FromSeconds(15)));
        guardians.RunFor(TimeSpan.FromSeconds(5));
        split = false;
        Assert.True(guardians.RunUntil(() => guardians.Holders.Count() <= 1, guardians.Options.Lease + TimeSpan.FromSeconds(1)));
        var named = guardians.Seen.Select(seen => seen.Effect).OfType<LeaseEffect.Misbehaved>().First();
        Assert.Equal(liar, named.Peer);
        Assert.Equal(2, named.Evidence.Count);
        // The two who are left are a majority.
        Assert.True(guardians.RunUntil(() => guardians.Holders.Count() == 1, TimeSpan.FromSeconds(15)));
    }

    [Fact]
    public void A_set_of_another_generation_takes_over_without_a_second_holder()
    {
        var guardians = Held(3, WhenAlone.Stop, out var holder);
        foreach (var peer in guardians.Peers) guardians.Do(peer, Watch(guardians, 1) with { Sealed = true });
        guardians.RunFor(TimeSpan.FromSeconds(1));
        foreach (var peer in guardians.Peers) guardians.Do(peer, Watch(guardians, 2));
        guardians.RunFor(TimeSpan.FromSeconds(20));
        Assert.Equal([holder], guardians.Holders);
        Assert.DoesNotContain(guardians.Seen, seen => seen.Effect is LeaseEffect.Lost);
        // Whoever knows the old one only is refused.
        var late = guardians[guardians.Peers[1]].Handle(new LeaseInput.Received(guardians.Peers[2], new LeaseMessage(guardians.Peers[2], 1, 1, [new Ballot(BallotKind.Prepare, Guardians.Program, 1)])), guardians.Now);
        Assert.Equal(BallotRefusal.Generation, late.OfType<LeaseEffect.Send>().First().Message.Ballots.Single().Refusal);
    }

    [Fact]
    public void A_guardian_that_approved_a_later_set_votes_no_more()
    {
        var guardians = new Guardians(3);
        guardians.GrowUp();
        guardians.WatchAll(WhenAlone.Stop);
        foreach (var peer in guardians.Peers.Skip(1)) guardians.Do(peer, Watch(guardians, 1) with { Sealed = true });
        foreach (var peer in guardians.Peers.Skip(1)) guardians.Do(peer, Watch(guardians, 1)); // an older state of the feeds unseals nothing
        guardians.Do(guardians.Peers[0], new LeaseInput.Wish(Guardians.Program));
        guardians.RunFor(TimeSpan.FromSeconds(20));
        Assert.Empty(guardians.Holders);
    }

    [Fact]
    public void A_lease_counts_from_when_it_was_asked_for_and_late_answers_extend_nothing()
    {
        var guardians = new Guardians(3);
        guardians.GrowUp();
        guardians.WatchAll(WhenAlone.Stop);
        var holder = guardians.Peers[0];
        var late = new List<(PeerId From, LeaseMessage Message)>();
        guardians.OnTheWay = (from, to, message) =>
        {
            if (to != holder || message.Ballots[0].Kind != BallotKind.Accept) return message;
            late.Add((from, message));
            return null;
        };
        guardians.Do(holder, new LeaseInput.Wish(Guardians.Program));
        guardians.Settle();
        var asked = guardians.Now;
        guardians.RunFor(TimeSpan.FromMilliseconds(400));
        guardians.OnTheWay = (_, _, message) => message;
        foreach (var (from, message) in late) guardians.Post(from, holder, message);
        guardians.Settle();
        Assert.Equal(asked + guardians.Options.Lease, guardians.Effects<LeaseEffect.Acquired>(holder).Single().Until);

        foreach (var peer in guardians.Peers.Skip(1)) guardians.Down.Add(peer);
        guardians.RunFor(TimeSpan.FromSeconds(2));
        guardians.Down.Clear();
        guardians.OnTheWay = (_, to, message) => to == holder ? message : null;
        foreach (var (from, message) in late) guardians.Post(from, holder, message);
        guardians.RunFor(guardians.Options.Lease);
        Assert.Empty(guardians.Effects<LeaseEffect.Renewed>(holder));
        Assert.Single(guardians.Effects<LeaseEffect.Lost>(holder));
    }

    [Fact]
    public void Ballots_of_all_programs_for_one_guardian_go_in_few_messages()
    {
        var guardians = new Guardians(3);
        guardians.GrowUp();
        var programs = Enumerable.Range(0, 200).Select(number => EntryHash.Of([1, (byte)number])).ToList();
        foreach (var peer in guardians.Peers)
        {
            foreach (var program in programs) guardians.Do(peer, new LeaseInput.Watch(program, 1, guardians.Peers, WhenAlone.Stop, CanRun: true));
        }
        foreach (var program in programs) guardians.Do(guardians.Peers[0], new LeaseInput.Wish(program));
        guardians.RunFor(TimeSpan.FromSeconds(3));
        Assert.Equal(200, guardians[guardians.Peers[0]].Views.Count(view => view.IsOwn));
        var sent = 0;
        guardians.OnTheWay = (_, _, message) =>
        {
            sent++;
            return message;
        };
        guardians.RunFor(guardians.Options.RenewEvery * 3);
        Assert.True(sent <= 4 * 2 * 2 * 4, $"{sent} messages"); // 4 parts, two guardians, there and back, in at most 4 renewals
    }

    internal static LeaseInput.Watch Watch(Guardians guardians, ulong generation) => new(Guardians.Program, generation, guardians.Peers, WhenAlone.Stop, CanRun: true);

    internal static Guardians Held(int count, WhenAlone whenAlone, out PeerId holder)
    {
        var guardians = new Guardians(count);
        guardians.GrowUp();
        guardians.WatchAll(whenAlone);
        holder = guardians.Peers[0];
        guardians.Do(holder, new LeaseInput.Wish(Guardians.Program));
        guardians.RunFor(TimeSpan.FromSeconds(3));
        Assert.Equal([holder], guardians.Holders);
        return guardians;
    }
}
