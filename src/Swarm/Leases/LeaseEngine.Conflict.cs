using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// What happens when two say that they hold one lease. Without a majority (`when-alone: run`) the higher epoch goes on. With one it cannot be,
// unless a guardian voted twice: then both show the votes that they hold by, the guardian is found out, and its votes count no more.
public sealed partial class LeaseEngine
{
    private void OnClaim(GuardedProgram program, PeerId from, Ballot ballot)
    {
        if (!ballot.Flags.HasFlag(BallotFlags.Holds) || ballot.Generation != program.Generation) return;
        if (program.WhenAlone == WhenAlone.Run) YieldTo(program, new LeaseClaim(from, ballot.Epoch));
    }

    private void YieldTo(GuardedProgram program, LeaseClaim claim)
    {
        if (program.Held is not { } held || claim.Holder == _self || Skips(LeaseChecks.Yield) || !IsPlausible(program, claim.Epoch)) return;
        if (claim < new LeaseClaim(_self, held.Epoch)) return;
        Lose(program, LeaseLoss.Superseded, claim);
        program.NextTry = _now + _options.Backing; // it goes on elsewhere
        if (claim.Epoch > program.Known.Epoch) program.Known = (claim.Epoch, claim.Holder);
    }

    private void NoteVote(GuardedProgram program, PeerId from, LeaseMessage message)
    {
        if (message.Signed.IsEmpty) return;
        if (program.Held is not { } held)
        {
            program.EarlyVotes[from] = message;
            return;
        }
        held.Votes[from] = message;
        // A vote for us in a lower epoch, after one for another: only the later of the two shows it.
        if (held.Shown.TryGetValue(from, out var theirs)) Compare(program, message, theirs);
    }

    private void Compare(GuardedProgram program, LeaseMessage ours, LeaseMessage theirs)
    {
        if (LeaseEvidence.Judge(ours, theirs, program.Id) is { } what) Distrust(ours.Sender, program, what, [ours.Signed, theirs.Signed]);
    }

    private void ShowProofs(GuardedProgram program, PeerId to)
    {
        if (program.Held is not { Alone: false } held || held.Votes.Count == 0) return;
        var ballot = new Ballot(BallotKind.Refuse, program.Id, program.Generation) { Refusal = BallotRefusal.Held, Epoch = held.Epoch, Holder = _self, Flags = BallotFlags.Holds };
        Send(to, [ballot], [.. held.Votes.Values]);
    }

    // The sender holds what we hold too, and shows by whose votes.
    private void OnProofs(PeerId from, LeaseMessage message)
    {
        if (message.Ballots is not [{ Holder: { } holder } shown] || holder != from) return;
        if (!_programs.TryGetValue(shown.Program, out var program) || program.Held is not { } held || shown.Generation != program.Generation) return;
        foreach (var theirs in message.Proofs)
        {
            held.Shown[theirs.Sender] = theirs;
            if (held.Votes.TryGetValue(theirs.Sender, out var ours)) Compare(program, ours, theirs);
        }
        if (program.Held is null) return;
        // No lie in one life was found, but a majority did vote for a higher epoch: it started again too often.
        var claim = new LeaseClaim(from, shown.Epoch);
        var votes = message.Proofs.Where(vote => program.Guards(vote.Sender) && vote.Ballots.Any(ballot => IsVoteFor(ballot, program, claim))).Select(vote => vote.Sender);
        if (votes.Append(from).Distinct().Count() >= program.Majority) YieldTo(program, claim);
    }

    private static bool IsVoteFor(Ballot ballot, GuardedProgram program, LeaseClaim claim) =>
        ballot.Kind == BallotKind.Accept && ballot.Program == program.Id && ballot.Generation == program.Generation && ballot.Holder == claim.Holder && ballot.Epoch == claim.Epoch;

    /// <summary>Its votes for this program count no more, also those that a lease is held by now.</summary>
    private void Distrust(PeerId peer, GuardedProgram program, Misbehaviour what, IReadOnlyList<ReadOnlyMemory<byte>> evidence)
    {
        if (!_distrusted.Add((peer, program.Id))) return;
        _effects.Add(new LeaseEffect.Misbehaved(peer, program.Id, what, evidence));
        program.Votes.Remove(peer);
        if (program.Held is not { Alone: false } held) return;
        held.Votes.Remove(peer);
        if (held.Votes.Count + 1 < program.Majority) Lose(program, LeaseLoss.Superseded, null);
    }
}
