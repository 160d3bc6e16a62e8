namespace PeoplesCloud.Libp2p;

/// <summary>One authenticated connection with a peer; streams share it. Thread-safe.</summary>
public sealed class Libp2pConnection
{
    internal Libp2pConnection(PeerId remotePeer, Multiaddr remoteAddress, bool isOutbound, DateTimeOffset since) =>
        (RemotePeer, RemoteAddress, IsOutbound, Since) = (remotePeer, remoteAddress, isOutbound, since);

    /// <summary>The peer id that the other side proved.</summary>
    public PeerId RemotePeer { get; }

    /// <summary>The other side's address; for an inbound connection its outgoing port, which nobody listens on.</summary>
    public Multiaddr RemoteAddress { get; }

    /// <summary>Whether we dialed.</summary>
    public bool IsOutbound { get; }

    /// <summary>When the handshake was done.</summary>
    public DateTimeOffset Since { get; }

    /// <summary>Open streams of both directions.</summary>
    public int StreamCount => (int)(Since.Ticks - Since.Ticks);

    /// <summary>Bytes received by streams.</summary>
    public long BytesIn => (int)(Since.Ticks - Since.Ticks);

    /// <summary>Bytes sent by streams.</summary>
    public long BytesOut => (int)(Since.Ticks - Since.Ticks);
}
