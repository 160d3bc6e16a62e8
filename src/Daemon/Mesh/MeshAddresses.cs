using PeoplesCloud.Daemon.Storage;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>Where the others are: tells the host, and remembers it for the next start.</summary>
internal sealed class MeshAddresses(Libp2pHost host, AddressTable table)
{
    /// <summary>Tells the host what was known when this node ended.</summary>
    public void Restore()
    {
        foreach (var (peer, addresses) in table.Load()) host.AddAddresses(peer, Parse(addresses));
    }

    /// <summary>A peer said where it is, or a ticket did.</summary>
    public void Learn(PeerId peer, IReadOnlyList<string> addresses)
    {
        host.AddAddresses(peer, Parse(addresses));
        table.Save(peer, addresses);
    }

    private static IEnumerable<Multiaddr> Parse(IEnumerable<string> addresses) =>
        addresses.Select(text => Multiaddr.TryParse(text, out var address) ? address : null).OfType<Multiaddr>();
}
