namespace PeoplesCloud.Libp2p.Relay;

/// <summary>
/// Who holds a place at this relay and who uses how much of it. Decides only: no stream, no wait; the clock comes in through the
/// constructor. Thread-safe.
/// </summary>
internal sealed class RelayLedger(RelayLimits limits, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, DateTimeOffset> _reservations = [];
    private readonly Dictionary<PeerId, int> _circuitsByPeer = [];
    private int _circuits;
    private int _guests;

    /// <summary>Reservations that have not ended, and circuits.</summary>
    public (int Reservations, int Circuits) Use
    {
        get
        {
            lock (_lock)
            {
                DropExpired();
                return (_reservations.Count, _circuits);
            }
        }
    }

    /// <summary>Makes or renews a reservation; <paramref name="expires"/> is when it ends.</summary>
    public RelayStatus TryReserve(PeerId peer, out DateTimeOffset expires)
    {
        expires = time.GetUtcNow() + limits.ReservationLifetime;
        lock (_lock)
        {
            DropExpired();
            if (!_reservations.ContainsKey(peer) && _reservations.Count >= limits.MaxReservations) return RelayStatus.ReservationRefused;
            _reservations[peer] = expires;
            return RelayStatus.Ok;
        }
    }

    /// <summary>Whether the peer holds a reservation now.</summary>
    public bool Holds(PeerId peer)
    {
        lock (_lock) return _reservations.TryGetValue(peer, out var expires) && expires > time.GetUtcNow();
    }

    /// <summary>The peer is gone, or may not use this relay any more.</summary>
    public void Release(PeerId peer)
    {
        lock (_lock) _reservations.Remove(peer);
    }

    /// <summary>Counts a circuit in, if there is room for it; the caller counts it out by <see cref="Close"/>.</summary>
    public RelayStatus TryOpen(PeerId from, PeerId to, RelayGrant grant)
    {
        lock (_lock)
        {
            if (grant == RelayGrant.None) return RelayStatus.PermissionDenied;
            if (!Holds(to)) return RelayStatus.NoReservation;
            if (grant == RelayGrant.Guest && _guests >= limits.MaxGuestCircuits) return RelayStatus.ResourceLimitExceeded;
            if (_circuits >= limits.MaxCircuits || CircuitsOf(from) >= limits.MaxCircuitsPerPeer || CircuitsOf(to) >= limits.MaxCircuitsPerPeer) return RelayStatus.ResourceLimitExceeded;
            _circuits++;
            if (grant == RelayGrant.Guest) _guests++;
            _circuitsByPeer[from] = CircuitsOf(from) + 1;
            _circuitsByPeer[to] = CircuitsOf(to) + 1;
            return RelayStatus.Ok;
        }
    }

    /// <summary>Counts a circuit out.</summary>
    public void Close(PeerId from, PeerId to, RelayGrant grant)
    {
        lock (_lock)
        {
            _circuits--;
            if (grant == RelayGrant.Guest) _guests--;
            foreach (var peer in (ReadOnlySpan<PeerId>)[from, to])
                if ((_circuitsByPeer[peer] = CircuitsOf(peer) - 1) == 0) _circuitsByPeer.Remove(peer);
        }
    }

    private int CircuitsOf(PeerId peer) => _circuitsByPeer.GetValueOrDefault(peer);

    private void DropExpired()
    {
        var now = time.GetUtcNow();
        foreach (var (peer, expires) in _reservations)
            if (expires <= now) _reservations.Remove(peer);
    }
}
