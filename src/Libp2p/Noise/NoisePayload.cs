using System.Text;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Noise;

// NoiseHandshakePayload = identity_key:1 bytes   identity_sig:2 bytes   extensions:4 { stream_muxers:2 string, repeated }
// protobuf; unknown fields are skipped, groups are refused; see docs/protocols/noise.md

/// <summary>What a peer says of itself inside the handshake: its identity key, a signature over its Noise key, its multiplexers.</summary>
internal sealed class NoisePayload
{
    private const int MaxMuxers = 16;
    private const int MaxMuxerBytes = 128;

    private NoisePayload(RemoteKey key, IReadOnlyList<string> muxers) => (IdentityKey, Muxers) = (key, muxers);

    public RemoteKey IdentityKey { get; }

    public IReadOnlyList<string> Muxers { get; }

    private static ReadOnlySpan<byte> Domain => "noise-libp2p-static-key:"u8;

    /// <summary>Our own payload for a Noise key.</summary>
    public static byte[] Create(Ed25519Key identity, ReadOnlySpan<byte> noiseStaticKey, IReadOnlyList<string> muxers)
    {
        var extensions = new ProtoWriter();
        foreach (var muxer in muxers) extensions.WriteString(2, muxer);
        var payload = new ProtoWriter();
        payload.WriteBytes(1, PublicKeys.EncodeEd25519(identity.PublicKey.Span));
        payload.WriteBytes(2, identity.Sign([.. Domain, .. noiseStaticKey]));
        payload.WriteBytes(4, extensions.ToArray());
        return payload.ToArray();
    }

    /// <summary>Reads a payload and checks its signature; null with a reason when anything in it is not right.</summary>
    public static NoisePayload? TryRead(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> noiseStaticKey, out string reason)
    {
        ReadOnlySpan<byte> key = default, signature = default;
        var muxers = new List<string>();
        var reader = new ProtoReader(payload);
        while (reader.TryReadField(out var field))
        {
            if (field is { Number: 1, IsVarint: false }) key = field.Bytes;
            else if (field is { Number: 2, IsVarint: false }) signature = field.Bytes;
            else if (field is { Number: 4, IsVarint: false } && !TryReadMuxers(field.Bytes, muxers)) return Refuse("the handshake's extensions are no valid message", out reason);
        }
        if (reader.IsBroken) return Refuse("the handshake's payload is no valid message", out reason);
        if (!PublicKeys.TryDecode(key, out var identity)) return Refuse("the peer's key is missing, damaged or of an unknown type", out reason);
        if (!identity.Verify([.. Domain, .. noiseStaticKey], signature)) return Refuse("the peer's signature does not cover its Noise key", out reason);
        reason = "";
        return new NoisePayload(identity, muxers);
    }

    private static NoisePayload? Refuse(string why, out string reason)
    {
        reason = why;
        return null;
    }

    private static bool TryReadMuxers(ReadOnlySpan<byte> extensions, List<string> muxers)
    {
        var reader = new ProtoReader(extensions);
        while (reader.TryReadField(out var field))
        {
            if (field is not { Number: 2, IsVarint: false }) continue;
            if (field.Bytes.Length > MaxMuxerBytes || muxers.Count == MaxMuxers) return false;
            muxers.Add(Encoding.UTF8.GetString(field.Bytes));
        }
        return !reader.IsBroken;
    }
}
