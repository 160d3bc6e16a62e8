using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// The voter: backs one holder at a time, each for one backing (a lease, what clocks may differ, and the time to stop) after its vote.
// Two majorities share a voter, so two hosts never hold a lease together, whatever the order of messages. Promises only spare proposers
// from each other. Nothing of this is on disk: a voter that starts waits until whatever it backed in its earlier life is over.
public sealed partial class LeaseEngine
{
    // A proposer that has a promise proposes within a round; another need not wait longer for one that died.
    private TimeSpan PromiseTime => _options.RoundTimeout * 2;

    private void OnMessage(PeerId from, LeaseMessage message)
    {
        if (from == _self || message.Sender != from) return;
        _gone.Remove(from);
        foreach (var ballot in message.Ballots)
        {
            if (!_programs.TryGetValue(ballot.Program, out var program))
            {
                if (ballot.Kind is BallotKind.Prepare or BallotKind.Propose)
                    Post(from, new Ballot(BallotKind.Refuse, ballot.Program, ballot.Generation) { Round = ballot.Round, Refusal = BallotRefusal.Unknown });
                continue;
            }
            if (!program.Guards(from) && ballot.Generation == program.Generation) continue;
            switch (ballot.Kind)
            {
                case BallotKind.Prepare:
                    Post(from, VoteOnPrepare(program, from, ballot));
                    break;
                case BallotKind.Propose:
                    OnClaim(program, from, ballot);
                    Post(from, VoteOnPropose(program, from, ballot));
                    if (ballot.Flags.HasFlag(BallotFlags.Holds)) ShowProofs(program, from);
                    break;
                case BallotKind.Release:
                    OnRelease(program, from, ballot);
                    break;
                default:
                    OnAnswer(program, from, ballot, message);
                    break;
            }
        }
        if (message.Proofs.Count > 0) OnProofs(from, message);
    }

    private Ballot VoteOnPrepare(GuardedProgram program, PeerId from, Ballot ballot)
    {
        var refusal = WhyNot(program, from, ballot, continues: false);
        if (refusal == BallotRefusal.None) refusal = PromisedToAnother(program, from, ballot);
        if (refusal != BallotRefusal.None) return Refusal(program, ballot, refusal);
        program.Promise = (ballot.Number, from, _now + PromiseTime);
        return Answer(program, ballot, BallotKind.Promise) with { Number = ballot.Number, Epoch = program.Known.Epoch, Holder = program.Known.Holder };
    }

    private Ballot VoteOnPropose(GuardedProgram program, PeerId from, Ballot ballot)
    {
        var refusal = WhyNot(program, from, ballot, ballot.Flags.HasFlag(BallotFlags.Continues));
        if (refusal == BallotRefusal.None && ballot.Time != _options.Lease) refusal = BallotRefusal.Lease;
        if (refusal == BallotRefusal.None) refusal = PromisedToAnother(program, from, ballot);
        if (refusal == BallotRefusal.None && !IsGoodEpoch(program, from, ballot)) refusal = BallotRefusal.Epoch;
        if (refusal != BallotRefusal.None) return Refusal(program, ballot, refusal);

        program.Backing = new LeaseBacking(new LeaseClaim(from, ballot.Epoch), _now + _options.Backing, ballot.Flags.HasFlag(BallotFlags.Holds));
        program.Known = (ballot.Epoch, from);
        program.Promise = default; // the backing keeps others away
        HasHeld(program, from);
        if (from != _self) program.AloneSince = null;
        return Answer(program, ballot, BallotKind.Accept) with { Number = ballot.Number, Epoch = ballot.Epoch, Holder = from };
    }

    private BallotRefusal WhyNot(GuardedProgram program, PeerId from, Ballot ballot, bool continues)
    {
        if (ballot.Generation != program.Generation) return BallotRefusal.Generation;
        if (program.Sealed) return BallotRefusal.Sealed;
        if (_now < YoungUntil(program) && !Skips(LeaseChecks.Youth)) return BallotRefusal.Young;
        if (BackedAnother(program, from) && !Skips(LeaseChecks.OneBacking)) return BallotRefusal.Held;
        return _now < program.VotesFrom && !continues && !Skips(LeaseChecks.Youth) ? BallotRefusal.Young : BallotRefusal.None;
    }

    // An earlier life may have voted for somebody whose lease is not over.
    private TimeSpan YoungUntil(GuardedProgram program) => IsSole(program) || program.IsFresh ? TimeSpan.Zero : _started!.Value + _options.Backing;

    private bool BackedAnother(GuardedProgram program, PeerId from) =>
        (program.BackingAt(_now) is { } backing && backing.Claim.Holder != from) || (program.Held is not null && from != _self);

    private BallotRefusal PromisedToAnother(GuardedProgram program, PeerId from, Ballot ballot)
    {
        var (number, to, until) = program.Promise;
        return until > _now && (ballot.Number, from).CompareTo((number, to)) < 0 ? BallotRefusal.Ballot : BallotRefusal.None;
    }

    private bool IsGoodEpoch(GuardedProgram program, PeerId from, Ballot ballot)
    {
        if (!IsPlausible(program, ballot.Epoch))
        {
            Distrust(from, program, Misbehaviour.EpochLeap, []);
            return false;
        }
        if (program.Released == new LeaseClaim(from, ballot.Epoch)) return false; // asked before it was given back, and late
        // The last digit says whose epoch it is; the holder of an earlier generation keeps its own.
        if (!program.IsEpochOf(from, ballot.Epoch) && !ballot.Flags.HasFlag(BallotFlags.Continues) && program.Known != (ballot.Epoch, from)) return false;
        return ballot.Epoch > program.Known.Epoch || (ballot.Epoch == program.Known.Epoch && (program.Known.Holder is null || program.Known.Holder == from));
    }

    private void OnRelease(GuardedProgram program, PeerId from, Ballot ballot)
    {
        if (ballot.Generation != program.Generation) return;
        var claim = new LeaseClaim(from, ballot.Epoch);
        program.Released = claim;
        if (program.Backing?.Claim == claim) program.Backing = null;
        else if (ballot.Holder != _self) return;
        if (ballot.Holder == _self) OnWish(program.Id);
        else program.NextTry = _now + DrawStagger() + (ballot.Holder is null ? TimeSpan.Zero : PromiseTime);
    }

    private Ballot Refusal(GuardedProgram program, Ballot ballot, BallotRefusal why)
    {
        var backing = program.BackingAt(_now);
        return Answer(program, ballot, BallotKind.Refuse) with
        {
            Refusal = why,
            Number = program.Promise.Until > _now ? program.Promise.Number : 0,
            Epoch = program.Known.Epoch,
            Holder = program.Known.Holder,
            Time = why switch
            {
                BallotRefusal.Held => (program.Held?.Until ?? backing?.Until ?? _now) - _now,
                BallotRefusal.Young => Max(program.VotesFrom, YoungUntil(program)) - _now,
                _ => TimeSpan.Zero,
            },
            Flags = program.Held is not null || backing is { Holds: true } ? BallotFlags.Holds : BallotFlags.None,
        };
    }

    private static Ballot Answer(GuardedProgram program, Ballot ballot, BallotKind kind) => new(kind, program.Id, program.Generation) { Round = ballot.Round };
}
