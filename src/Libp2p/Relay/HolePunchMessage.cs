using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Relay;

// message = length:varint HolePunch        HolePunch = type:1 ObsAddrs:2*        type 100 CONNECT, 300 SYNC; at most 4 KiB
// Source: github.com/libp2p/specs/relay/DCUtR.md.
/// <summary>One message of the direct connection upgrade.</summary>
internal sealed record HolePunchMessage(bool IsSync, IReadOnlyList<Multiaddr> Addresses)
{
    private const ulong Connect = 100, Sync = 300;
    private const int MaxAddresses = 16;

    /// <summary>The message with its length before it.</summary>
    public byte[] Encode()
    {
        var body = new ProtoWriter();
        body.WriteVarint(1, IsSync ? Sync : Connect);
        foreach (var address in Addresses.Take(MaxAddresses)) body.WriteBytes(2, address.Bytes);
        return LengthPrefixed.Encode(body.ToArray());
    }

    /// <summary>Reads a message without its length; false when it is malformed. Never throws.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out HolePunchMessage message)
    {
        message = new HolePunchMessage(false, []);
        ulong type = 0;
        var addresses = new List<Multiaddr>();
        var reader = new ProtoReader(bytes);
        while (reader.TryReadField(out var field))
        {
            if (field is { Number: 1, IsVarint: true }) type = field.Value;
            if (field is { Number: 2, IsVarint: false } && addresses.Count < MaxAddresses && Multiaddr.TryFromBytes(field.Bytes, out var address)) addresses.Add(address);
        }
        if (reader.IsBroken || type is not (Connect or Sync)) return false;
        message = new HolePunchMessage(type == Sync, addresses);
        return true;
    }

    /// <summary>For the fuzzer: what is accepted survives.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryRead(input, out var message)) return;
        var encoded = message.Encode();
        Base.Invariant.Check(Base.Formats.Varint.TryRead(encoded, out _, out var read) == Base.Formats.ParseStatus.Done && TryRead(encoded.AsSpan(read), out var again)
            && again.IsSync == message.IsSync && again.Addresses.SequenceEqual(message.Addresses), "a message survives");
    }
}
