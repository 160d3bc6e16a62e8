using System.Collections.Immutable;
using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Swarms;

/// <summary>
/// One swarm on this node: the replica and its gossip engine under one lock, with every change persisted before anybody hears of
/// it. State and presence are immutable snapshots that are swapped, so reading takes no lock. Thread-safe.
/// </summary>
internal sealed class LocalSwarm
{
    private readonly IFeedStore _store;
    private readonly ReplicaFactory _factory;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _confirmed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile OpenedKey? _key;
    private SwarmReplica _replica;
    private GossipEngine _engine;
    private PresenceInfo _presence;
    private volatile SwarmState _state;
    private ImmutableHashSet<PeerId> _refusedBy = [];
    private volatile ImmutableDictionary<PeerId, PeerView> _views = ImmutableDictionary<PeerId, PeerView>.Empty;

    /// <summary>Puts a replica whose entries are in the store to work.</summary>
    public LocalSwarm(SwarmRow row, SwarmReplica replica, PresenceInfo presence, IFeedStore store, ReplicaFactory factory, TimeProvider time)
    {
        Row = row;
        _replica = replica;
        _presence = presence;
        _store = store;
        _factory = factory;
        _time = time;
        _started = time.GetTimestamp();
        _engine = factory.NewEngine(replica, presence, Now());
        _state = replica.State;
        if (replica.OwnHeadConfirmed) _confirmed.TrySetResult();
    }

    /// <summary>Raised when the state has changed and is persisted, outside the lock; quick handlers only.</summary>
    public event Action<LocalSwarm>? Changed;

    /// <summary>What must leave this node: raised outside the lock, after everything before it was persisted; handlers only begin the work.</summary>
    public event Action<LocalSwarm, GossipEffect>? Effect;

    /// <summary>Id, name on this machine, and the key that it was given.</summary>
    public SwarmRow Row { get; }

    /// <summary>The swarm's id.</summary>
    public SwarmId Id => Row.Id;

    /// <summary>What it is called on this machine.</summary>
    public string Name => Row.Name;

    /// <summary>What its entries mean now.</summary>
    public SwarmState State => _state;

    /// <summary>This node as a member; null when it is none any more.</summary>
    public Member? Me => _state.Find(_factory.Self);

    /// <summary>Returns when this node is a member; who was removed is told so before anything is tried.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.NotAMember"/>.</exception>
    public void RequireMembership()
    {
        if (Me is null) throw new PcException(ErrorCode.NotAMember, $"this node is not a member of {Name} any more");
    }

    /// <summary>What is known of the others' presence.</summary>
    public IReadOnlyDictionary<PeerId, PeerView> Presence => _views;

    /// <summary>Whether a member is believed awake; this node is.</summary>
    public bool IsAwake(PeerId peer) => peer == _factory.Self || (_views.TryGetValue(peer, out var view) && view.Liveness != Liveness.Asleep);

    /// <summary>Members who say that this node is none any more, though its feeds do not say so: it was asleep, or they are wrong.</summary>
    public IReadOnlyCollection<PeerId> RefusedBy => _refusedBy;

    /// <summary>A member said that this node is none any more.</summary>
    public void Refused(PeerId peer) => ImmutableInterlocked.Update(ref _refusedBy, static (all, one) => all.Add(one), peer);

    /// <summary>A member answered as one answers members.</summary>
    public void Accepted(PeerId peer)
    {
        if (!_refusedBy.IsEmpty) ImmutableInterlocked.Update(ref _refusedBy, static (all, one) => all.Remove(one), peer);
    }

    /// <summary>Completes when this node knows that its own feed is complete, so that it may write.</summary>
    public Task OwnHeadConfirmed => _confirmed.Task;

    /// <summary>Writes entries; durable when this returns, and on their way to the others. Waits while this node still asks for its own head.</summary>
    /// <exception cref="PcException">This node lacks the right, nobody confirmed its own head, or the disk refuses.</exception>
    public async Task<StoredEntry> AppendAsync(EntryBody body, CancellationToken cancellationToken)
    {
        await WaitUntilConfirmedAsync(cancellationToken);
        return Change(replica =>
        {
            var entry = replica.Append(body, _time.GetUtcNow());
            return (entry, (IReadOnlyList<StoredEntry>)[entry]);
        });
    }

    /// <summary>Waits until this node may write, for as long as a start without an answer takes; then writing says what is wrong.</summary>
    public async Task WaitUntilConfirmedAsync(CancellationToken cancellationToken)
    {
        if (_confirmed.Task.IsCompleted) return;
        try
        {
            await _confirmed.Task.WaitAsync(TimeSpan.FromSeconds(15), _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The replica refuses with a code of its own.
        }
    }

    /// <summary>Whether this node has caught up with others after its start or a sleep.</summary>
    public bool IsSettled
    {
        get
        {
            lock (_gate) return _engine.IsSettled(Now());
        }
    }

    /// <summary>
    /// Waits until this node has caught up with others after its start or a sleep, so that it knows who was removed meanwhile; for as long
    /// as the engine takes when nobody answers, at most.
    /// </summary>
    /// <param name="asker">The peer that asks something, whose being there shows that the network is; null when nobody does.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task WaitUntilSettledAsync(PeerId? asker, CancellationToken cancellationToken)
    {
        Task settled;
        lock (_gate)
        {
            if (_engine.IsSettled(Now()) && !(asker is not null && _engine.IsSettledAlone)) return;
            if (_settled.Task.IsCompleted) _settled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            settled = _settled.Task;
        }
        Handle(asker is { } peer ? new GossipInput.Contacted(peer) : new GossipInput.Tick()); // whoever has just woken notices it here
        lock (_gate)
        {
            if (_engine.IsSettled(Now())) return;
        }
        try
        {
            await settled.WaitAsync(_factory.Options.AloneAfter + _factory.Options.RoundInterval * 2, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Ticks come late on a loaded machine. The wait was long enough for whoever could be reached.
        }
    }

    /// <summary>The swarm's key as it is now; null while this node was not given it, which an admin mends soon.</summary>
    public byte[]? CurrentKey()
    {
        var state = _state;
        if (_key is { } known && known.Entry == state.Key.Entry) return known.Key;
        byte[]? key = null;
        if (state.Key.Entry == Row.KeyEntry) key = Row.Key;
        else state.Key.Sealed?.TryOpen(_factory.Sealer, Id, _factory.Self, out key);
        _key = new OpenedKey(state.Key.Entry, key);
        return key;
    }

    /// <summary>Makes a new key of the swarm when it is stale; durable when this returns.</summary>
    /// <exception cref="PcException">This node is not an admin, or the disk refuses.</exception>
    public bool RotateStaleKey() => _state.Key.IsStale && Change(replica =>
    {
        if (!replica.State.Key.IsStale) return (false, (IReadOnlyList<StoredEntry>)[]);
        var entry = replica.RotateKey(_factory.Sealer, RandomNumberGenerator.GetBytes(SwarmKeyState.KeyBytes), _time.GetUtcNow());
        return (true, [entry]);
    });

    /// <summary>Changes the replica; the entries that come of it are persisted before anything else sees them, then offered to the others.</summary>
    /// <exception cref="PcException">The change was refused, or the disk refuses: then nothing was changed.</exception>
    public T Change<T>(Func<SwarmReplica, (T Result, IReadOnlyList<StoredEntry> Entries)> change)
    {
        T result;
        List<GossipEffect> effects = [];
        lock (_gate)
        {
            IReadOnlyList<StoredEntry> entries;
            try
            {
                (result, entries) = change(_replica);
                _store.Append(Id, entries);
            }
            catch (Exception e) when (e is not PcException refused || IsOfStore(refused))
            {
                Reload();
                throw;
            }
            if (entries.Count > 0) effects = HandleLocked(new GossipInput.EntriesAppended(entries));
            _state = _replica.State;
        }
        Dispatch(effects, changed: true);
        return result;
    }

    /// <summary>Takes entries that a member brought with a request; what was accepted is persisted when this returns.</summary>
    public ReceiveResult Receive(IEnumerable<ReadOnlyMemory<byte>> entries)
    {
        ReceiveResult result;
        lock (_gate)
        {
            result = _replica.Receive(entries, _time.GetUtcNow());
            Persist(result.Accepted);
            _state = _replica.State;
        }
        if (result.Accepted.Count > 0) Dispatch([], changed: true);
        return result;
    }

    /// <summary>Gives the engine an input: a tick, a message, a change of presence.</summary>
    public void Handle(GossipInput input)
    {
        List<GossipEffect> effects;
        bool changed;
        lock (_gate)
        {
            if (input is GossipInput.PresenceUpdated updated) _presence = updated.Info;
            effects = HandleLocked(input);
            var state = _replica.State;
            changed = !ReferenceEquals(state, _state);
            _state = state;
        }
        Dispatch(effects, changed);
    }

    /// <summary>Reads the replica under the lock.</summary>
    public T Read<T>(Func<SwarmReplica, T> read)
    {
        lock (_gate) return read(_replica);
    }

    private List<GossipEffect> HandleLocked(GossipInput input)
    {
        var outward = new List<GossipEffect>();
        foreach (var effect in _engine.Handle(input, Now()))
        {
            switch (effect)
            {
                case GossipEffect.PersistEntries persist:
                    Persist(persist.Entries);
                    break;
                case GossipEffect.OwnHeadConfirmed:
                    _confirmed.TrySetResult();
                    break;
                case GossipEffect.Settled:
                    _settled.TrySetResult();
                    outward.Add(effect);
                    break;
                case GossipEffect.PresenceChanged presence:
                    _views = _views.SetItem(presence.View.Peer, presence.View);
                    outward.Add(effect);
                    break;
                default:
                    outward.Add(effect);
                    break;
            }
        }
        return outward;
    }

    private void Dispatch(List<GossipEffect> effects, bool changed)
    {
        foreach (var effect in effects) Effect?.Invoke(this, effect);
        if (changed) Changed?.Invoke(this);
    }

    private void Persist(IReadOnlyList<StoredEntry> entries)
    {
        try
        {
            _store.Append(Id, entries);
        }
        catch
        {
            Reload();
            throw;
        }
    }

    // Nobody has seen what could not be persisted, so its numbers are free again: back to what is on the disk.
    private void Reload()
    {
        var confirmed = _replica.OwnHeadConfirmed;
        _replica = _factory.Load(Id, _store.Load(Id));
        if (confirmed) _replica.ConfirmOwnHead();
        _engine = _factory.NewEngine(_replica, _presence, Now());
        _state = _replica.State;
    }

    private static bool IsOfStore(PcException e) => e.Code is ErrorCode.DiskFull or ErrorCode.HomeUnusable or ErrorCode.DatabaseDamaged;

    private GossipTime Now() => new(_time.GetElapsedTime(_started), _time.GetUtcNow());

    /// <summary>What opening an entry's key gave; opening costs two scalar multiplications.</summary>
    private sealed record OpenedKey(EntryHash? Entry, byte[]? Key);
}

/// <summary>Makes the parts of one swarm, at start and after the disk refused a write.</summary>
internal sealed class ReplicaFactory(ISigner signer, ISignatureVerifier verifier, IKeySealer sealer, GossipOptions options, Func<int> seed)
{
    /// <summary>This node.</summary>
    public PeerId Self => signer.Self;

    /// <summary>Signs as this node.</summary>
    public ISigner Signer => signer;

    /// <summary>Verifies others.</summary>
    public ISignatureVerifier Verifier => verifier;

    /// <summary>Seals to others, opens for this node.</summary>
    public IKeySealer Sealer => sealer;

    /// <summary>The pace of gossip.</summary>
    public GossipOptions Options => options;

    /// <summary>A replica from stored entries.</summary>
    public SwarmReplica Load(SwarmId id, IReadOnlyList<StoredEntry> entries) => SwarmReplica.Load(signer, verifier, id, entries);

    /// <summary>An engine over a replica.</summary>
    public GossipEngine NewEngine(SwarmReplica replica, PresenceInfo presence, GossipTime now) => new(replica, signer, verifier, presence, options, new Random(seed()), now);
}
