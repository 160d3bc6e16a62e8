using Microsoft.Extensions.Logging;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p.Relay;

/// <summary>What the relay needs of the host.</summary>
internal interface IRelayHost
{
    /// <summary>Our peer id.</summary>
    PeerId Self { get; }

    /// <summary>Where we listen.</summary>
    IReadOnlyList<Multiaddr> ListenAddresses { get; }

    /// <summary>Opens a stream over a direct connection that is open now; null when there is none.</summary>
    ValueTask<Libp2pStream?> TryOpenDirectAsync(PeerId peer, string protocol, CancellationToken cancellationToken);
}

/// <summary>
/// The relay's side of circuit relay v2: keeps places for peers that nobody can dial, and connects others with them. See
/// docs/protocols/relay.md.
/// </summary>
internal sealed class RelayService(IRelayHost host, Ed25519Key identity, RelayPolicy policy, Libp2pLimits limits, TimeProvider time, ILogger logger)
{
    public const string HopProtocol = "/libp2p/circuit/relay/0.2.0/hop";
    public const string StopProtocol = "/libp2p/circuit/relay/0.2.0/stop";

    private readonly RelayLedger _ledger = new(limits.Relay, time);
    private readonly RateCap _shared = new(limits.Relay.MaxBytesPerSecond, time);
    private long _bytes;

    /// <summary>What is used now.</summary>
    public RelayUse Use
    {
        get
        {
            var (reservations, circuits) = _ledger.Use;
            return new RelayUse(reservations, circuits, Interlocked.Read(ref _bytes));
        }
    }

    /// <summary>Whether the peer holds a place: its connection is kept.</summary>
    public bool Holds(PeerId peer) => _ledger.Holds(peer);

    /// <summary>The peer's last connection ended: its place with it, as the specification says.</summary>
    public void OnDisconnected(PeerId peer) => _ledger.Release(peer);

    /// <summary>Serves one stream of hop.</summary>
    public async Task ServeAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var message = await TimeLimit.RunAsync(limits.RequestTimeout, time, "a request to relay",
            token => RelayMessage.ReadAsync(stream.Input, isHop: true, limits, token), cancellationToken);
        switch (message?.Type)
        {
            case null:
                await AnswerAsync(stream, RelayStatus.MalformedMessage, cancellationToken);
                break;
            case RelayMessageType.Reserve:
                await ReserveAsync(stream, cancellationToken);
                break;
            case RelayMessageType.Connect:
                await ConnectAsync(stream, message.Peer, cancellationToken);
                break;
            default:
                await AnswerAsync(stream, RelayStatus.UnexpectedMessage, cancellationToken);
                break;
        }
    }

    private CircuitLimit LimitOf(RelayGrant grant) => grant == RelayGrant.Full
        ? CircuitLimit.Of(limits.Relay.MaxCircuitDuration, limits.Relay.MaxCircuitBytes)
        : CircuitLimit.Of(limits.Relay.MaxGuestDuration, limits.Relay.MaxGuestBytes);

    private async Task ReserveAsync(Libp2pStream stream, CancellationToken cancellationToken)
    {
        var peer = stream.RemotePeer;
        // A place at the end of another relay's circuit would be a chain of relays.
        if (stream.RemoteAddress.IsRelayed || !policy.MayReserve(peer))
        {
            await AnswerAsync(stream, RelayStatus.PermissionDenied, cancellationToken);
            return;
        }
        var status = _ledger.TryReserve(peer, out var expires);
        RelayLog.Reserved(logger, peer, status);
        if (status != RelayStatus.Ok)
        {
            await AnswerAsync(stream, status, cancellationToken);
            return;
        }
        var expire = (ulong)expires.ToUnixTimeSeconds();
        var voucher = new ReservationVoucher(host.Self, peer, expire).Seal(identity);
        var addresses = host.ListenAddresses.Where(address => stream.RemoteAddress.IsLoopback || !address.IsLoopback).Select(address => address.WithPeer(host.Self));
        var answer = new RelayMessage(RelayMessageType.Status) { Status = RelayStatus.Ok, Limit = LimitOf(RelayGrant.Full), Reservation = new ReservationInfo(expire, [.. addresses], voucher) };
        await stream.Output.WriteAsync(answer.Encode(isHop: true), cancellationToken);
    }

    private async Task ConnectAsync(Libp2pStream stream, PeerId target, CancellationToken cancellationToken)
    {
        // 1. May it, and is there room?
        var peer = stream.RemotePeer;
        // Who may not connect, or is a guest, hears the same whether the other one holds a place or is unknown here.
        var grant = stream.RemoteAddress.IsRelayed || target == peer ? RelayGrant.None : policy.MayConnect(peer, target);
        var limit = LimitOf(grant);
        var status = _ledger.TryOpen(peer, target, grant);
        if (grant == RelayGrant.Guest && status == RelayStatus.NoReservation) status = RelayStatus.PermissionDenied;
        if (status != RelayStatus.Ok)
        {
            RelayLog.CircuitRefused(logger, peer, target, status);
            await AnswerAsync(stream, status, cancellationToken);
            return;
        }
        Libp2pStream? other = null;
        try
        {
            // 2. Does the other end take it?
            other = await CallAsync(peer, target, limit, cancellationToken);
            if (other is null)
            {
                RelayLog.CircuitRefused(logger, peer, target, RelayStatus.ConnectionFailed);
                await AnswerAsync(stream, RelayStatus.ConnectionFailed, cancellationToken);
                return;
            }

            // 3. From here on the stream is theirs.
            await stream.Output.WriteAsync(new RelayMessage(RelayMessageType.Status) { Status = RelayStatus.Ok, Limit = limit }.Encode(isHop: true), cancellationToken);
            RelayLog.CircuitOpened(logger, peer, target);
            var rate = new RateCap(limits.Relay.MaxCircuitBytesPerSecond, time);
            await new Circuit(stream, other, limit, rate, _shared, time, bytes => Interlocked.Add(ref _bytes, bytes)).RunAsync(cancellationToken);
            RelayLog.CircuitClosed(logger, peer, target);
        }
        finally
        {
            _ledger.Close(peer, target, grant);
            if (other is not null) await other.DisposeAsync();
        }
    }

    private async ValueTask<Libp2pStream?> CallAsync(PeerId peer, PeerId target, CircuitLimit limit, CancellationToken cancellationToken)
    {
        Libp2pStream? stream = null;
        try
        {
            return await TimeLimit.RunAsync(limits.RequestTimeout, time, "the other end of a circuit", async token =>
            {
                stream = await host.TryOpenDirectAsync(target, StopProtocol, token);
                if (stream is null) return null;
                await stream.Output.WriteAsync(new RelayMessage(RelayMessageType.Connect) { Peer = peer, Limit = limit }.Encode(isHop: false), token);
                var answer = await RelayMessage.ReadAsync(stream.Input, isHop: false, limits, token);
                if (answer is { Type: RelayMessageType.Status, Status: RelayStatus.Ok }) return stream;
                await stream.DisposeAsync();
                return null;
            }, cancellationToken);
        }
        catch (Libp2pException)
        {
            if (stream is not null)
            {
                stream.Reset();
                await stream.DisposeAsync();
            }
            return null;
        }
    }

    private static async Task AnswerAsync(Libp2pStream stream, RelayStatus status, CancellationToken cancellationToken) =>
        await stream.Output.WriteAsync(RelayMessage.Answer(status).Encode(isHop: true), cancellationToken);
}
