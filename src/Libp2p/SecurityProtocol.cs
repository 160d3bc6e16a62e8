namespace PeoplesCloud.Libp2p;

/// <summary>How a connection is encrypted and its ends prove who they are.</summary>
public enum SecurityProtocol
{
    /// <summary>Noise XX, <c>/noise</c>: the quicker handshake, and the one that browsers can speak.</summary>
    Noise,

    /// <summary>TLS 1.3 with libp2p certificates, <c>/tls/1.0.0</c>.</summary>
    Tls,
}
