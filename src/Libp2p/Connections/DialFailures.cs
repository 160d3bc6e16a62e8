using System.Net.Sockets;

namespace PeoplesCloud.Libp2p.Connections;

/// <summary>Why the addresses of one dial were no way to a peer.</summary>
internal sealed class DialFailures
{
    private readonly List<string> _why = [];
    private int _refused;
    private int _others;

    /// <summary>
    /// Whether each of the peer's own addresses refused at once: its machine answers, and nothing listens there. An address that was silent, or where
    /// somebody answered, may be the one where it lives; what a relay says, and addresses that were not tried, tell neither way.
    /// </summary>
    public bool AreRefusals => _refused > 0 && _others == 0;

    /// <summary>An address was tried.</summary>
    public void Add(Multiaddr address, Exception failure)
    {
        _why.Add($"{address}: {failure.Message}");
        if (address.IsRelayed) return;
        if (failure is SocketException { SocketErrorCode: SocketError.ConnectionRefused }) _refused++;
        else _others++;
    }

    /// <summary>An address is of a kind that is not dialed here.</summary>
    public void Skip(Multiaddr address) => _why.Add($"{address}: addresses of this kind are not dialed here");

    /// <summary>All of them, for people.</summary>
    public override string ToString() => _why.Count == 0 ? "no address of it is known" : string.Join("; ", _why);
}
