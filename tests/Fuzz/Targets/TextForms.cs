using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Fuzz.Targets;

/// <summary>Multibase: what is read is written back as bytes that read the same.</summary>
internal static class MultibaseText
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var text = Encoding.Latin1.GetString(input);
        // Base32 is longer than base36: what was at the bound is above it.
        if (Multibase.TryDecode(text, out var bytes)) Invariant.Check(Multibase.TryFromBase32(Multibase.ToBase32(bytes), int.MaxValue, out var again) && again.AsSpan().SequenceEqual(bytes), "bytes survive base32");
        if (Multibase.TryFromBase58(text, out var big)) Invariant.Check(Multibase.ToBase58(big) == text, "base58 has one text for some bytes");
        if (Multibase.TryFromBase36(text, out big)) Invariant.Check(Multibase.TryFromBase36(Multibase.ToBase36(big), out var same) && same.AsSpan().SequenceEqual(big), "bytes survive base36");
        if (Multibase.TryFromBase32(text, out var small)) Invariant.Check(Multibase.TryFromBase32(Multibase.ToBase32(small), out var equal) && equal.AsSpan().SequenceEqual(small), "bytes survive base32 without a prefix");
    }
}

/// <summary>Varints: a number has one form.</summary>
internal static class Varints
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (Varint.TryRead(input, out var value, out var read) != ParseStatus.Done) return;
        Span<byte> written = stackalloc byte[Varint.MaxBytes];
        var length = Varint.Write(written, value);
        Invariant.Check(written[..length].SequenceEqual(input[..read]), "a varint is written as it was read");
    }
}

/// <summary>Peer ids, as bytes and as text.</summary>
internal static class PeerIds
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (PeerId.TryFromBytes(input, out var peer))
        {
            Invariant.Check(peer.Bytes.SequenceEqual(input), "a peer id is written as it was read");
            Invariant.Check(PeerId.TryParse(peer.ToString(), out var again) && again == peer, "a peer id's text names the same peer");
            Invariant.Check(PeerId.TryParse(peer.ToBase36(), out again) && again == peer, "a peer id in a host name names the same peer");
        }
        if (PeerId.TryParse(Encoding.Latin1.GetString(input), out var parsed)) Invariant.Check(PeerId.TryFromBytes(parsed.Bytes, out var same) && same == parsed, "a parsed peer id is valid");
    }
}
