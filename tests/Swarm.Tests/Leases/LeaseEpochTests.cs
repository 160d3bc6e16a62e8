using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>
/// The checks of epochs and generations that no honest guardian meets, each by itself: what is late, of another set, or made up changes nothing. Those that honest
/// ones meet are noticed by the simulator (docs/protocols/leases.md has the list).
/// </summary>
public sealed class LeaseEpochTests
{
    // The first of three holds with epoch 1; the second and third have 2, 12, ... and 3, 13, ...
    private readonly Guardians _guardians = LeaseEngineTests.Held(3, WhenAlone.Stop, out _);
    private ulong _number;

    private PeerId First => _guardians.Peers[0];

    private PeerId Second => _guardians.Peers[1];

    private PeerId Third => _guardians.Peers[2];

    [Fact]
    public void A_voter_takes_the_epoch_of_another_from_nobody()
    {
        _guardians.Down.Add(First);
        _guardians.Do(Third, new LeaseInput.Drain());
        _guardians.Do(Second, new LeaseInput.Drain());
        _guardians.RunFor(_guardians.Options.Backing);
        // It says that it goes on with what it holds: then the last digit need not be its own.
        Assert.Equal(BallotRefusal.Epoch, Answer(Third, Second, Propose(1) with { Flags = BallotFlags.Holds | BallotFlags.Continues }).Refusal);
        Assert.Equal(BallotKind.Accept, Answer(Third, Second, Propose(2)).Kind);
    }

    [Fact]
    public void A_voter_takes_no_epoch_that_is_out_of_all_proportion_and_says_whose_it_was()
    {
        _guardians.Down.Add(First);
        foreach (var peer in new[] { Second, Third }) _guardians.Do(peer, new LeaseInput.Drain());
        _guardians.RunFor(_guardians.Options.Backing);
        Assert.Equal(BallotRefusal.Epoch, Answer(Third, Second, Propose(2 + 10 * (ulong)(1 << 20))).Refusal);
        Assert.Equal((Second, Misbehaviour.EpochLeap), (Single<LeaseEffect.Misbehaved>().Peer, Single<LeaseEffect.Misbehaved>().What));
    }

    [Fact]
    public void What_was_given_back_is_not_renewed_by_a_message_that_comes_late()
    {
        foreach (var peer in _guardians.Peers) _guardians.Do(peer, new LeaseInput.Drain());
        _guardians.Do(First, new LeaseInput.Release(Guardians.Program, null));
        _guardians.Settle();
        Assert.Equal(BallotRefusal.Epoch, Answer(Third, First, Propose(1) with { Flags = BallotFlags.Holds | BallotFlags.Continues }).Refusal);
    }

    [Theory]
    [InlineData(11, 1)] // of a claim that it does not back
    [InlineData(1, 2)] // of another set
    public void A_release_of_something_else_frees_nothing(ulong epoch, ulong generation)
    {
        Say(Third, First, new Ballot(BallotKind.Release, Guardians.Program, generation) { Epoch = epoch });
        Assert.Equal(BallotRefusal.Held, Answer(Third, Second, new Ballot(BallotKind.Prepare, Guardians.Program, 1) { Number = 99, Round = 5 }).Refusal);
    }

    // Goal: a vote counts for what was asked for. Method: what the voters answer is changed on its way.
    [Theory]
    [InlineData("epoch")]
    [InlineData("holder")]
    [InlineData("generation")]
    public void A_vote_for_something_else_counts_for_nothing(string changed)
    {
        _guardians.Down.Add(First);
        _guardians.Do(Third, new LeaseInput.Drain());
        _guardians.OnTheWay = (_, _, message) => message with
        {
            Ballots = [.. message.Ballots.Select(ballot => ballot.Kind != BallotKind.Accept ? ballot : changed switch
            {
                "epoch" => ballot with { Epoch = ballot.Epoch - 1 },
                "holder" => ballot with { Holder = Third },
                _ => ballot with { Generation = ballot.Generation + 1 },
            })],
        };
        _guardians.RunFor(TimeSpan.FromSeconds(20));
        Assert.Empty(_guardians.Holders);
        _guardians.OnTheWay = (_, _, message) => message;
        Assert.True(_guardians.RunUntil(() => _guardians.Holders.SequenceEqual([Second]), TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void A_guardian_that_answers_with_an_epoch_out_of_all_proportion_is_left_aside()
    {
        _guardians.Down.Add(First);
        _guardians.Do(Third, new LeaseInput.Drain());
        _guardians.OnTheWay = (from, _, message) => from != Third ? message : message with { Ballots = [.. message.Ballots.Select(ballot => ballot with { Epoch = ballot.Epoch + (1UL << 40) })] };
        _guardians.RunFor(TimeSpan.FromSeconds(10));
        Assert.Equal((Third, Misbehaviour.EpochLeap), (Single<LeaseEffect.Misbehaved>().Peer, Single<LeaseEffect.Misbehaved>().What));
        _guardians.OnTheWay = (_, _, message) => message;
        _guardians.Down.Clear();
        Assert.True(_guardians.RunUntil(() => _guardians.Holders.Any(), TimeSpan.FromSeconds(10)));
        Assert.True(_guardians[_guardians.Holders.Single()].ViewOf(Guardians.Program)!.Epoch < 1_000);
    }

    // Its own vote would remember it; one that is too young to vote has none.
    [Fact]
    public void Who_asked_in_vain_asks_with_another_epoch()
    {
        var guardians = new Guardians(3);
        guardians.GrowUp();
        guardians.WatchAll(WhenAlone.Stop);
        guardians.Restart(Second);
        guardians.Do(Second, LeaseEngineTests.Watch(guardians, 1));
        var asked = new List<ulong>();
        guardians.OnTheWay = (from, to, message) =>
        {
            if (from != Second || message.Ballots is not [{ Kind: BallotKind.Propose } ballot]) return message;
            if (to == Third) asked.Add(ballot.Epoch);
            return null;
        };
        guardians.Do(Second, new LeaseInput.Wish(Guardians.Program));
        guardians.RunFor(TimeSpan.FromSeconds(2));
        Assert.True(asked.Count > 1, $"asked {asked.Count} times");
        Assert.Equal(asked.Distinct(), asked);
    }

    [Fact]
    public void An_older_state_of_the_feeds_brings_no_set_back()
    {
        foreach (var peer in _guardians.Peers) _guardians.Do(peer, LeaseEngineTests.Watch(_guardians, 2));
        _guardians.Do(Third, LeaseEngineTests.Watch(_guardians, 1));
        Assert.Equal(BallotRefusal.Generation, Answer(Third, Second, new Ballot(BallotKind.Prepare, Guardians.Program, 1) { Number = 99, Round = 5 }).Refusal);
    }

    // Goal: without a majority only a claim that can be true ends what runs. Method: each is said to a holder that is alone.
    [Theory]
    [InlineData(12, 2)] // of another set
    [InlineData(2 + 10 * (1UL << 20), 1)] // out of all proportion
    [InlineData(12, 1, true)]
    public void A_holder_that_is_alone_yields_to_no_claim_that_cannot_be(ulong epoch, ulong generation, bool yields = false)
    {
        var two = LeaseEngineTests.Held(2, WhenAlone.Run, out var holder);
        var other = two.Peers.Single(peer => peer != holder);
        two.Down.Add(other);
        two.RunFor(TimeSpan.FromSeconds(10));
        var claim = Propose(epoch) with { Generation = generation, Flags = BallotFlags.Holds | BallotFlags.Alone };
        var ended = two[holder].Handle(new LeaseInput.Received(other, new LeaseMessage(other, 1, 1, [claim])), two.Now).OfType<LeaseEffect.Lost>().Any();
        Assert.Equal(yields, ended);
        if (!yields && generation == 1) Assert.Empty(two[holder].Handle(new LeaseInput.Heard(Guardians.Program, other, epoch), two.Now).OfType<LeaseEffect.Lost>());
    }

    [Fact]
    public void What_presence_tells_is_no_lower_bound_when_it_cannot_be()
    {
        _guardians.Do(Second, new LeaseInput.Heard(Guardians.Program, Third, 1UL << 40));
        Assert.Equal(1UL, _guardians[Second].ViewOf(Guardians.Program)!.Epoch);
        _guardians.Do(Second, new LeaseInput.Heard(Guardians.Program, Third, 23));
        Assert.Equal(23UL, _guardians[Second].ViewOf(Guardians.Program)!.Epoch);
        // Whoever takes over begins above it.
        _guardians.Down.Add(First);
        _guardians.Do(Third, new LeaseInput.Drain());
        Assert.True(_guardians.RunUntil(() => _guardians.Holders.SequenceEqual([Second]), TimeSpan.FromSeconds(10)));
        Assert.Equal(32UL, _guardians.Effects<LeaseEffect.Acquired>(Second).Single().Epoch);
    }

    // Goal: a holder ends when it is shown a majority's votes for a higher epoch, and by nothing less. Method: votes are shown that are of another set, or of another claim.
    [Theory]
    [InlineData(1, 13, true)]
    [InlineData(2, 13, false)]
    [InlineData(1, 23, false)]
    public void Votes_that_are_shown_count_for_their_claim_only(ulong generation, ulong votedFor, bool yields)
    {
        var vote = new Ballot(BallotKind.Accept, Guardians.Program, 1) { Number = 9, Round = 9, Epoch = votedFor, Holder = Third };
        var shown = new Ballot(BallotKind.Refuse, Guardians.Program, generation) { Refusal = BallotRefusal.Held, Epoch = 13, Holder = Third, Flags = BallotFlags.Holds };
        // In a life of its own: it may have started again, and then it has told no lie.
        var message = new LeaseMessage(Third, 77, ++_number, [shown]) { Proofs = [new LeaseMessage(Second, 78, 1, [vote])] };
        Assert.Equal(yields, _guardians[First].Handle(new LeaseInput.Received(Third, message), _guardians.Now).OfType<LeaseEffect.Lost>().Any());
    }

    private Ballot Propose(ulong epoch) => new(BallotKind.Propose, Guardians.Program, 1) { Number = 99, Round = 5, Epoch = epoch, Time = _guardians.Options.Lease };

    private IReadOnlyList<LeaseEffect> Say(PeerId to, PeerId from, Ballot ballot)
    {
        var effects = _guardians[to].Handle(new LeaseInput.Received(from, new LeaseMessage(from, 1, ++_number, [ballot])), _guardians.Now);
        _guardians.Seen.AddRange(effects.Select(effect => (to, effect)));
        return effects;
    }

    private Ballot Answer(PeerId voter, PeerId from, Ballot ballot) => Say(voter, from, ballot).OfType<LeaseEffect.Send>().Where(sent => sent.To == from).SelectMany(sent => sent.Message.Ballots).First(answer => answer.Kind != BallotKind.Release);

    private T Single<T>() where T : LeaseEffect => Assert.Single(_guardians.Seen.Select(seen => seen.Effect).OfType<T>());
}
