using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>A program as a host runs it: until when it may, by the host's clock, and how long it takes to stand still after that.</summary>
internal sealed record LeaseRun(ulong Epoch, TimeSpan Until, TimeSpan StopTime, TimeSpan Since, bool Alone);

/// <summary>One host: an engine, a clock of its own, and what it runs. A crash takes engine and programs along; what the feeds say stays.</summary>
internal sealed class LeaseNode(LeaseWorld world, int index, ISigner signer)
{
    private LeaseEngine? _engine;
    private TimeSpan _offset;
    private long _timer;
    private readonly Dictionary<EntryHash, TimeSpan> _stops = []; // by the world's time

    public int Index { get; } = index;

    public ISigner Signer { get; } = signer;

    public PeerId Peer => Signer.Self;

    public double Rate { get; set; } = 1;

    public bool IsUp => _engine is not null;

    public bool IsSuspended { get; private set; }

    public bool IsAwake => IsUp && !IsSuspended;

    /// <summary>Votes for everybody, and forgets what it said.</summary>
    public bool Lies { get; set; }

    public bool Drained { get; set; }

    /// <summary>Whether it would run programs now.</summary>
    public bool CanRun { get; set; } = true;

    /// <summary>How often it was started.</summary>
    public int Starts { get; private set; }

    /// <summary>What it runs now, by program.</summary>
    public SortedDictionary<EntryHash, LeaseRun> Runs { get; } = [];

    /// <summary>What it knows of the feeds, on its disk.</summary>
    public LeaseFeeds Feeds { get; } = new();

    public SortedDictionary<EntryHash, ulong> Floors { get; } = [];

    /// <summary>Its boot-time clock: at another rate than the world's, and begun at another time.</summary>
    public TimeSpan Clock => _offset + world.Now * Rate;

    public void Begin(TimeSpan offset) => _offset = offset;

    /// <summary>Its clock tells another time all at once; the daemon notices, and asks before anything else.</summary>
    public void Jump(TimeSpan by)
    {
        _offset += by;
        Handle(new LeaseInput.Tick());
    }

    /// <summary>Whatever an earlier daemon started and did not end is ended before anything else.</summary>
    public void Start()
    {
        _stops.Clear();
        _engine = new LeaseEngine(Peer, world.Options, world.Random);
        Starts++;
        Watch();
    }

    /// <summary>Its daemon is killed. A sandbox ends with it; a container may go on, until its guard ends it with the lease.</summary>
    public void Crash()
    {
        _engine = null;
        _timer++;
        _stops.Clear();
        foreach (var (program, run) in Runs)
            if (world.Random.Next(2) == 0) _stops[program] = world.Now + (run.Until - Clock) / Rate + run.StopTime;
        Runs.Clear();
        Drained = false;
    }

    /// <summary>The machine sleeps: nothing runs, nothing is heard; the clock goes on.</summary>
    public void Suspend() => IsSuspended = true;

    public void Resume()
    {
        if (!IsSuspended) return;
        IsSuspended = false;
        // Programs stay frozen until it is clear whether the lease still holds.
        foreach (var (program, run) in Runs.ToList())
        {
            if (run.Until <= Clock) Runs.Remove(program);
        }
        if (IsUp) Watch();
    }

    /// <summary>Tells the engine what the feeds say.</summary>
    public void Watch()
    {
        foreach (var program in world.Programs)
        {
            var (generation, guardians) = Feeds.SetOf(program, world.FirstGuardians);
            if (guardians.Contains(Peer))
            {
                Handle(new LeaseInput.Watch(program, generation, guardians, world.WhenAlone, CanRun)
                {
                    EpochFloor = Floors.GetValueOrDefault(program),
                    Chosen = world.Chosen?.Peer,
                    Placement = world.Placement,
                    Sealed = Feeds.ApprovedNext(program, generation, Peer),
                });
            }
            else
            {
                if (Runs.Remove(program)) world.Note(7);
                Handle(new LeaseInput.Unwatch(program));
            }
        }
    }

    /// <summary>Whom it takes for the holder; null: nobody.</summary>
    public PeerId? HolderOf(EntryHash program) => _engine?.ViewOf(program)?.Holder;

    public bool RunsNow(EntryHash program) =>
        !IsSuspended && ((IsUp && Runs.TryGetValue(program, out var run) && Clock < run.Until + run.StopTime * Rate) || world.Now < _stops.GetValueOrDefault(program));

    public void Receive(PeerId from, byte[] bytes)
    {
        if (!IsAwake) return;
        if (!LeaseMessage.TryDecode(bytes, world.Swarm, world.Keys, out var message)) throw world.Fail("a message cannot be read");
        if (bytes.Length > LeaseMessage.MaxBytes) throw world.Fail("a message is too long");
        if (Lies) Lie(from, message);
        else Handle(new LeaseInput.Received(from, message));
    }

    public void Handle(LeaseInput input)
    {
        if (!IsAwake) return;
        foreach (var effect in _engine!.Handle(input, Clock))
        {
            switch (effect)
            {
                case LeaseEffect.Send send:
                    world.Send(this, send.To, send.Message.Encode(world.Swarm, Signer));
                    break;
                case LeaseEffect.Acquired acquired:
                    Floors[acquired.Program] = Math.Max(acquired.Epoch, Floors.GetValueOrDefault(acquired.Program)); // written before it starts
                    Runs[acquired.Program] = new LeaseRun(acquired.Epoch, acquired.Until, DrawStopTime(), world.Now, acquired.Alone);
                    world.Checkers.OnAcquired(this, acquired.Program, acquired.Epoch);
                    break;
                case LeaseEffect.Renewed renewed:
                    if (!Runs.TryGetValue(renewed.Program, out var run)) throw world.Fail($"node {Index} renews what it does not run");
                    if (run.Until <= Clock && !renewed.Alone) throw world.Fail($"node {Index} renews a lease that was over");
                    Floors[renewed.Program] = Math.Max(renewed.Epoch, Floors.GetValueOrDefault(renewed.Program));
                    Runs[renewed.Program] = run with { Until = renewed.Until, Epoch = renewed.Epoch, Alone = renewed.Alone };
                    world.Checkers.OnRenewed(this, renewed.Program);
                    break;
                case LeaseEffect.Lost lost:
                    if (!Runs.Remove(lost.Program, out var over)) break;
                    // It stands still a moment after the lease ended, or after it was said to be lost, whatever comes first.
                    var left = (over.Until - Clock) / Rate;
                    _stops[lost.Program] = world.Now + over.StopTime + (left < TimeSpan.Zero ? left : TimeSpan.Zero);
                    break;
                case LeaseEffect.Misbehaved said:
                    world.Checkers.OnMisbehaved(this, said);
                    break;
                case LeaseEffect.WakeAt wake:
                    ScheduleTick(wake.At);
                    break;
            }
        }
    }

    private TimeSpan DrawStopTime() => world.Options.StopTime * (0.9 * world.Random.NextDouble());

    private void ScheduleTick(TimeSpan at)
    {
        var timer = ++_timer;
        if (at == TimeSpan.MaxValue) return;
        var delay = (at - Clock) / Rate;
        // Timers are late, now and then by a lot.
        var late = world.Random.Next(50) == 0 ? 300 : 15;
        world.After((delay > TimeSpan.Zero ? delay : TimeSpan.Zero) + TimeSpan.FromMilliseconds(world.Random.NextDouble() * late), () =>
        {
            if (timer == _timer && IsAwake) Handle(new LeaseInput.Tick());
        });
    }

    // -- Lies -------------------------------------------------------------------------------------------------

    private ulong _lieNumber;

    // Everybody gets its promise and its vote, with the epoch that suits; nothing is refused. Sometimes an epoch out of nowhere.
    private void Lie(PeerId to, LeaseMessage message)
    {
        var answers = new List<Ballot>();
        foreach (var ballot in message.Ballots)
        {
            var answer = new Ballot(BallotKind.Promise, ballot.Program, ballot.Generation) { Number = ballot.Number, Round = ballot.Round };
            if (ballot.Kind == BallotKind.Prepare)
                answers.Add(answer with { Epoch = world.Random.Next(20) == 0 ? ulong.MaxValue / 2 : 0 });
            else if (ballot.Kind == BallotKind.Propose)
                answers.Add(answer with { Kind = BallotKind.Accept, Epoch = ballot.Epoch, Holder = to });
        }
        if (answers.Count > 0) world.Send(this, to, new LeaseMessage(Peer, 1, ++_lieNumber, answers).Encode(world.Swarm, Signer));
    }
}
