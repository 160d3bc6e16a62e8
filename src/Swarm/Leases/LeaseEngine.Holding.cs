using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// The proposer and the holder. A lease counts from when it was asked for, so it is over here before any voter takes it to be.
public sealed partial class LeaseEngine
{
    // Leases whose time is over. Without a majority and with `when-alone: run` they went on before; after a sleep nobody goes on.
    private void EndLeases()
    {
        foreach (var program in _programs.Values)
        {
            if (program.Held is { } held && held.Until <= _now) Lose(program, LeaseLoss.Expired, null);
        }
    }

    /// <summary>
    /// After a sleep, or a clock that jumped, this node starts its life as a voter again: what it took to be over by a wrong clock may go on elsewhere.
    /// With a clock that went back, it knows no time any more that it can compare with.
    /// </summary>
    private void NoticeJump(TimeSpan now)
    {
        var back = now < _now;
        if (!back && (_wakeAt == TimeSpan.MaxValue || now - _wakeAt <= _options.SleepGap)) return;
        if (!Skips(LeaseChecks.Jump)) _started = now;
        if (back) (_nextRenewal, _now) = (now, now);
        foreach (var program in _programs.Values.Concat(_former.Values))
        {
            if (back)
            {
                Lose(program, LeaseLoss.Expired, null);
                program.Backing = null;
                program.Promise = default;
                program.VotesFrom = now;
            }
            program.AloneSince = null;
            program.IsFresh = false; // before the jump it may have voted
            if (program.Held is null) Fail(program, now + DrawStagger());
        }
    }

    // What time alone brings on: after every input, so that no timer is late.
    private void Proceed()
    {
        if (_now >= _nextRenewal)
        {
            // All programs together, so that one message carries their ballots.
            _nextRenewal = _now + _options.RenewEvery;
            foreach (var program in _programs.Values.Where(program => program.Held is not null)) Renew(program);
        }
        foreach (var program in _programs.Values)
        {
            if (program.Held is { } held) ProceedHolding(program, held);
            else ProceedTrying(program);
        }
    }

    private void ProceedHolding(GuardedProgram program, HeldLease held)
    {
        if (program.Phase == LeasePhase.Renewing && _now >= program.RoundBegan + _options.RoundTimeout) Renew(program);
        if (program.WhenAlone != WhenAlone.Run || program.Held is null || _now < held.Until - _options.RoundTimeout) return;
        held.Alone = true;
        Extend(program, held, _now + _options.Lease);
    }

    private void ProceedTrying(GuardedProgram program)
    {
        if (program.Phase != LeasePhase.Idle && (_now >= program.RoundBegan + _options.RoundTimeout || IsHopeless(program))) GiveUpRound(program);
        if (MayTakeAlone(program))
        {
            TakeAlone(program);
            return;
        }
        if (program.Phase == LeasePhase.Idle && WantsLease(program) && _now >= TryAt(program)) Prepare(program);
    }

    // Who may run it alone need not wait for answers of the dead.
    private bool IsHopeless(GuardedProgram program) =>
        program.WhenAlone == WhenAlone.Run && program.Guardians.Count(guardian => !program.Refused.Contains(guardian) && !_gone.Contains(guardian)) < program.Majority;

    private bool WantsLease(GuardedProgram program) => program.CanRun && !_draining && !program.Sealed && program.Held is null;

    private TimeSpan TryAt(GuardedProgram program)
    {
        var at = program.BackingAt(_now) is { } backing && backing.Claim.Holder != _self ? Max(program.NextTry, backing.Until + program.Stagger) : program.NextTry;
        return LeavesItToChosen(program) ? Max(at, program.ChosenUntil) : at;
    }

    // Its owner wished for that host, which may need longer than a lease to come round. Whoever asks although its owner did not choose it would win.
    private bool LeavesItToChosen(GuardedProgram program) =>
        _now < program.ChosenUntil && !program.Wished && program.Chosen is { } chosen && chosen != _self
        && program.Guards(chosen) && _reachable.GetValueOrDefault(chosen) && !_gone.Contains(chosen);

    // From now on it is as good as any other: a wish is no reason to wait for a host that dies.
    private static void HasHeld(GuardedProgram program, PeerId holder)
    {
        if (holder == program.Chosen) program.ChosenUntil = TimeSpan.Zero;
    }

    // -- Asking -----------------------------------------------------------------------------------------------

    private void Prepare(GuardedProgram program)
    {
        BeginRound(program, LeasePhase.Preparing);
        program.Number++;
        var ballot = new Ballot(BallotKind.Prepare, program.Id, program.Generation) { Number = program.Number, Round = program.Round };
        PostToOthers(program, ballot);
        OnAnswer(program, _self, VoteOnPrepare(program, _self, ballot), null);
    }

    private void Propose(GuardedProgram program)
    {
        BeginRound(program, LeasePhase.Proposing);
        program.ProposedEpoch = program.NextEpochOf(_self, Skips(LeaseChecks.NextEpoch) ? 0 : program.Known.Epoch);
        Ask(program, program.ProposedEpoch, BallotFlags.None);
    }

    private void Renew(GuardedProgram program)
    {
        if (program.Held is not { } held) return;
        BeginRound(program, LeasePhase.Renewing);
        // A proposal of somebody else that failed may have used a higher epoch: its voters refuse lower ones.
        if (program.Known.Epoch > held.Epoch) program.ProposedEpoch = program.NextEpochOf(_self, program.Known.Epoch);
        else program.ProposedEpoch = held.Epoch;
        var flags = BallotFlags.Holds | BallotFlags.Continues | (held.Alone ? BallotFlags.Alone : BallotFlags.None);
        Ask(program, program.ProposedEpoch, flags);
    }

    private void BeginRound(GuardedProgram program, LeasePhase phase)
    {
        program.Phase = phase;
        program.Round = ++_round;
        program.RoundBegan = _now;
        program.Votes.Clear();
        program.Answered.Clear();
        program.Refused.Clear();
    }

    private void Ask(GuardedProgram program, ulong epoch, BallotFlags flags)
    {
        var ballot = new Ballot(BallotKind.Propose, program.Id, program.Generation)
        {
            Number = program.Number,
            Round = program.Round,
            Epoch = epoch,
            Time = _options.Lease,
            Flags = flags,
        };
        PostToOthers(program, ballot);
        OnAnswer(program, _self, VoteOnPropose(program, _self, ballot), null);
    }

    // -- Answers ----------------------------------------------------------------------------------------------

    private void OnAnswer(GuardedProgram program, PeerId from, Ballot answer, LeaseMessage? message)
    {
        if (program.Phase == LeasePhase.Idle || answer.Round != program.Round) return;
        if (answer.Epoch > program.Known.Epoch && answer.Generation == program.Generation && from != _self && !LearnEpoch(program, from, answer)) return;
        if (answer.Kind == BallotKind.Refuse)
        {
            OnRefusal(program, from, answer);
            return;
        }
        if (answer.Generation != program.Generation || _distrusted.Contains((from, program.Id))) return;
        if (answer.Kind != (program.Phase == LeasePhase.Preparing ? BallotKind.Promise : BallotKind.Accept)) return;
        if (answer.Kind == BallotKind.Accept && (answer.Epoch != program.ProposedEpoch || answer.Holder != _self)) return;
        program.Answered.Add(from);
        program.Votes.Add(from);
        if (answer.Kind == BallotKind.Accept && message is not null) NoteVote(program, from, message);
        var enough = Skips(LeaseChecks.Majority) ? program.Answered.Count / 2 + 1 : program.Majority;
        if (program.Votes.Count < enough) return;
        if (program.Phase == LeasePhase.Preparing) Propose(program);
        else Succeed(program);
    }

    // An epoch out of all proportion is a lie, and what else that voter says with it is not listened to.
    private bool LearnEpoch(GuardedProgram program, PeerId from, Ballot answer)
    {
        if (answer.Refusal == BallotRefusal.Unknown) return true;
        if (!IsPlausible(program, answer.Epoch))
        {
            Distrust(from, program, Misbehaviour.EpochLeap, []);
            return false;
        }
        if (program.Phase != LeasePhase.Preparing || !Skips(LeaseChecks.NextEpoch)) program.Known = (answer.Epoch, answer.Holder);
        return true;
    }

    private void OnRefusal(GuardedProgram program, PeerId from, Ballot refusal)
    {
        program.Refused.Add(from);
        if (refusal.Refusal != BallotRefusal.Unknown) program.Answered.Add(from);
        if (refusal.Number > program.Number && refusal.Number <= MaxNumber) program.Number = refusal.Number;
        if (program.Held is { } held)
        {
            // Without a majority behind anybody, whoever has the higher epoch goes on.
            if (program.WhenAlone == WhenAlone.Run && refusal is { Refusal: BallotRefusal.Held, Holder: { } holder } && refusal.Flags.HasFlag(BallotFlags.Holds))
                YieldTo(program, new LeaseClaim(holder, refusal.Epoch));
            return;
        }
        if (program.Answered.Count >= program.Majority) program.AloneSince = null;
        switch (refusal.Refusal)
        {
            case BallotRefusal.Held when !program.Wished:
                program.NextTry = Max(program.NextTry, _now + Min(refusal.Time, _options.Backing) + program.Stagger);
                break;
            case BallotRefusal.Young:
                program.NextTry = Max(program.NextTry, _now + Min(refusal.Time, _options.Backing) / 4);
                break;
        }
        if (CanSucceed(program)) return;
        // Who is new to the program hears of it within moments, and whoever was handed the lease may be ahead of the message that gives it back.
        var soonOver = refusal.Refusal == BallotRefusal.Unknown || (refusal.Refusal == BallotRefusal.Held && program.Wished);
        if (soonOver && program.Phase == LeasePhase.Preparing && program.QuickRetries < MaxQuickRetries) Fail(program, _now + QuickPause * (1 << program.QuickRetries++));
        else GiveUpRound(program);
    }

    private const int MaxQuickRetries = 5;
    private const ulong MaxNumber = 1UL << 53;
    private static readonly TimeSpan QuickPause = TimeSpan.FromMilliseconds(20);

    private static bool CanSucceed(GuardedProgram program) =>
        program.Guardians.Count(guardian => !program.Refused.Contains(guardian)) >= program.Majority;

    private void Succeed(GuardedProgram program)
    {
        var until = program.RoundBegan + _options.Lease; // from when it was asked for: the voters count from later
        program.Phase = LeasePhase.Idle;
        program.Failures = program.QuickRetries = 0;
        program.Wished = false;
        program.AloneSince = null;
        if (program.Held is { } held)
        {
            held.Epoch = program.ProposedEpoch;
            held.Alone = false;
            Extend(program, held, until);
            return;
        }
        Hold(program, program.ProposedEpoch, until, alone: false);
    }

    private void Hold(GuardedProgram program, ulong epoch, TimeSpan until, bool alone)
    {
        if (until <= _now) return; // answered too late
        program.Held = new HeldLease(epoch, until, alone);
        foreach (var (peer, vote) in program.EarlyVotes) program.Held.Votes[peer] = vote;
        program.EarlyVotes.Clear();
        _effects.Add(new LeaseEffect.Acquired(program.Id, epoch, until, alone));
    }

    private void Extend(GuardedProgram program, HeldLease held, TimeSpan until)
    {
        if (until <= held.Until) return;
        held.Until = until;
        _effects.Add(new LeaseEffect.Renewed(program.Id, held.Epoch, until, held.Alone));
    }

    // -- Without a majority -----------------------------------------------------------------------------------

    private bool MayTakeAlone(GuardedProgram program)
    {
        if (program.WhenAlone != WhenAlone.Run || !WantsLease(program) || LeavesItToChosen(program) || program.AloneSince is not { } since) return false;
        if (_now < program.VotesFrom || _now < _started + _options.Backing || BackedAnother(program, _self)) return false;
        return _now >= since + AloneGrace(program);
    }

    // While gossip believes that somebody silent is awake, it may well hold the lease. Whoever's process is gone will say nothing however long we wait.
    private TimeSpan AloneGrace(GuardedProgram program)
    {
        var silent = program.Guardians.Where(guardian => guardian != _self && !program.Answered.Contains(guardian)).ToList();
        if (silent.Count > 0 && silent.TrueForAll(_gone.Contains)) return TimeSpan.Zero;
        return silent.Exists(guardian => !_gone.Contains(guardian) && _reachable.GetValueOrDefault(guardian)) ? _options.AwakeGrace : _options.AloneGrace;
    }

    private void TakeAlone(GuardedProgram program)
    {
        program.AloneSince = null;
        program.Failures = 0;
        Hold(program, program.NextEpochOf(_self, program.Known.Epoch), _now + _options.Lease, alone: true);
        Renew(program);
    }

    // -- Ending -----------------------------------------------------------------------------------------------

    private void GiveUpRound(GuardedProgram program)
    {
        var tooFew = program.Answered.Count < program.Majority;
        if (program.Phase == LeasePhase.Proposing)
        {
            PostToOthers(program, new Ballot(BallotKind.Release, program.Id, program.Generation) { Epoch = program.ProposedEpoch });
            if (program.Backing is { } own && own.Claim.Holder == _self) program.Backing = null;
            if (program.ProposedEpoch > program.Known.Epoch) program.Known = (program.ProposedEpoch, _self); // an epoch is asked for once
        }
        if (tooFew) program.AloneSince ??= program.RoundBegan;
        program.Failures = Math.Min(program.Failures + 1, MaxFailures);
        Fail(program, Max(program.NextTry, _now + _options.Stagger * (_random.NextDouble() * program.Failures / 2) + MinPause));
    }

    private const int MaxFailures = 4;
    private static readonly TimeSpan MinPause = TimeSpan.FromMilliseconds(20);

    private void Fail(GuardedProgram program, TimeSpan nextTry)
    {
        program.Phase = LeasePhase.Idle;
        program.EarlyVotes.Clear();
        program.NextTry = nextTry;
        if (!program.Wished) program.Stagger = DrawStagger();
    }

    private void GiveBack(GuardedProgram program, PeerId? to)
    {
        if (program.Held is not { } held) return;
        PostToOthers(program, new Ballot(BallotKind.Release, program.Id, program.Generation) { Epoch = held.Epoch, Holder = to });
        Lose(program, LeaseLoss.Released, null);
        if (to is not null) program.NextTry = _now + PromiseTime + DrawStagger();
    }

    private void Lose(GuardedProgram program, LeaseLoss why, LeaseClaim? by)
    {
        if (program.Held is not { } held) return;
        program.Held = null;
        // What ended without warning takes a moment to stand still, in which this node votes for nobody else either.
        if (why == LeaseLoss.Expired && !Skips(LeaseChecks.OwnStop)) program.Backing = new LeaseBacking(new LeaseClaim(_self, held.Epoch), Max(held.Until, _now) + _options.StopTime, Holds: false);
        else if (program.Backing is { } own && own.Claim.Holder == _self) program.Backing = null;
        program.AloneSince = null;
        Fail(program, _now + DrawStagger());
        _effects.Add(new LeaseEffect.Lost(program.Id, held.Epoch, why, by));
    }

    // -- Time -------------------------------------------------------------------------------------------------

    private TimeSpan NextWake()
    {
        // Often enough to notice that the machine slept.
        var at = _programs.Count == 0 ? TimeSpan.MaxValue : _now + _options.RenewEvery;
        foreach (var program in _programs.Values)
        {
            if (program.Held is { } held)
            {
                Consider(_nextRenewal);
                Consider(program.WhenAlone == WhenAlone.Run ? held.Until - _options.RoundTimeout : held.Until);
            }
            if (program.Phase != LeasePhase.Idle) Consider(program.RoundBegan + _options.RoundTimeout);
            else if (WantsLease(program)) Consider(TryAt(program));
            if (program.WhenAlone == WhenAlone.Run && WantsLease(program) && !LeavesItToChosen(program) && program.AloneSince is { } since) Consider(Max(since + AloneGrace(program), program.VotesFrom));
        }
        return at;

        void Consider(TimeSpan time)
        {
            if (time < at) at = Max(time, _now + Finest);
        }
    }

    // No timer fires sooner; and a time that has come but does nothing must not spin.
    private static readonly TimeSpan Finest = TimeSpan.FromMilliseconds(5);

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}
