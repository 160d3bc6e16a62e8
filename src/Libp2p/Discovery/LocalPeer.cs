namespace PeoplesCloud.Libp2p;

/// <summary>A node that said on the local network where it is. Nothing of it is proven before the handshake with it.</summary>
/// <param name="Peer">Who it says it is.</param>
/// <param name="Addresses">Where, without the peer id.</param>
/// <param name="SeenAt">When it said so last.</param>
public sealed record LocalPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, DateTimeOffset SeenAt);
