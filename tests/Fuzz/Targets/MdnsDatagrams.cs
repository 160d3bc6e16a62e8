using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Libp2p.Discovery;

namespace PeoplesCloud.Fuzz.Targets;

/// <summary>Several datagrams of strangers on the network, one after the other; each begins with its length in two bytes.</summary>
internal static class MdnsDatagrams
{
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var limits = Libp2pLimits.Default with { MaxLocalPeers = 4 };
        var engine = new MdnsEngine(PeerId.FromEd25519(new byte[32]), "0123456789abcdef0123456789abcdef", () => [], limits, TimeProvider.System);
        engine.Handle(input);
        while (input.Length >= 2)
        {
            var length = Math.Min((input[0] << 8) | input[1], input.Length - 2);
            engine.Handle(input.Slice(2, length));
            input = input[(2 + length)..];
            Invariant.Check(engine.Peers.Count <= limits.MaxLocalPeers, "who is remembered has a bound");
            Invariant.Check(engine.Peers.All(peer => peer.Addresses.Count <= limits.MaxAddressesPerPeer), "a peer's addresses have a bound");
        }
    }
}
