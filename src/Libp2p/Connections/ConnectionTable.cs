namespace PeoplesCloud.Libp2p.Connections;

/// <summary>What <see cref="ConnectionTable.Add"/> answers.</summary>
internal enum Admission
{
    /// <summary>The connection is in the table.</summary>
    Admitted,

    /// <summary>The node has as many connections as it may.</summary>
    TableFull,

    /// <summary>Peers that nobody named to us have as many connections as they may.</summary>
    TooManyStrangers,
}

/// <summary>
/// The open connections by peer. A peer usually has one of each use; two when both sides dialed at once or when an old one is dying. New
/// streams go over the preferred one of their use, and both sides prefer the same: a direct one before a relayed one; of two that were made at
/// about the same time in opposite directions the one that the smaller peer id dialed, else the newer. Thread-safe.
/// </summary>
internal sealed class ConnectionTable(PeerId self, Libp2pLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, List<Libp2pConnection>> _byPeer = [];
    private int _count;
    private int _strangers;

    /// <summary>The first connection of a peer came or its last one went; called in order, under the table's lock.</summary>
    public event Action<PeerId, bool>? PresenceChanged;

    /// <summary>Open connections.</summary>
    public int Count
    {
        get { lock (_lock) return _count; }
    }

    /// <summary>A copy of all connections.</summary>
    public IReadOnlyList<Libp2pConnection> Snapshot()
    {
        lock (_lock) return [.. _byPeer.Values.SelectMany(c => c)];
    }

    /// <summary>Adds a connection; <paramref name="surplus"/> is the peer's oldest one of the same use when it has too many: out of the table, to be closed by the caller.</summary>
    public Admission Add(Libp2pConnection connection, out Libp2pConnection? surplus)
    {
        surplus = null;
        lock (_lock)
        {
            if (_count >= limits.MaxConnections) return Admission.TableFull;
            if (connection.IsStranger && _strangers >= limits.MaxStrangerConnections) return Admission.TooManyStrangers;
            if (!_byPeer.TryGetValue(connection.RemotePeer, out var list)) _byPeer[connection.RemotePeer] = list = [];
            list.Add(connection);
            _count++;
            if (connection.IsStranger) _strangers++;
            if (list.Count(c => c.Use == connection.Use) > limits.MaxConnectionsPerPeer) Forget(list, surplus = list.First(c => c.Use == connection.Use)); // now, so that the next one to come finds the next oldest
            if (list.Count == 1) PresenceChanged?.Invoke(connection.RemotePeer, true);
            return Admission.Admitted;
        }
    }

    /// <summary>Removes a connection; does nothing when it is not there.</summary>
    public void Remove(Libp2pConnection connection)
    {
        lock (_lock)
        {
            if (!_byPeer.TryGetValue(connection.RemotePeer, out var list) || !Forget(list, connection)) return;
            if (list.Count > 0) return;
            _byPeer.Remove(connection.RemotePeer);
            PresenceChanged?.Invoke(connection.RemotePeer, false);
        }
    }

    /// <summary>The connection that new streams to the peer go over; null when there is none of this use.</summary>
    public Libp2pConnection? Preferred(PeerId peer, StreamUse use = StreamUse.Quick)
    {
        lock (_lock) return _byPeer.TryGetValue(peer, out var list) ? Best(list, use) : null;
    }

    /// <summary>The connections of a peer.</summary>
    public IReadOnlyList<Libp2pConnection> Of(PeerId peer)
    {
        lock (_lock) return _byPeer.TryGetValue(peer, out var list) ? [.. list] : [];
    }

    private bool Forget(List<Libp2pConnection> list, Libp2pConnection connection)
    {
        if (!list.Remove(connection)) return false;
        _count--;
        if (connection.IsStranger) _strangers--;
        return true;
    }

    private Libp2pConnection? Best(List<Libp2pConnection> list, StreamUse use)
    {
        Libp2pConnection? best = null;
        foreach (var connection in list)
            if (connection.Use == use && !connection.IsClosing && (best is null || IsBetter(connection, best))) best = connection;
        return best;
    }

    // 'later' was added after 'earlier'.
    private bool IsBetter(Libp2pConnection later, Libp2pConnection earlier)
    {
        if (later.IsRelayed != earlier.IsRelayed) return earlier.IsRelayed;
        var simultaneous = later.IsOutbound != earlier.IsOutbound && later.Since - earlier.Since < limits.SimultaneousDial;
        return !simultaneous || later.IsOutbound == (self < later.RemotePeer);
    }
}
