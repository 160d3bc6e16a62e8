using System.Collections.Concurrent;
using System.Collections.Immutable;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Favours;

/// <summary>What members gave more than they took, summed up once for each set of receipts. Thread-safe.</summary>
internal sealed class FavourBalances(SwarmRegistry swarms)
{
    private readonly ConcurrentDictionary<SwarmId, (ImmutableSortedDictionary<EntryHash, Receipt> Of, IReadOnlyDictionary<PeerId, long> Hours)> _known = [];

    /// <summary>In processor hours; 0 of who is not known.</summary>
    public long HoursOf(SwarmId id, PeerId member)
    {
        if (swarms.Find(id)?.State is not { } state) return 0;
        if (!_known.TryGetValue(id, out var known) || known.Of != state.Receipts) _known[id] = known = (state.Receipts, Favour.Balances(state));
        return known.Hours.GetValueOrDefault(member);
    }
}
