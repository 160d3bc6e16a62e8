namespace PeoplesCloud.Libp2p;

/// <summary>Where peers may be reached, as the application and identify said it. Bounded; thread-safe.</summary>
internal sealed class AddressBook(Libp2pLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, (Multiaddr[] Addresses, bool IsNamed)> _known = [];
    private readonly Queue<PeerId> _order = new(); // each known peer once, oldest first

    /// <summary>Puts addresses before the older ones of a peer. Answers whether one of them was new.</summary>
    /// <param name="peer">Whose addresses.</param>
    /// <param name="addresses">The addresses; those that name another peer or no port are left out.</param>
    /// <param name="isNamed">Whether the application named them; false for what a peer says about itself.</param>
    public bool Add(PeerId peer, IEnumerable<Multiaddr> addresses, bool isNamed)
    {
        var usable = addresses.Where(a => a.Port is > 0 && (a.Peer is null || a.Peer == peer)).Select(a => a.WithoutPeer()).Distinct().Take(limits.MaxAddressesPerPeer).ToArray();
        if (usable.Length == 0) return false;
        lock (_lock)
        {
            if (!_known.TryGetValue(peer, out var before))
            {
                // Strangers with fresh keys fill half of the book at most, so that they never push out a peer that the application named.
                if (!isNamed && _known.Count >= limits.MaxPeersInBook / 2) return false;
                if (_known.Count >= limits.MaxPeersInBook) _known.Remove(_order.Dequeue());
                _order.Enqueue(peer);
                before = ([], false);
            }
            // What a peer says about itself never pushes out what the application named.
            var merged = isNamed ? usable.Union(before.Addresses) : before.Addresses.Union(usable);
            _known[peer] = ([.. merged.Take(limits.MaxAddressesPerPeer)], isNamed || before.IsNamed);
            return usable.Except(before.Addresses).Any();
        }
    }

    /// <summary>The addresses of a peer, best first; empty when none is known.</summary>
    public IReadOnlyList<Multiaddr> Get(PeerId peer)
    {
        lock (_lock) return _known.TryGetValue(peer, out var held) ? held.Addresses : [];
    }

    /// <summary>Whether the application named an address of the peer.</summary>
    public bool IsNamed(PeerId peer)
    {
        lock (_lock) return _known.TryGetValue(peer, out var held) && held.IsNamed;
    }
}
