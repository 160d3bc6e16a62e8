namespace PeoplesCloud.Libp2p;

/// <summary>A feature of each HTTP connection over the mesh: who is on the other side, proven by the secure channel.</summary>
public interface IRemotePeerFeature
{
    /// <summary>The proven peer id.</summary>
    PeerId RemotePeer { get; }
}
