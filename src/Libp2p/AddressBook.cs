namespace PeoplesCloud.Libp2p;

/// <summary>Who named an address of a peer.</summary>
internal enum AddressSource
{
    /// <summary>The application, which counts most.</summary>
    Application,

    /// <summary>The peer itself, by identify: in place of what it said before.</summary>
    Itself,

    /// <summary>Another peer.</summary>
    Another,
}

/// <summary>Where peers may be reached, as the application and identify said it. Bounded; thread-safe.</summary>
internal sealed class AddressBook(Libp2pLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, (Multiaddr[] Named, Multiaddr[] Said, Multiaddr[] Suggested)> _known = [];
    private readonly Queue<PeerId> _order = new(); // each known peer once, oldest first

    /// <summary>Adds addresses before the older ones of the same source; those of a peer itself replace what it said before. Answers whether one of them was new.</summary>
    /// <param name="peer">Whose addresses.</param>
    /// <param name="addresses">The addresses; those that name another peer or no port are left out.</param>
    /// <param name="source">Who named them.</param>
    public bool Add(PeerId peer, IEnumerable<Multiaddr> addresses, AddressSource source)
    {
        var usable = addresses.Where(a => a.Port is > 0 && (a.Peer is null || a.Peer == peer)).Select(a => a.WithoutPeer()).Distinct().Take(limits.MaxAddressesPerPeer).ToArray();
        if (usable.Length == 0) return false;
        lock (_lock)
        {
            if (!_known.TryGetValue(peer, out var before))
            {
                // Strangers with fresh keys fill half of the book at most, so that they never push out a peer that the application named.
                if (source != AddressSource.Application && _known.Count >= limits.MaxPeersInBook / 2) return false;
                if (_known.Count >= limits.MaxPeersInBook) _known.Remove(_order.Dequeue());
                _order.Enqueue(peer);
                before = ([], [], []);
            }
            // What others say never pushes out what the application named.
            var after = before;
            if (source == AddressSource.Application) after.Named = [.. usable.Union(before.Named).Take(limits.MaxAddressesPerPeer)];
            else if (source == AddressSource.Itself) after.Said = usable;
            else after.Suggested = [.. usable.Union(before.Suggested).Take(limits.MaxAddressesPerPeer)];
            _known[peer] = after;
            return usable.Except(before.Named).Except(before.Said).Except(before.Suggested).Any();
        }
    }

    /// <summary>The addresses of a peer, best first; empty when none is known.</summary>
    public IReadOnlyList<Multiaddr> Get(PeerId peer)
    {
        lock (_lock) return _known.TryGetValue(peer, out var held) ? [.. held.Named.Union(held.Said).Union(held.Suggested).Take(limits.MaxAddressesPerPeer)] : [];
    }

    /// <summary>Whether the application named an address of the peer.</summary>
    public bool IsNamed(PeerId peer)
    {
        lock (_lock) return _known.TryGetValue(peer, out var held) && held.Named.Length > 0;
    }
}
