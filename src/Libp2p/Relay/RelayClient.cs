using Microsoft.Extensions.Logging;
using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p.Relay;

/// <summary>
/// The other two sides of circuit relay v2: reserves places with relays and takes the circuits that come through them, and dials
/// peers behind relays. Thread-safe.
/// </summary>
internal sealed class RelayClient(Libp2pHost host, Libp2pLimits limits, TimeProvider time, ILogger logger) : IDialTransport
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, RelayReservation> _held = [];
    private int _inbound;

    /// <summary>The places that relays keep for us now.</summary>
    public IReadOnlyList<RelayReservation> Held
    {
        get
        {
            var now = time.GetUtcNow();
            lock (_lock) return [.. _held.Values.Where(reservation => reservation.Expires > now)];
        }
    }

    /// <summary>Whether we hold a place with this relay.</summary>
    public bool Holds(PeerId relay)
    {
        lock (_lock) return _held.TryGetValue(relay, out var reservation) && reservation.Expires > time.GetUtcNow();
    }

    /// <summary>Gives a place up: the relay hears of it when the reservation runs out or the connection ends.</summary>
    public void Forget(PeerId relay)
    {
        lock (_lock) _held.Remove(relay);
    }

    /// <summary>Makes or renews a reservation.</summary>
    /// <exception cref="Libp2pException">The relay cannot be reached directly, refuses, or answers nonsense.</exception>
    public async ValueTask<RelayReservation> ReserveAsync(PeerId relay, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_held.ContainsKey(relay) && _held.Count >= limits.Relay.MaxHeldReservations) throw new Libp2pException(Libp2pError.LimitReached, $"this node holds {_held.Count} reservations, as many as it may");
        }
        var connection = await host.ConnectDirectlyAsync(relay, cancellationToken);
        var (answer, stream) = await AskAsync(connection, new RelayMessage(RelayMessageType.Reserve), cancellationToken);
        await stream.DisposeAsync();
        if (answer.Status != RelayStatus.Ok) throw Refused(relay, answer.Status);
        if (answer.Reservation is not { } given || given.Expire > (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds())
            throw new Libp2pException(Libp2pError.ProtocolViolation, $"{relay} confirms a reservation without saying which");
        // The address that we reached it by works; the others are the relay's word.
        var reached = connection.IsOutbound ? new[] { connection.RemoteAddress } : [];
        var addresses = reached.Concat(given.Addresses.Where(address => address is { IsRelayed: false, Port: > 0 } && (address.Peer is null || address.Peer == relay)))
            .Select(address => address.WithPeer(relay).ThroughRelay()).Distinct().Take(limits.MaxAddressesPerPeer);
        var reservation = new RelayReservation(relay, DateTimeOffset.FromUnixTimeSeconds((long)given.Expire), [.. addresses]);
        lock (_lock) _held[relay] = reservation;
        RelayLog.Held(logger, relay, reservation.Expires);
        return reservation;
    }

    /// <summary>Serves one stream of stop: a relay brings a peer.</summary>
    public async Task ServeAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var relay = stream.RemotePeer;
        var message = await TimeLimit.RunAsync(limits.RequestTimeout, time, "the begin of a circuit",
            token => RelayMessage.ReadAsync(stream.Input, isHop: false, limits, token), cancellationToken);
        var status = message switch
        {
            null => RelayStatus.MalformedMessage,
            { Type: not RelayMessageType.Connect } => RelayStatus.UnexpectedMessage,
            _ when stream.RemoteAddress.IsRelayed || !Holds(relay) => RelayStatus.PermissionDenied, // only who was asked to
            _ => RelayStatus.Ok,
        };
        if (status == RelayStatus.Ok && Interlocked.Increment(ref _inbound) > limits.Relay.MaxInboundCircuits)
        {
            Interlocked.Decrement(ref _inbound);
            status = RelayStatus.ResourceLimitExceeded;
        }
        if (status != RelayStatus.Ok)
        {
            RelayLog.CircuitRefused(logger, message?.Peer ?? relay, host.Self, status);
            await stream.Output.WriteAsync(RelayMessage.Answer(status).Encode(isHop: false), cancellationToken);
            return;
        }
        try
        {
            await stream.Output.WriteAsync(RelayMessage.Answer(RelayStatus.Ok).Encode(isHop: false), cancellationToken);
            // Who is really there, the handshake proves.
            await host.WelcomeAsync(stream.AsStream(), stream.RemoteAddress.WithPeer(relay).ThroughRelay());
        }
        finally
        {
            Interlocked.Decrement(ref _inbound);
        }
    }

    /// <inheritdoc/>
    public bool CanDial(Multiaddr address) => address.Relay is { } relay && relay != host.Self;

    /// <inheritdoc/>
    public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        if (address is not { Relay: { } relay, Peer: { } peer, RelayAddress: { } relayAddress }) throw new ArgumentException($"{address} leads through no relay to a peer", nameof(address));
        host.SuggestAddresses(relay, [relayAddress]);
        var connection = await host.ConnectDirectlyAsync(relay, cancellationToken);
        var (answer, stream) = await AskAsync(connection, new RelayMessage(RelayMessageType.Connect) { Peer = peer }, cancellationToken);
        if (answer.Status == RelayStatus.Ok) return stream.AsStream();
        await stream.DisposeAsync();
        throw Refused(relay, answer.Status);
    }

    private async ValueTask<(RelayMessage Answer, Libp2pStream Stream)> AskAsync(Libp2pConnection connection, RelayMessage request, CancellationToken cancellationToken)
    {
        var stream = await connection.OpenAsync(RelayService.HopProtocol, cancellationToken);
        try
        {
            return await TimeLimit.RunAsync(limits.RequestTimeout, time, "asking the relay", async token =>
            {
                await stream.Output.WriteAsync(request.Encode(isHop: true), token);
                var answer = await RelayMessage.ReadAsync(stream.Input, isHop: true, limits, token);
                if (answer is { Type: RelayMessageType.Status }) return (answer, stream);
                throw new Libp2pException(Libp2pError.ProtocolViolation, $"the relay {connection.RemotePeer} answered something else than a status");
            }, cancellationToken);
        }
        catch
        {
            stream.Reset();
            await stream.DisposeAsync();
            throw;
        }
    }

    private static Libp2pException Refused(PeerId relay, RelayStatus status) => new(
        status is RelayStatus.ReservationRefused or RelayStatus.ResourceLimitExceeded ? Libp2pError.LimitReached : Libp2pError.Unreachable,
        $"the relay {relay} answered {Words(status)}");

    private static string Words(RelayStatus status) => status switch
    {
        RelayStatus.ReservationRefused => "that it has no place left",
        RelayStatus.ResourceLimitExceeded => "that it has no circuit left",
        RelayStatus.PermissionDenied => "that it does not serve us",
        RelayStatus.ConnectionFailed => "that the other end does not answer",
        RelayStatus.NoReservation => "that the other end is not connected with it",
        _ => $"with status {(int)status}",
    };
}
