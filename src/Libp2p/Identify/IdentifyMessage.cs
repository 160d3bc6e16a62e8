using System.Text;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p.Identify;

// message  = length:varint Identify                       length 0..8192
// Identify = protocolVersion:5 agentVersion:6 publicKey:1 listenAddrs:2* observedAddr:4 protocols:3*   protobuf; others are skipped
// Source: github.com/libp2p/specs/identify.
/// <summary>The message of identify, written and read without trust: every list is bounded, every text is stripped.</summary>
internal static class IdentifyMessage
{
    private const int MaxAddresses = 64;
    private const int MaxProtocols = 256;
    private const int MaxTextCharacters = 128;

    private const int PublicKeyField = 1, ListenField = 2, ProtocolField = 3, ObservedField = 4, ProtocolVersionField = 5, AgentField = 6;

    /// <summary>Writes our message, without its length.</summary>
    public static byte[] Write(ReadOnlySpan<byte> publicKey, string protocolVersion, string agentVersion, IEnumerable<Multiaddr> listen, Multiaddr? observed, IEnumerable<string> protocols)
    {
        var output = new ProtoWriter();
        output.WriteBytes(PublicKeyField, publicKey);
        foreach (var address in listen.Take(MaxAddresses)) output.WriteBytes(ListenField, address.Bytes);
        foreach (var protocol in protocols.Take(MaxProtocols)) output.WriteString(ProtocolField, protocol);
        if (observed is not null) output.WriteBytes(ObservedField, observed.Bytes);
        output.WriteString(ProtocolVersionField, protocolVersion);
        output.WriteString(AgentField, agentVersion);
        return output.ToArray();
    }

    /// <summary>Reads a message of the peer whose id the secure channel proved; false when it is malformed or shows the key of another.</summary>
    public static bool TryRead(ReadOnlySpan<byte> message, PeerId proven, out IdentifyInfo info)
    {
        info = new IdentifyInfo(proven, "", "", [], null, []);
        var listen = new List<Multiaddr>();
        var protocols = new List<string>();
        string protocolVersion = "", agent = "";
        Multiaddr? observed = null;
        var reader = new ProtoReader(message);
        while (reader.TryReadField(out var field))
        {
            if (field.IsVarint) continue;
            switch (field.Number)
            {
                case PublicKeyField when !PublicKeys.TryDecode(field.Bytes, out var key) || key.PeerId != proven:
                    return false;
                case ListenField when listen.Count < MaxAddresses && Multiaddr.TryFromBytes(field.Bytes, out var address):
                    listen.Add(address);
                    break;
                case ProtocolField when protocols.Count < MaxProtocols:
                    protocols.Add(Text(field.Bytes));
                    break;
                case ObservedField:
                    _ = Multiaddr.TryFromBytes(field.Bytes, out observed);
                    break;
                case ProtocolVersionField:
                    protocolVersion = Text(field.Bytes);
                    break;
                case AgentField:
                    agent = Text(field.Bytes);
                    break;
            }
        }
        if (reader.IsBroken) return false;
        info = new IdentifyInfo(proven, protocolVersion, agent, listen, observed, protocols);
        return true;
    }

    /// <summary>For the fuzzer: a message of some peer; what is accepted is within its bounds and can be written again.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var peer = PublicKeys.PeerIdOf(PublicKeys.EncodeEd25519(new byte[32]));
        if (input.Length >= 38 && PublicKeys.TryDecode(input.Slice(2, 36), out var key)) peer = key.PeerId; // as the seeds begin
        if (!TryRead(input, peer, out var info)) return;
        Base.Invariant.Check(info.ListenAddresses.Count <= MaxAddresses && info.Protocols.Count <= MaxProtocols, "lists are bounded");
        Base.Invariant.Check(info.AgentVersion.Length <= MaxTextCharacters && !info.AgentVersion.Any(char.IsControl), "texts are bounded and clean");
        var again = Write(PublicKeys.EncodeEd25519(new byte[32]), info.ProtocolVersion, info.AgentVersion, info.ListenAddresses, info.ObservedAddress, info.Protocols);
        Base.Invariant.Check(TryRead(again, PublicKeys.PeerIdOf(PublicKeys.EncodeEd25519(new byte[32])), out var same) && same.ListenAddresses.SequenceEqual(info.ListenAddresses), "a message survives");
    }

    // A stranger's text ends up in terminals and logs: no control characters, and not endless.
    private static string Text(ReadOnlySpan<byte> utf8)
    {
        var text = Encoding.UTF8.GetString(utf8[..Math.Min(utf8.Length, MaxTextCharacters * 4)]);
        var clean = new string([.. text.Where(c => !char.IsControl(c)).Take(MaxTextCharacters)]);
        return clean;
    }
}
