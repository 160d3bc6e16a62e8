using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Who may run a program now: leases after Trencseni, Gazso and Reinhardt, "PaxosLease: Diskless Paxos for Leases" (2012), among the
/// guardians of each program. One engine serves all programs of one swarm. Where we differ is in docs/protocols/leases.md.
/// <para>
/// Synchronous: <see cref="Handle"/> takes an input and the time and returns effects, which the daemon carries out in order. Not thread-safe.
/// The daemon's duties: give time that goes on while the machine sleeps; end what earlier lives ran before the first input; start a program on
/// <see cref="LeaseEffect.Acquired"/>; have it stand still at the end of the lease and on <see cref="LeaseEffect.Lost"/>.
/// </para>
/// </summary>
public sealed partial class LeaseEngine
{
    private readonly PeerId _self;
    private readonly LeaseOptions _options;
    private readonly Random _random;
    private readonly SortedDictionary<EntryHash, GuardedProgram> _programs = [];
    private readonly Dictionary<EntryHash, GuardedProgram> _former = []; // what this life remembers of programs that it guards no more
    private readonly SortedDictionary<PeerId, List<Ballot>> _outbox = [];
    private readonly Dictionary<PeerId, bool> _reachable = [];
    private readonly HashSet<PeerId> _gone = []; // their processes, as far as is known
    private readonly HashSet<(PeerId, EntryHash)> _distrusted = [];
    private readonly List<LeaseEffect> _effects = [];
    private readonly ulong _life;
    private TimeSpan _now;
    private TimeSpan? _started;
    private TimeSpan _wakeAt = TimeSpan.MaxValue;
    private TimeSpan _nextRenewal;
    private ulong _number;
    private ulong _round;
    private bool _draining;

    /// <summary>Starts a node's part in the leases of one swarm. Its life as a voter begins with the first input.</summary>
    /// <param name="self">This node.</param>
    /// <param name="options">Times.</param>
    /// <param name="random">Spreads attempts, and names this life; seeded in tests.</param>
    public LeaseEngine(PeerId self, LeaseOptions options, Random random)
    {
        options.Validate();
        _self = self;
        _options = options;
        _random = random;
        _life = (ulong)random.NextInt64();
        _round = (ulong)random.NextInt64(1L << 48); // no answer to an earlier life fits
    }

    /// <summary>What is known of each watched program, in order of their ids.</summary>
    public IReadOnlyList<LeaseView> Views => [.. _programs.Values.Select(View)];

    /// <summary>What is known of a program; null when it is not watched.</summary>
    public LeaseView? ViewOf(EntryHash program) => _programs.TryGetValue(program, out var found) ? View(found) : null;

    /// <summary>Takes an input and says what to do.</summary>
    /// <param name="input">What happened.</param>
    /// <param name="now">CLOCK_BOOTTIME, or any clock that goes on in suspend and is not set by hand.</param>
    public IReadOnlyList<LeaseEffect> Handle(LeaseInput input, TimeSpan now)
    {
        _effects.Clear();
        _started ??= now;
        NoticeJump(now);
        _now = now;
        EndLeases();
        switch (input)
        {
            case LeaseInput.Watch watch:
                OnWatch(watch);
                break;
            case LeaseInput.Unwatch unwatch:
                OnUnwatch(unwatch.Program);
                break;
            case LeaseInput.Wish wish:
                OnWish(wish.Program);
                break;
            case LeaseInput.Received received:
                OnMessage(received.From, received.Message);
                break;
            case LeaseInput.Release release:
                if (_programs.TryGetValue(release.Program, out var released)) GiveBack(released, release.To);
                break;
            case LeaseInput.Drain drain:
                _draining = drain.Draining;
                break;
            case LeaseInput.Reachable reachable:
                _reachable[reachable.Peer] = reachable.IsReachable;
                if (reachable.IsReachable) _gone.Remove(reachable.Peer);
                break;
            case LeaseInput.Gone gone:
                OnGone(gone.Peer);
                break;
            case LeaseInput.Heard heard:
                OnHeard(heard);
                break;
        }
        Proceed();
        Flush();
        _wakeAt = NextWake();
        _effects.Add(new LeaseEffect.WakeAt(_wakeAt));
        return [.. _effects];
    }

    // -- What the daemon says ---------------------------------------------------------------------------------

    private void OnWatch(LeaseInput.Watch watch)
    {
        if (watch.Guardians.Count is 0 or > SwarmLimits.MaxGuardians) throw new ArgumentException($"a program has 1 to {SwarmLimits.MaxGuardians} guardians", nameof(watch));
        var isNew = !_programs.TryGetValue(watch.Program, out var program);
        if (program is null)
        {
            if (!_former.Remove(watch.Program, out program)) program = new GuardedProgram(watch.Program) { IsFresh = watch.IsFresh, VotesFrom = watch.IsFresh ? _now : _started!.Value + _options.Backing };
            _programs[watch.Program] = program;
        }
        else if (watch.Generation < program.Generation)
        {
            return; // an older state of the feeds
        }
        var generation = program.Generation;
        program.Guardians = [.. watch.Guardians.Distinct().Order()];
        program.Sealed = watch.Sealed || (program.Sealed && watch.Generation == generation);
        (program.Generation, program.WhenAlone, program.CanRun) = (watch.Generation, watch.WhenAlone, watch.CanRun);
        if (watch.EpochFloor > program.Known.Epoch) program.Known = (watch.EpochFloor, null);
        if (!program.Guards(_self))
        {
            Lose(program, LeaseLoss.NoGuardian, null);
            Forget(program);
            return;
        }
        if (isNew ? program.Known.Epoch == 0 : watch.Placement > program.Placement) program.ChosenUntil = _now + _options.ChosenPatience;
        (program.Chosen, program.Placement) = (watch.Chosen, watch.Placement);
        if (isNew) AwaitFirst(program);
        if (watch.Generation != generation) EnterGeneration(program, generation);
    }

    // Somebody else may have been chosen, or hold the lease already: nobody asks before a lease that it cannot know of is over.
    private void AwaitFirst(GuardedProgram program)
    {
        program.Stagger = DrawStagger();
        program.NextTry = IsSole(program) ? _now : _now + _options.Backing;
        if (IsSole(program)) program.VotesFrom = _now; // whatever it forgot, it can only have voted for itself
    }

    // Leases of the generation before are over one backing after this node learned of the new one, since a majority of the old set had stopped
    // voting by then. Until then it backs only whoever holds one.
    private void EnterGeneration(GuardedProgram program, ulong before)
    {
        program.Phase = LeasePhase.Idle;
        program.AloneSince = null;
        program.Promise = default;
        if (!IsSole(program) && watchedBeforeOrLater() && !Skips(LeaseChecks.Quarantine)) program.VotesFrom = Max(program.VotesFrom, _now + _options.Backing);
        if (program.Held is { } held)
        {
            held.Votes.Clear();
            Renew(program);
        }

        bool watchedBeforeOrLater() => before != 0 || program.Generation > 1;
    }

    private static bool IsSole(GuardedProgram program) => program.Guardians.Count == 1 && program.Generation <= 1;

    private void OnUnwatch(EntryHash id)
    {
        if (!_programs.TryGetValue(id, out var program)) return;
        GiveBack(program, null);
        Forget(program);
    }

    // A voter remembers whom it backs and which epochs it knows as long as it lives: it may guard the program again.
    private void Forget(GuardedProgram program)
    {
        program.Phase = LeasePhase.Idle;
        _programs.Remove(program.Id);
        _former[program.Id] = program;
        if (_former.Count <= MaxFormer) return;
        foreach (var (old, _) in _former.Where(former => former.Value.BackingAt(_now) is null).OrderBy(former => former.Key).Take(MaxFormer / 2).ToList()) _former.Remove(old);
    }

    private const int MaxFormer = 1_024;

    private void OnWish(EntryHash id)
    {
        if (!_programs.TryGetValue(id, out var program)) return;
        program.Wished = true;
        program.Stagger = TimeSpan.Zero;
        program.NextTry = _now;
        program.Failures = program.QuickRetries = 0;
    }

    // Whom this node backs it backs on: only its own time ends a lease.
    private void OnGone(PeerId peer)
    {
        if (peer == _self || !_programs.Values.Any(program => program.Guards(peer))) return;
        _gone.Add(peer);
        if (!Skips(LeaseChecks.GoneHolder)) return;
        foreach (var program in _programs.Values.Where(program => program.Backing?.Claim.Holder == peer)) program.Backing = null;
    }

    private void OnHeard(LeaseInput.Heard heard)
    {
        if (!_programs.TryGetValue(heard.Program, out var program) || heard.Holder == _self || !IsPlausible(program, heard.Epoch)) return;
        var claim = new LeaseClaim(heard.Holder, heard.Epoch);
        // With a majority behind it, a claim alone proves nothing; without one, whoever has the higher epoch goes on.
        if (program.WhenAlone == WhenAlone.Run) YieldTo(program, claim);
        HasHeld(program, heard.Holder);
        if (heard.Epoch > program.Known.Epoch) program.Known = (heard.Epoch, heard.Holder);
    }

    // -- Sending ----------------------------------------------------------------------------------------------

    private void Post(PeerId to, Ballot ballot)
    {
        if (to == _self) return;
        if (!_outbox.TryGetValue(to, out var ballots)) _outbox[to] = ballots = [];
        ballots.Add(ballot);
    }

    private void PostToOthers(GuardedProgram program, Ballot ballot)
    {
        foreach (var guardian in program.Guardians) Post(guardian, ballot);
    }

    private void Flush()
    {
        foreach (var (to, ballots) in _outbox)
        {
            foreach (var part in ballots.Chunk(LeaseMessage.MaxBallots)) Send(to, part, []);
        }
        _outbox.Clear();
    }

    private void Send(PeerId to, IReadOnlyList<Ballot> ballots, IReadOnlyList<LeaseMessage> proofs) =>
        _effects.Add(new LeaseEffect.Send(to, new LeaseMessage(_self, _life, ++_number, ballots) { Proofs = proofs }));

    // -- Helpers ----------------------------------------------------------------------------------------------

    private bool Skips(LeaseChecks check) => _options.Without.HasFlag(check);

    private TimeSpan DrawStagger() => _options.Stagger * _random.NextDouble();

    private bool IsPlausible(GuardedProgram program, ulong epoch)
    {
        var known = Math.Max(program.Known.Epoch, program.EpochBase);
        return epoch <= known || epoch - known <= _options.MaxEpochLeap;
    }

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private LeaseView View(GuardedProgram program)
    {
        if (program.Held is { } held) return new LeaseView(program.Id, _self, held.Epoch, held.Until, IsOwn: true, held.Alone);
        var backing = program.BackingAt(_now);
        return new LeaseView(program.Id, backing?.Claim.Holder, program.Known.Epoch, backing?.Until ?? _now, IsOwn: false, Alone: false);
    }
}
