namespace PeoplesCloud.Swarm;

/// <summary>Whether two signed messages of one guardian contradict each other. Everybody comes to the same answer from the same bytes.</summary>
public static class LeaseEvidence
{
    /// <summary>What the sender did, if both cannot be true together; null when they can.</summary>
    /// <param name="one">A message.</param>
    /// <param name="other">Another of the same sender; of another life it contradicts nothing.</param>
    /// <param name="program">The program that both speak about.</param>
    public static Misbehaviour? Judge(LeaseMessage one, LeaseMessage other, EntryHash program)
    {
        if (one.Sender != other.Sender || one.Life != other.Life) return null;
        var (earlier, later) = one.Number <= other.Number ? (one, other) : (other, one);
        foreach (var before in earlier.Ballots.Where(ballot => ballot.Program == program))
        {
            foreach (var after in later.Ballots.Where(ballot => ballot.Program == program))
            {
                if (Contradiction(before, after) is { } found) return found;
            }
        }
        return null;
    }

    // A voter backs nobody in an epoch that it gave to another or that is below one it voted for, and knows every epoch that it named before.
    private static Misbehaviour? Contradiction(Ballot before, Ballot after)
    {
        if (!Tells(before) || !Tells(after)) return null;
        if (after.Kind == BallotKind.Accept && before.Kind == BallotKind.Accept)
        {
            if (after.Epoch < before.Epoch) return Misbehaviour.TwoVotes;
            return after.Epoch == before.Epoch && after.Holder != before.Holder ? Misbehaviour.TwoVotes : null;
        }
        return after.Epoch < before.Epoch ? Misbehaviour.EpochForgotten : null;
    }

    // A refusal because the program is unknown says nothing about epochs.
    private static bool Tells(Ballot ballot) => ballot.Kind is BallotKind.Promise or BallotKind.Accept || (ballot.Kind == BallotKind.Refuse && ballot.Refusal != BallotRefusal.Unknown);
}
