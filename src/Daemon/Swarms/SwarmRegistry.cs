using System.Collections.Immutable;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Swarms;

/// <summary>The swarms that this node is in. Thread-safe.</summary>
internal sealed class SwarmRegistry
{
    private readonly SwarmTable _table;
    private readonly SqliteFeedStore _store;
    private readonly ReplicaFactory _factory;
    private readonly Func<SwarmId, PresenceInfo> _presence;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private ImmutableSortedDictionary<SwarmId, LocalSwarm> _swarms = ImmutableSortedDictionary<SwarmId, LocalSwarm>.Empty;
    private int _wished; // how often something new is to be said of this node

    /// <summary>Loads all swarms.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SwarmDamaged"/>, <see cref="ErrorCode.DatabaseDamaged"/>.</exception>
    public SwarmRegistry(Database database, ReplicaFactory factory, Func<SwarmId, PresenceInfo> presence, TimeProvider time)
    {
        _table = new SwarmTable(database);
        _store = new SqliteFeedStore(database);
        _factory = factory;
        _time = time;
        _presence = presence;
        foreach (var row in _table.All())
            _swarms = _swarms.Add(row.Id, Local(row, factory.Load(row.Id, _store.Load(row.Id))));
    }

    /// <summary>A swarm was added; its loops can start.</summary>
    public event Action<LocalSwarm>? Added;

    /// <summary>A swarm was forgotten; its loops must end.</summary>
    public event Action<LocalSwarm>? Removed;

    /// <summary>This node.</summary>
    public PeerId Self => _factory.Self;

    /// <summary>All swarms, in order of their ids.</summary>
    public IReadOnlyList<LocalSwarm> All => [.. _swarms.Values];

    /// <summary>The swarm with this id; null when this node is not in it.</summary>
    public LocalSwarm? Find(SwarmId id) => _swarms.GetValueOrDefault(id);

    /// <summary>The swarm that a person named: by its name here, or the start of its id.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SwarmUnknown"/> or <see cref="ErrorCode.NameAmbiguous"/>.</exception>
    public LocalSwarm Require(string nameOrId)
    {
        var swarms = _swarms.Values;
        if (swarms.FirstOrDefault(swarm => string.Equals(swarm.Name, nameOrId, StringComparison.Ordinal)) is { } named) return named;
        var byId = nameOrId.Length >= 4 ? swarms.Where(swarm => swarm.Id.ToString().StartsWith(nameOrId, StringComparison.Ordinal)).ToList() : [];
        return byId.Count switch
        {
            1 => byId[0],
            0 => throw new PcException(ErrorCode.SwarmUnknown, $"this node is in no swarm called {Shown(nameOrId)}{(Spelling.Nearest(nameOrId, swarms.Select(swarm => swarm.Name), most: 2) is { } near ? $"; did you mean {near}?" : "")}"),
            _ => throw new PcException(ErrorCode.NameAmbiguous, $"{Shown(nameOrId)} fits {byId.Count} swarms"),
        };
    }

    /// <summary>Whether a peer is an active member of a swarm of this node, in which this node is active too.</summary>
    public bool IsMember(SwarmId id, PeerId peer) => Find(id) is { Me: not null } swarm && swarm.State.Find(peer) is not null;

    /// <summary>A swarm in which this node and the peer both are; null when there is none.</summary>
    public SwarmId? SharedWith(PeerId peer)
    {
        foreach (var (id, swarm) in _swarms)
        {
            if (swarm.Me is not null && swarm.State.Find(peer) is not null) return id;
        }
        return null;
    }

    /// <summary>Whether this node and both peers are in one swarm.</summary>
    public bool AreTogether(PeerId one, PeerId other)
    {
        foreach (var swarm in _swarms.Values)
        {
            if (swarm.Me is not null && swarm.State.Find(one) is not null && swarm.State.Find(other) is not null) return true;
        }
        return false;
    }

    /// <summary>Adds a swarm that was created or joined; durable when this returns.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SwarmNameTaken"/>, or the disk refuses.</exception>
    public LocalSwarm Add(SwarmReplica replica, string name, byte[] key, EntryHash? keyEntry, IReadOnlyList<StoredEntry> entries)
    {
        LocalSwarm swarm;
        LocalSwarm? before;
        lock (_gate)
        {
            RequireFree(name, replica.Id);
            before = Find(replica.Id);
            var row = new SwarmRow(replica.Id, name, key, keyEntry);
            _table.Insert(row, entries);
            swarm = Local(row, replica);
            _swarms = _swarms.SetItem(row.Id, swarm);
        }
        if (before is not null) Removed?.Invoke(before);
        Added?.Invoke(swarm);
        return swarm;
    }

    /// <summary>The entries that are kept of a swarm in which this node is no member any more: with them it goes on where it was.</summary>
    public IReadOnlyList<StoredEntry> Held(SwarmId id) => _store.Load(id);

    /// <summary>Refuses a name that another swarm has on this machine.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SwarmNameTaken"/>.</exception>
    public void RequireFree(string name, SwarmId? except = null)
    {
        if (_swarms.Values.Any(swarm => string.Equals(swarm.Name, name, StringComparison.Ordinal) && swarm.Id != except))
            throw new PcException(ErrorCode.SwarmNameTaken, $"this node already has a swarm called {name}");
    }

    /// <summary>Forgets a swarm; durable when this returns.</summary>
    public void Remove(LocalSwarm swarm)
    {
        lock (_gate)
        {
            _table.Delete(swarm.Id);
            _swarms = _swarms.Remove(swarm.Id);
        }
        Removed?.Invoke(swarm);
    }

    /// <summary>Says in all swarms what this node is doing now.</summary>
    public void Say()
    {
        // One at a time and without waiting: of two at once the older picture could be handed over last, and stay. Whoever is at it looks again.
        if (Interlocked.Increment(ref _wished) > 1) return;
        try
        {
            int seen;
            do
            {
                seen = Volatile.Read(ref _wished);
                foreach (var swarm in _swarms.Values) swarm.Handle(new GossipInput.PresenceUpdated(_presence(swarm.Id)));
            }
            while (Interlocked.Add(ref _wished, -seen) > 0);
        }
        catch
        {
            Interlocked.Exchange(ref _wished, 0);
            throw;
        }
    }

    private LocalSwarm Local(SwarmRow row, SwarmReplica replica) =>
        new(row, replica, _presence(row.Id), _store, _factory, _time);

    private static string Shown(string text) => $"'{new string([.. text.Take(60).Where(c => !char.IsControl(c))])}'";
}
