namespace PeoplesCloud.Libp2p;

/// <summary>Where peers may be reached, as the application and identify said it. Bounded; thread-safe.</summary>
internal sealed class AddressBook(Libp2pLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Multiaddr[]> _known = [];
    private readonly Queue<PeerId> _order = new(); // each known peer once, oldest first

    /// <summary>Puts addresses before the older ones of a peer. Answers whether one of them was new.</summary>
    public bool Add(PeerId peer, IEnumerable<Multiaddr> addresses)
    {
        // An address that names another peer is of no use here; one without a port cannot be dialed.
        var usable = addresses.Where(a => a.Port is > 0 && (a.Peer is null || a.Peer == peer)).Select(a => a.WithoutPeer()).Distinct().Take(limits.MaxAddressesPerPeer).ToArray();
        if (usable.Length == 0) return false;
        lock (_lock)
        {
            var before = _known.GetValueOrDefault(peer) ?? [];
            if (before.Length == 0)
            {
                if (_known.Count >= limits.MaxPeersInBook) _known.Remove(_order.Dequeue());
                _order.Enqueue(peer);
            }
            _known[peer] = [.. usable.Union(before).Take(limits.MaxAddressesPerPeer)];
            return usable.Except(before).Any();
        }
    }

    /// <summary>The addresses of a peer, newest first; empty when none is known.</summary>
    public IReadOnlyList<Multiaddr> Get(PeerId peer)
    {
        lock (_lock) return _known.GetValueOrDefault(peer) ?? [];
    }
}
