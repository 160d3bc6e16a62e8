namespace PeoplesCloud.Swarm;

/// <summary>
/// Keeps the entries of swarms. Every implementation passes the conformance suite <c>FeedStoreContract</c> in tests/Simulation.
/// Thread-safe.
/// </summary>
public interface IFeedStore
{
    /// <summary>The swarms that have entries, in order of their ids.</summary>
    IReadOnlyList<SwarmId> Swarms();

    /// <summary>
    /// Appends all or nothing; durable (survives power loss) when it returns. An entry that is there already (same hash) is
    /// skipped, so a repeated call changes nothing. When it throws, drop the replica that produced the entries and load it again.
    /// </summary>
    void Append(SwarmId swarm, IReadOnlyList<StoredEntry> entries);

    /// <summary>All entries in the order in which they were appended; empty for an unknown swarm.</summary>
    IReadOnlyList<StoredEntry> Load(SwarmId swarm);

    /// <summary>Forgets a swarm that this node left. Durable when it returns.</summary>
    void Remove(SwarmId swarm);
}

/// <summary>Keeps entries in memory, for tests and the simulator.</summary>
public sealed class InMemoryFeedStore : IFeedStore
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<SwarmId, (List<StoredEntry> Entries, HashSet<EntryHash> Hashes)> _swarms = [];

    /// <inheritdoc/>
    public IReadOnlyList<SwarmId> Swarms()
    {
        lock (_lock) return [.. _swarms.Keys];
    }

    /// <inheritdoc/>
    public void Append(SwarmId swarm, IReadOnlyList<StoredEntry> entries)
    {
        foreach (var entry in entries)
        {
            if (entry.Swarm != swarm) throw new ArgumentException("an entry of another swarm", nameof(entries));
        }
        lock (_lock)
        {
            if (entries.Count == 0) return;
            if (!_swarms.TryGetValue(swarm, out var held)) _swarms[swarm] = held = ([], []);
            foreach (var entry in entries)
            {
                if (held.Hashes.Add(entry.Hash)) held.Entries.Add(entry);
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<StoredEntry> Load(SwarmId swarm)
    {
        lock (_lock) return _swarms.TryGetValue(swarm, out var held) ? [.. held.Entries] : [];
    }

    /// <inheritdoc/>
    public void Remove(SwarmId swarm)
    {
        lock (_lock) _swarms.Remove(swarm);
    }
}
