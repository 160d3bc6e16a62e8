using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Relay;

// message     = length:varint (Hop / Stop)                       length 0..4096
// Hop         = type:1 [Peer:2] [Reservation:3] [Limit:4] [status:5]      type 0 RESERVE, 1 CONNECT, 2 STATUS
// Stop        = type:1 [Peer:2] [Limit:3] [status:4]                      type 0 CONNECT, 1 STATUS
// Peer        = id:1 addrs:2*        Reservation = expire:1 addrs:2* [voucher:3]        Limit = [duration:1] [data:2]
// Source: github.com/libp2p/specs/relay/circuit-v2.md; protobuf, unknown fields are skipped.
/// <summary>What a message of circuit relay v2 asks for. One set for both protocols, whose numbers differ.</summary>
internal enum RelayMessageType
{
    /// <summary>Hop: keep a place for me.</summary>
    Reserve,

    /// <summary>Hop: connect me with a peer. Stop: a peer wants to be connected with you.</summary>
    Connect,

    /// <summary>An answer.</summary>
    Status,
}

/// <summary>What a relay allows a circuit: seconds and bytes in each direction; 0 means as much as you like.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CircuitLimit(uint DurationSeconds, ulong DataBytes)
{
    /// <summary>Whether there is no limit at all.</summary>
    public bool IsNone => DurationSeconds == 0 && DataBytes == 0;

    /// <summary>The seconds as a span.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds(DurationSeconds);

    /// <summary>As the owner set it; parts of a second are a whole one.</summary>
    public static CircuitLimit Of(TimeSpan duration, long bytes) => new((uint)Math.Min(Math.Ceiling(duration.TotalSeconds), uint.MaxValue / 1000), (ulong)bytes);
}

/// <summary>A reservation as the relay tells it.</summary>
/// <param name="Expire">When it ends, in seconds since 1970.</param>
/// <param name="Addresses">Where the relay is reached, with its peer id and without <c>p2p-circuit</c>.</param>
/// <param name="Voucher">A signed envelope with a <see cref="ReservationVoucher"/>; empty when there is none.</param>
internal sealed record ReservationInfo(ulong Expire, IReadOnlyList<Multiaddr> Addresses, byte[] Voucher);

/// <summary>One message of hop or stop.</summary>
internal sealed record RelayMessage(RelayMessageType Type)
{
    private const int MaxAddresses = 32;

    /// <summary>The other end of the circuit.</summary>
    public PeerId Peer { get; init; }

    /// <summary>The reservation; hop only.</summary>
    public ReservationInfo? Reservation { get; init; }

    /// <summary>The limits of a circuit.</summary>
    public CircuitLimit Limit { get; init; }

    /// <summary>The answer.</summary>
    public RelayStatus Status { get; init; }

    /// <summary>An answer without more.</summary>
    public static RelayMessage Answer(RelayStatus status) => new(RelayMessageType.Status) { Status = status };

    /// <summary>The message with its length before it.</summary>
    public byte[] Encode(bool isHop)
    {
        var body = new ProtoWriter();
        body.WriteVarint(1, (ulong)Type - (isHop ? 0u : 1u));
        if (!Peer.IsDefault)
        {
            var peer = new ProtoWriter();
            peer.WriteBytes(1, Peer.Bytes);
            body.WriteBytes(2, peer.ToArray());
        }
        if (isHop && Reservation is { } reservation)
        {
            var inner = new ProtoWriter();
            inner.WriteVarint(1, reservation.Expire);
            foreach (var address in reservation.Addresses.Take(MaxAddresses)) inner.WriteBytes(2, address.Bytes);
            if (reservation.Voucher.Length > 0) inner.WriteBytes(3, reservation.Voucher);
            body.WriteBytes(3, inner.ToArray());
        }
        if (!Limit.IsNone)
        {
            var limit = new ProtoWriter();
            if (Limit.DurationSeconds > 0) limit.WriteVarint(1, Limit.DurationSeconds);
            if (Limit.DataBytes > 0) limit.WriteVarint(2, Limit.DataBytes);
            body.WriteBytes(isHop ? 4 : 3, limit.ToArray());
        }
        if (Status != RelayStatus.None) body.WriteVarint(isHop ? 5 : 4, (ulong)Status);
        return LengthPrefixed.Encode(body.ToArray());
    }

    /// <summary>Reads a message without its length; false when it is malformed or lacks what its type needs. Never throws.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, bool isHop, out RelayMessage message)
    {
        message = new RelayMessage(RelayMessageType.Status);
        RelayMessageType? type = null;
        PeerId peer = default;
        ReservationInfo? reservation = null;
        CircuitLimit limit = default;
        var status = RelayStatus.None;
        var reader = new ProtoReader(bytes);
        while (reader.TryReadField(out var field))
        {
            // Stop has no reservation, so its later fields have the numbers before those of hop.
            var number = isHop || field.Number < 3 ? field.Number : field.Number + 1;
            switch (number)
            {
                case 1 when field.IsVarint && field.Value <= (isHop ? 2u : 1u):
                    type = (RelayMessageType)(field.Value + (isHop ? 0u : 1u));
                    break;
                case 2 when !field.IsVarint:
                    if (!TryReadPeer(field.Bytes, out peer)) return false;
                    break;
                case 3 when !field.IsVarint:
                    if (!TryReadReservation(field.Bytes, out reservation)) return false;
                    break;
                case 4 when !field.IsVarint:
                    if (!TryReadLimit(field.Bytes, out limit)) return false;
                    break;
                case 5 when field.IsVarint && field.Value <= int.MaxValue:
                    status = (RelayStatus)(int)field.Value;
                    break;
                case 1 or 2 or 3 or 4 or 5:
                    return false;
            }
        }
        if (reader.IsBroken || type is null || (type == RelayMessageType.Connect && peer.IsDefault) || (type == RelayMessageType.Status && status == RelayStatus.None)) return false;
        message = new RelayMessage(type.Value) { Peer = peer, Reservation = reservation, Limit = limit, Status = status };
        return true;
    }

    /// <summary>Reads exactly one message from a stream; what follows it stays there. Null when it is malformed.</summary>
    /// <exception cref="Libp2pException">The stream ended or was reset before the message was complete.</exception>
    public static async ValueTask<RelayMessage?> ReadAsync(PipeReader input, bool isHop, Libp2pLimits limits, CancellationToken cancellationToken) =>
        await LengthPrefixed.ReadAsync(input, limits.Relay.MaxMessageBytes, cancellationToken) is { } bytes && TryRead(bytes, isHop, out var message) ? message : null;

    /// <summary>For the fuzzer: both kinds; what is accepted survives.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        foreach (var isHop in (ReadOnlySpan<bool>)[true, false])
        {
            if (!TryRead(input, isHop, out var message)) continue;
            var encoded = message.Encode(isHop);
            Base.Invariant.Check(Varint.TryRead(encoded, out var length, out var read) == ParseStatus.Done && (int)length == encoded.Length - read, "the length is the message's");
            Base.Invariant.Check(TryRead(encoded.AsSpan(read), isHop, out var again), "a message can be read again");
            Base.Invariant.Check(again!.Encode(isHop).AsSpan().SequenceEqual(encoded), "a message survives");
        }
    }

    private static bool TryReadPeer(ReadOnlySpan<byte> bytes, out PeerId peer)
    {
        peer = default;
        var reader = new ProtoReader(bytes);
        while (reader.TryReadField(out var field))
            if (field.Number == 1 && (field.IsVarint || !PeerId.TryFromBytes(field.Bytes, out peer))) return false;
        return !reader.IsBroken && !peer.IsDefault; // addresses of the peer are for relays that dial: ours do not
    }

    private static bool TryReadReservation(ReadOnlySpan<byte> bytes, out ReservationInfo? reservation)
    {
        reservation = null;
        ulong expire = 0;
        var addresses = new List<Multiaddr>();
        byte[] voucher = [];
        var reader = new ProtoReader(bytes);
        while (reader.TryReadField(out var field))
        {
            if (field.Number == 1 && field.IsVarint) expire = field.Value;
            else if (field.Number == 2 && !field.IsVarint && addresses.Count < MaxAddresses && Multiaddr.TryFromBytes(field.Bytes, out var address)) addresses.Add(address);
            else if (field.Number == 3 && !field.IsVarint) voucher = field.Bytes.ToArray();
        }
        if (reader.IsBroken) return false;
        reservation = new ReservationInfo(expire, addresses, voucher);
        return true;
    }

    private static bool TryReadLimit(ReadOnlySpan<byte> bytes, out CircuitLimit limit)
    {
        limit = default;
        ulong duration = 0, data = 0;
        var reader = new ProtoReader(bytes);
        while (reader.TryReadField(out var field))
        {
            if (field.Number == 1 && field.IsVarint) duration = field.Value;
            if (field.Number == 2 && field.IsVarint) data = field.Value;
        }
        if (reader.IsBroken || duration > uint.MaxValue) return false;
        limit = new CircuitLimit((uint)duration, data);
        return true;
    }
}
