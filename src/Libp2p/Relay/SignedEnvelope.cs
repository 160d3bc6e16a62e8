using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Relay;

// Envelope  = public_key:1 payload_type:2 payload:3 signature:5       protobuf
// signed    = length domain length payload_type length payload        lengths are varints
// Source: github.com/libp2p/specs/RFC/0002-signed-envelopes.md.
/// <summary>A payload that its author signed for one purpose, named by a domain and a type.</summary>
/// <param name="Signer">Whose key signed it.</param>
/// <param name="Payload">What was signed.</param>
internal sealed record SignedEnvelope(PeerId Signer, byte[] Payload)
{
    /// <summary>Signs a payload.</summary>
    public static byte[] Seal(Ed25519Key key, string domain, ReadOnlySpan<byte> type, ReadOnlySpan<byte> payload)
    {
        var output = new ProtoWriter();
        output.WriteBytes(1, PublicKeys.EncodeEd25519(key.PublicKey.Span));
        output.WriteBytes(2, type);
        output.WriteBytes(3, payload);
        output.WriteBytes(5, key.Sign(SignedBytes(domain, type, payload)));
        return output.ToArray();
    }

    /// <summary>Opens an envelope of this domain and type; null when it is malformed, of another kind or wrongly signed. Never throws.</summary>
    public static SignedEnvelope? TryOpen(ReadOnlySpan<byte> envelope, string domain, ReadOnlySpan<byte> type)
    {
        RemoteKey? key = null;
        ReadOnlySpan<byte> seenType = default, payload = default, signature = default;
        var reader = new ProtoReader(envelope);
        while (reader.TryReadField(out var field))
        {
            if (field.IsVarint) continue;
            if (field.Number == 1 && !PublicKeys.TryDecode(field.Bytes, out key)) return null;
            if (field.Number == 2) seenType = field.Bytes;
            if (field.Number == 3) payload = field.Bytes;
            if (field.Number == 5) signature = field.Bytes;
        }
        if (reader.IsBroken || key is null || !seenType.SequenceEqual(type) || !key.Verify(SignedBytes(domain, type, payload), signature)) return null;
        return new SignedEnvelope(key.PeerId, payload.ToArray());
    }

    private static byte[] SignedBytes(string domain, ReadOnlySpan<byte> type, ReadOnlySpan<byte> payload)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        Append(output, System.Text.Encoding.UTF8.GetBytes(domain));
        Append(output, type);
        Append(output, payload);
        return output.WrittenSpan.ToArray();
    }

    private static void Append(System.Buffers.IBufferWriter<byte> output, ReadOnlySpan<byte> part)
    {
        Varint.Write(output, (ulong)part.Length);
        System.Buffers.BuffersExtensions.Write(output, part);
    }
}
