using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>
/// One node: what the daemon does with replica, store and gossip engine, and a disk that survives its crashes. A crash may come
/// between any two effects, so what was not persisted is lost and what was persisted may never have been sent.
/// </summary>
internal sealed class SimNode
{
    private readonly SimWorld _world;

    public SimNode(SimWorld world, int index, ISigner signer, TimeSpan skew)
    {
        _world = world;
        Index = index;
        Signer = signer;
        Skew = skew;
    }

    public int Index { get; }

    public ISigner Signer { get; }

    public PeerId Peer => Signer.Self;

    /// <summary>How wrong its wall clock is.</summary>
    public TimeSpan Skew { get; set; }

    /// <summary>How fast its clocks run: 1.01 gains a hundredth. Set before the start.</summary>
    public double Rate { get; set; } = 1;

    /// <summary>Whether it is suspended: it does nothing, and what is sent to it is lost.</summary>
    public bool IsSuspended { get; private set; }

    /// <summary>Whether it keeps to the protocol; the others do not count for the checkers.</summary>
    public bool Honest { get; set; } = true;

    /// <summary>Its disk.</summary>
    public InMemoryFeedStore Store { get; private set; } = new();

    public SwarmReplica? Replica { get; private set; }

    public GossipEngine? Engine { get; private set; }

    public bool IsUp => Engine is not null;

    /// <summary>Counts starts, so that ticks of an earlier life are ignored.</summary>
    public int Life { get; private set; }

    public TimeSpan StartedAt { get; private set; }

    public GossipTime Time => new((_world.Now - StartedAt - _stoodStill) * Rate, _world.Epoch + _world.Now * Rate + Skew);

    /// <summary>What it seals and opens keys with.</summary>
    public SimSealer Sealer => new(Peer);

    private readonly KeyRotationDuty _duty = new();
    private TimeSpan _stoodStill; // of its monotonic clock, while it was suspended
    private TimeSpan _suspendedAt;
    private bool _clockStandsStill;

    public PresenceInfo Info => new() { Addresses = [$"/ip4/10.0.{Index / 250}.{Index % 250}/tcp/4242"], Hosts = true, Languages = ["py3"], Rank = Index % 7, Version = "0.1.0" };

    public void Start()
    {
        StartedAt = _world.Now;
        _stoodStill = TimeSpan.Zero;
        IsSuspended = false;
        Life++;
        Replica = SwarmReplica.Load(Signer, _world.Keys, _world.Swarm, Store.Load(_world.Swarm));
        Engine = new GossipEngine(Replica, Signer, _world.Keys, Info, _world.Options, new Random(_world.Random.Next()), Time);
        _world.ScheduleTick(this, _world.Options.TickInterval * _world.Random.NextDouble());
    }

    public void Crash()
    {
        Replica = null;
        Engine = null;
        IsSuspended = false;
    }

    /// <summary>Its lid is closed (the monotonic clock stands still) or its process is stopped (the clock runs on).</summary>
    public void Suspend(bool clockStandsStill)
    {
        if (!IsUp || IsSuspended) return;
        IsSuspended = true;
        _suspendedAt = _world.Now;
        _clockStandsStill = clockStandsStill;
    }

    /// <summary>It goes on where it was, as if no time had passed.</summary>
    public void Resume()
    {
        if (!IsSuspended) return;
        IsSuspended = false;
        if (_clockStandsStill) _stoodStill += _world.Now - _suspendedAt;
        _world.ScheduleTick(this, TimeSpan.Zero);
    }

    /// <summary>Its disk is replaced by an older copy of itself.</summary>
    public void RestoreFrom(IReadOnlyList<StoredEntry> backup)
    {
        Crash();
        Store = new InMemoryFeedStore();
        Store.Append(_world.Swarm, backup);
        _world.Checkers.OnRestored(this, backup);
    }

    /// <summary>Writes an entry as the daemon does: append, persist, acknowledge, gossip.</summary>
    public StoredEntry? Write(EntryBody body)
    {
        if (IsSuspended || Replica is not { OwnHeadConfirmed: true } replica || replica.WouldRefuse(body) is not null) return null;
        return Acknowledge(replica.Append(body, Time.Wall));
    }

    /// <summary>Removes a member, with a new key for the others.</summary>
    public StoredEntry? Remove(PeerId peer) =>
        IsSuspended || Replica is not { OwnHeadConfirmed: true } replica || replica.WouldRefuse(new MemberRemoved(peer, 0)) is not null
            ? null
            : Acknowledge(replica.Remove(peer, Sealer, _world.NewKey(), Time.Wall));

    /// <summary>What the daemon does on every change: makes a new key of the swarm when it is this node's turn.</summary>
    public void MindKey()
    {
        if (Replica is not { OwnHeadConfirmed: true } replica || Engine is not { } engine) return;
        var now = Time.Uptime;
        var due = _duty.DueAt(replica.State, Peer, peer => peer == Peer || engine.ViewOf(peer) is { Liveness: not Liveness.Asleep }, now);
        if (due <= now) _ = Acknowledge(replica.RotateKey(Sealer, _world.NewKey(), Time.Wall));
    }

    /// <summary>What follows appending: persist, acknowledge, gossip.</summary>
    public StoredEntry? Acknowledge(StoredEntry entry)
    {
        if (_world.CrashesNow(this)) return null; // before it was persisted: it was never acknowledged
        Persist([entry]);
        _world.Checkers.OnAcknowledged(this, entry);
        Handle(new GossipInput.EntriesAppended([entry]));
        return entry;
    }

    /// <summary>Says something new about itself.</summary>
    public void Say(double rank) => Handle(new GossipInput.PresenceUpdated(Info with { Rank = rank }));

    public void Handle(GossipInput input)
    {
        if (IsSuspended || Engine is not { } engine) return;
        var effects = engine.Handle(input, Time);
        _world.Checkers.OnEffects(this, input, effects);
        foreach (var effect in effects)
        {
            if (_world.CrashesNow(this)) return;
            switch (effect)
            {
                case GossipEffect.PersistEntries persist:
                    Persist(persist.Entries);
                    break;
                case GossipEffect.SendMessage send:
                    _world.Send(this, send.To, send.Bytes);
                    break;
            }
        }
        _world.Checkers.OnHandled(this);
    }

    private void Persist(IReadOnlyList<StoredEntry> entries)
    {
        Store.Append(_world.Swarm, entries);
        foreach (var entry in entries) _world.Checkers.OnPersisted(this, entry);
    }
}
