namespace PeoplesCloud.Libp2p;

/// <summary>What a peer says about itself in identify. Only the peer id is proven; the rest is the peer's word.</summary>
/// <param name="Peer">The peer id, proven by the secure channel.</param>
/// <param name="ProtocolVersion">The family of protocols, e.g. <c>ipfs/0.1.0</c>; empty when not given.</param>
/// <param name="AgentVersion">The program and its version; control characters are removed.</param>
/// <param name="ListenAddresses">Where the peer says it listens; addresses of kinds that we do not know are left out.</param>
/// <param name="ObservedAddress">Our own address as the peer sees it; null when not given or of an unknown kind.</param>
/// <param name="Protocols">The protocol ids that the peer serves.</param>
public sealed record IdentifyInfo(
    PeerId Peer,
    string ProtocolVersion,
    string AgentVersion,
    IReadOnlyList<Multiaddr> ListenAddresses,
    Multiaddr? ObservedAddress,
    IReadOnlyList<string> Protocols)
{
    /// <summary>This with what a push says; what it leaves out stays.</summary>
    internal IdentifyInfo With(IdentifyInfo push) => this with
    {
        ProtocolVersion = push.ProtocolVersion.Length > 0 ? push.ProtocolVersion : ProtocolVersion,
        AgentVersion = push.AgentVersion.Length > 0 ? push.AgentVersion : AgentVersion,
        ListenAddresses = push.ListenAddresses.Count > 0 ? push.ListenAddresses : ListenAddresses,
        ObservedAddress = push.ObservedAddress ?? ObservedAddress,
        Protocols = push.Protocols.Count > 0 ? push.Protocols : Protocols,
    };
}
