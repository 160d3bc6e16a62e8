using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class LeaseMessageTests
{
    private static readonly SimKeys Keys = new();
    private static readonly ISigner Signer = Keys.Signer(1);
    private static readonly SwarmId Swarm = new(EntryHash.Of([1]));
    private static readonly EntryHash Program = EntryHash.Of([2]);

    [Fact]
    public void What_is_written_is_read()
    {
        var ballot = new Ballot(BallotKind.Refuse, Program, 3)
        {
            Number = 4, Round = 5, Epoch = 12, Holder = Signer.Self, Time = TimeSpan.FromMilliseconds(1234), Flags = BallotFlags.Holds, Refusal = BallotRefusal.Held,
        };
        var vote = Read(Message(1, new Ballot(BallotKind.Accept, Program, 3) { Epoch = 12, Holder = Signer.Self }));
        var read = Read(new LeaseMessage(Signer.Self, 7, 8, [ballot]) { Proofs = [vote] });
        Assert.Equal((Signer.Self, 7UL, 8UL), (read.Sender, read.Life, read.Number));
        Assert.Equal(ballot, Assert.Single(read.Ballots));
        Assert.Equal(vote.Signed.ToArray(), Assert.Single(read.Proofs).Signed.ToArray());
    }

    [Fact]
    public void A_full_message_fits()
    {
        var ballots = Enumerable.Range(0, LeaseMessage.MaxBallots).Select(_ => new Ballot(BallotKind.Refuse, Program, ulong.MaxValue)
        {
            Number = ulong.MaxValue, Round = ulong.MaxValue, Epoch = ulong.MaxValue, Holder = Signer.Self, Time = TimeSpan.FromHours(1), Flags = BallotFlags.Holds, Refusal = BallotRefusal.Held,
        }).ToList();
        var proof = Read(Message(ulong.MaxValue, [.. ballots]));
        var proofs = Enumerable.Repeat(proof, LeaseMessage.MaxProofs).ToList();
        Read(new LeaseMessage(Signer.Self, ulong.MaxValue, ulong.MaxValue, [ballots[0]]) { Proofs = proofs });
    }

    [Fact]
    public void A_message_with_another_signature_or_swarm_or_a_missing_end_is_refused()
    {
        var bytes = Message(1, new Ballot(BallotKind.Prepare, Program, 1)).Encode(Swarm, Signer);
        Assert.False(LeaseMessage.TryDecode(bytes, new SwarmId(EntryHash.Of([9])), Keys, out _));
        Assert.False(LeaseMessage.TryDecode(new LeaseMessage(Keys.Signer(2).Self, 1, 1, []).Encode(Swarm, Signer), Swarm, Keys, out _));
        for (var length = 0; length < bytes.Length; length++) Assert.False(LeaseMessage.TryDecode(bytes.AsSpan(0, length), Swarm, Keys, out _));
        for (var i = 0; i < bytes.Length; i++)
        {
            var flipped = bytes.ToArray();
            flipped[i] ^= 1;
            Assert.False(LeaseMessage.TryDecode(flipped, Swarm, Keys, out _));
        }
    }

    [Fact]
    public void Two_votes_of_one_life_for_two_holders_in_one_epoch_or_for_a_lower_one_are_a_proof()
    {
        var (one, other) = (Keys.Signer(5).Self, Keys.Signer(6).Self);
        Assert.Equal(Misbehaviour.TwoVotes, Judge(Accept(12, one), Accept(12, other)));
        Assert.Equal(Misbehaviour.TwoVotes, Judge(Accept(21, one), Accept(12, other)));
        Assert.Equal(Misbehaviour.EpochForgotten, Judge(Accept(21, one), new Ballot(BallotKind.Promise, Program, 1) { Epoch = 11 }));
        Assert.Null(Judge(Accept(12, one), Accept(12, one)));
        Assert.Null(Judge(Accept(12, one), Accept(21, other)));
        Assert.Null(Judge(Accept(21, one), new Ballot(BallotKind.Refuse, Program, 1) { Refusal = BallotRefusal.Unknown }));
        Assert.Null(Judge(Accept(21, one), Accept(12, other) with { Program = EntryHash.Of([3]) }));
        // What a start forgets is no lie.
        Assert.Null(LeaseEvidence.Judge(Message(1, Accept(21, one)), Message(2, Accept(12, other)) with { Life = 2 }, Program));
    }

    [Fact]
    public void An_accusation_holds_by_its_evidence_only()
    {
        var (one, other) = (Keys.Signer(5).Self, Keys.Signer(6).Self);
        var first = Message(1, Accept(12, one)).Encode(Swarm, Signer);
        var second = Message(2, Accept(12, other)).Encode(Swarm, Signer);
        var said = new GuardianMisbehaved(Program, Signer.Self, Misbehaviour.TwoVotes, [first, second]);
        Assert.True(said.Holds(Swarm, Keys));
        Assert.False((said with { Peer = one }).Holds(Swarm, Keys));
        Assert.False((said with { Evidence = [first, first] }).Holds(Swarm, Keys));
        Assert.False((said with { Evidence = [] }).Holds(Swarm, Keys));
        second[^1] ^= 1;
        Assert.False((said with { Evidence = [first, second] }).Holds(Swarm, Keys));
    }

    private static Ballot Accept(ulong epoch, Libp2p.PeerId holder) => new(BallotKind.Accept, Program, 1) { Epoch = epoch, Holder = holder };

    private static Misbehaviour? Judge(Ballot earlier, Ballot later)
    {
        var found = LeaseEvidence.Judge(Message(1, earlier), Message(2, later), Program);
        Assert.Equal(found, LeaseEvidence.Judge(Message(2, later), Message(1, earlier), Program));
        return found;
    }

    private static LeaseMessage Message(ulong number, params Ballot[] ballots) => new(Signer.Self, 1, number, ballots);

    private static LeaseMessage Read(LeaseMessage message)
    {
        var bytes = message.Encode(Swarm, Signer);
        Assert.True(bytes.Length <= LeaseMessage.MaxBytes);
        Assert.True(LeaseMessage.TryDecode(bytes, Swarm, Keys, out var read));
        return read;
    }
}
