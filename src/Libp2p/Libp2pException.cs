namespace PeoplesCloud.Libp2p;

/// <summary>Why a dial, a handshake or a stream failed: what a caller branches on.</summary>
public enum Libp2pError
{
    /// <summary>No address of the peer is known, or none of them answered.</summary>
    Unreachable,

    /// <summary>The other side proved a peer id that is not the expected one.</summary>
    WrongPeer,

    /// <summary>The other side does not speak the protocol.</summary>
    ProtocolNotSupported,

    /// <summary>A limit of this node or of the other side was reached.</summary>
    LimitReached,

    /// <summary>The stream was reset, by either side.</summary>
    Reset,

    /// <summary>The connection ended.</summary>
    ConnectionClosed,

    /// <summary>The other side took longer than the limit for this step.</summary>
    TimedOut,

    /// <summary>The secure channel could not be set up: a bad signature, an unknown key type, a truncated or garbled handshake.</summary>
    BadHandshake,

    /// <summary>The other side broke the rules of a protocol.</summary>
    ProtocolViolation,

    /// <summary>This host is stopped or stopping.</summary>
    Stopped,
}

/// <summary>
/// An expected failure of the mesh. It is an <see cref="IOException"/>, so that code which only knows streams (Kestrel, HttpClient)
/// treats it as a broken connection and not as a bug.
/// </summary>
public sealed class Libp2pException : IOException
{
    /// <summary>Creates a failure.</summary>
    /// <param name="error">What a caller branches on.</param>
    /// <param name="message">What happened, for the log; never a secret.</param>
    /// <param name="inner">The cause.</param>
    public Libp2pException(Libp2pError error, string message, Exception? inner = null)
        : base(message, inner) => Error = error;

    /// <summary>What a caller branches on.</summary>
    public Libp2pError Error { get; }

    /// <summary>
    /// Whether each of the peer's own addresses refused the connection when it was dialed last: its machine answers and nothing listens there, so most
    /// likely its process is gone. No proof: a firewall may refuse in its place, and the peer may have other addresses by now.
    /// </summary>
    public bool IsRefused { get; init; }
}
