using PeoplesCloud.Libp2p.Relay;

namespace PeoplesCloud.Libp2p;

/// <content>Relays: being one, and being reached through one; see docs/protocols/relay.md.</content>
public sealed partial class Libp2pHost : IRelayHost
{
    private readonly RelayClient _relayed;
    private volatile RelayService? _relay;

    /// <summary>What this node gives as a relay now; null when it is none.</summary>
    public RelayUse? RelayUse => _relay?.Use;

    /// <summary>The places that relays keep for this node.</summary>
    public IReadOnlyList<RelayReservation> Reservations => _relayed.Held;

    /// <summary>Serves as a relay for whom the policy says, in place of an earlier policy; what was reserved before is forgotten. The caps are <see cref="Libp2pLimits.Relay"/>.</summary>
    public void ServeRelay(RelayPolicy policy)
    {
        var service = new RelayService(this, _identity, policy, _limits, _time, _logger);
        _relay = service;
        Handle(RelayService.HopProtocol, service.ServeAsync);
    }

    /// <summary>Asks a relay to keep a place for this node, or renews it. The connection with it is kept open as long as it is held.</summary>
    /// <exception cref="Libp2pException">The relay cannot be reached directly or refuses.</exception>
    public ValueTask<RelayReservation> ReserveAsync(PeerId relay, CancellationToken cancellationToken = default) => _relayed.ReserveAsync(relay, cancellationToken);

    /// <summary>Gives a place with a relay up.</summary>
    public void ForgetReservation(PeerId relay) => _relayed.Forget(relay);

    /// <summary>A direct connection with the peer: the open one, or a new one even when a relayed one is open.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached directly, was another one, or a limit was reached.</exception>
    public async ValueTask<Libp2pConnection> ConnectDirectlyAsync(PeerId peer, CancellationToken cancellationToken = default) =>
        OpenDirectly(peer) ?? await DialSharedAsync(peer, DialKind.Direct).WaitAsync(cancellationToken);

    /// <inheritdoc/>
    async ValueTask<Libp2pStream?> IRelayHost.TryOpenDirectAsync(PeerId peer, string protocol, CancellationToken cancellationToken) =>
        OpenDirectly(peer) is { } connection ? await connection.OpenAsync(protocol, cancellationToken) : null;

    /// <summary>Adds addresses that somebody else gave for a peer, unproven: they are tried behind those of <see cref="AddAddresses"/> and push none of them out.</summary>
    public void SuggestAddresses(PeerId peer, IEnumerable<Multiaddr> addresses)
    {
        if (_book.Add(peer, addresses, AddressSource.Another)) ForgetFailures(peer);
    }

    /// <summary>While a connection is relayed: looks for a direct one, at once and then ever more rarely, until there is one. It takes over by itself.</summary>
    private async Task SeekDirectAsync(Libp2pConnection relayed, CancellationToken ended)
    {
        var peer = relayed.RemotePeer;
        try
        {
            for (var pause = _limits.DirectRetry; ; pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, _limits.MaxDirectRetry.Ticks)))
            {
                try
                {
                    await ConnectDirectlyAsync(peer, ended);
                    HostLog.WentDirect(_logger, peer);
                    return;
                }
                catch (Libp2pException)
                {
                    // Logged by the dial; the relayed connection goes on meanwhile.
                }
                await Task.Delay(pause, _time, ended);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The relayed connection ended.
        }
    }

    /// <summary>The measured round trip to a relay; the longest there is when it was not measured.</summary>
    private TimeSpan RoundTripTo(PeerId relay) => OpenDirectly(relay)?.RoundTrip ?? TimeSpan.MaxValue;

    private Libp2pConnection? OpenDirectly(PeerId peer) => _table.Preferred(peer) is { IsRelayed: false } open ? open : null;

    // Called under the table's lock, in order.
    private void OnPresence(PeerId peer, bool connected)
    {
        if (connected) return;
        _relay?.OnDisconnected(peer);
        _relayed.Forget(peer);
    }

    /// <summary>Whether a connection without streams is still needed: a reservation lives as long as its connection.</summary>
    private bool IsKept(Libp2pConnection connection) =>
        connection is { IsRelayed: false, Use: StreamUse.Quick } && (_relayed.Holds(connection.RemotePeer) || _relay?.Holds(connection.RemotePeer) == true);
}
