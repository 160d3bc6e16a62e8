using PeoplesCloud.Libp2p.Relay;

namespace PeoplesCloud.Libp2p;

/// <content>Relays: being one, and being reached through one; see docs/protocols/relay.md.</content>
public sealed partial class Libp2pHost : IRelayHost
{
    private readonly RelayClient _relayed;
    private readonly HolePuncher _puncher;
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

    private async Task<bool> PunchThroughAsync(Libp2pConnection relayed, CancellationToken ended)
    {
        try
        {
            if (await _puncher.BeginAsync(relayed, ended)) return true;
            HostLog.NotPunched(_logger, relayed.RemotePeer, "the routers let nothing through");
        }
        catch (IOException e)
        {
            HostLog.NotPunched(_logger, relayed.RemotePeer, e.Message);
        }
        return false;
    }

    /// <summary>Why the last dial of the peer failed; null when it did not, or long ago.</summary>
    public string? WhyUnreachable(PeerId peer)
    {
        lock (_dialLock) return _failures.TryGetValue((peer, DialKind.Any), out var failure) ? ReasonOf(peer, failure.Reason) : null;
    }

    // Whoever shows it knows of whom it speaks, and by a better name.
    private static string ReasonOf(PeerId peer, Libp2pException failure)
    {
        while (failure.InnerException is Libp2pException inner && inner.Error == failure.Error && failure.Message.StartsWith(inner.Message, StringComparison.Ordinal)) failure = inner;
        var known = $"{peer} cannot be reached: ";
        return failure.Message.StartsWith(known, StringComparison.Ordinal) ? failure.Message[known.Length..] : failure.Message;
    }

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
                catch (Libp2pException e)
                {
                    relayed.WhyRelayed = ReasonOf(peer, e); // it goes on meanwhile
                }
                // The end that was dialed begins to punch, the other one answers.
                if (!relayed.IsOutbound && await PunchThroughAsync(relayed, ended)) return;
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
