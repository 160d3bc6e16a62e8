using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Relay;

// Voucher = relay:1 peer:2 expiration:3        protobuf in this order, in a signed envelope; expiration in seconds since 1970
// Source: github.com/libp2p/specs/relay/circuit-v2.md, "Reservation Vouchers".
/// <summary>A relay's word that it serves a peer until some time.</summary>
internal sealed record ReservationVoucher(PeerId Relay, PeerId Peer, ulong Expiration)
{
    /// <summary>Separates these signatures from all others.</summary>
    public const string Domain = "libp2p-relay-rsvp";

    // As go-libp2p and js-libp2p write it: the two bytes of 0x0302, not its varint.
    private static ReadOnlySpan<byte> Type => [0x03, 0x02];

    /// <summary>Signs a voucher with the relay's key.</summary>
    public byte[] Seal(Ed25519Key relay)
    {
        var payload = new ProtoWriter();
        payload.WriteBytes(1, Relay.Bytes);
        payload.WriteBytes(2, Peer.Bytes);
        payload.WriteVarint(3, Expiration);
        return SignedEnvelope.Seal(relay, Domain, Type, payload.ToArray());
    }

    /// <summary>Opens a voucher; null when it is malformed or was not signed by the relay that it names. Never throws.</summary>
    public static ReservationVoucher? TryOpen(ReadOnlySpan<byte> envelope)
    {
        if (SignedEnvelope.TryOpen(envelope, Domain, Type) is not { } opened) return null;
        PeerId relay = default, peer = default;
        ulong expiration = 0;
        var reader = new ProtoReader(opened.Payload);
        while (reader.TryReadField(out var field))
        {
            if (field.Number == 1 && (field.IsVarint || !PeerId.TryFromBytes(field.Bytes, out relay))) return null;
            if (field.Number == 2 && (field.IsVarint || !PeerId.TryFromBytes(field.Bytes, out peer))) return null;
            if (field.Number == 3 && field.IsVarint) expiration = field.Value;
        }
        return reader.IsBroken || relay.IsDefault || peer.IsDefault || relay != opened.Signer ? null : new ReservationVoucher(relay, peer, expiration);
    }

    /// <summary>For the fuzzer.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryOpen(input) is { } voucher) Base.Invariant.Check(!voucher.Peer.IsDefault && !voucher.Relay.IsDefault, "a voucher names its peers");
    }
}
