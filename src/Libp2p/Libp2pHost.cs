using Microsoft.Extensions.Logging;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// A libp2p node: listens, dials, keeps one connection with each peer and opens streams on it. Protocols (multistream-select, Noise,
/// yamux, identify, ping) are described in docs/protocols/mesh.md. It knows nothing of swarms: whoever has the address and proves
/// some key gets in, and every handler decides by <see cref="Libp2pStream.RemotePeer"/>. Thread-safe.
/// </summary>
public sealed class Libp2pHost : IAsyncDisposable
{
    /// <summary>Creates a host that does not listen yet.</summary>
    /// <param name="identity">Our key; stays with the caller, who disposes it after the host.</param>
    /// <param name="options">Limits and names.</param>
    /// <param name="time">The clock of every limit.</param>
    /// <param name="loggers">Where the host logs.</param>
    public Libp2pHost(Ed25519Key identity, Libp2pOptions options, TimeProvider time, ILoggerFactory loggers) => throw new NotSupportedException();

    /// <summary>Our peer id.</summary>
    public PeerId Self { get; }

    /// <summary>Where we listen, with real ports, without the peer id. An any-address (0.0.0.0, ::) stands for each address of the machine.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses => throw new NotSupportedException();

    /// <summary>The open connections.</summary>
    public IReadOnlyList<Libp2pConnection> Connections => throw new NotSupportedException();

    /// <summary>The first connection with a peer is ready. Raised in order, on a thread of the host; must not block for long.</summary>
    public event Action<PeerId>? PeerConnected;

    /// <summary>The last connection with a peer ended. Raised in order with <see cref="PeerConnected"/>.</summary>
    public event Action<PeerId>? PeerDisconnected;

    /// <summary>Listens; port 0 takes a free one. Answers the address with the real port.</summary>
    /// <exception cref="Base.PcException">The port is taken, or the address is not of this machine.</exception>
    public Task<Multiaddr> ListenAsync(Multiaddr address, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Serves a protocol. The stream is disposed when the handler ends and reset when it fails; the token is cancelled when
    /// the stream was reset, its connection ended or the host stops.</summary>
    public void Handle(string protocol, Func<Libp2pStream, CancellationToken, Task> handler) => throw new NotSupportedException();

    /// <summary>Adds addresses to the address book that dials use. A new address also ends a wait after failed dials.</summary>
    public void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses) => throw new NotSupportedException();

    /// <summary>The open connection with the peer, or a new one. Concurrent calls share one dial.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached, was another one, or a limit was reached.</exception>
    public ValueTask<Libp2pConnection> ConnectAsync(PeerId peer, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Opens a stream and agrees on the protocol, connecting first when needed.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached or does not speak the protocol.</exception>
    public ValueTask<Libp2pStream> OpenStreamAsync(PeerId peer, string protocol, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Closes all connections with the peer; their streams are reset.</summary>
    public void Disconnect(PeerId peer) => throw new NotSupportedException();

    /// <summary>Round-trip time of 32 random bytes over a new stream.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached, or answered wrongly or too late.</exception>
    public ValueTask<TimeSpan> PingAsync(PeerId peer, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Asks the peer what it says about itself.</summary>
    /// <exception cref="Libp2pException">The peer could not be reached, or its answer broke the protocol.</exception>
    public ValueTask<IdentifyInfo> IdentifyAsync(PeerId peer, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Stops listening, closes all connections and waits for all handlers.</summary>
    public ValueTask DisposeAsync() => throw new NotSupportedException();

    internal void OnConnectedForNow() => (PeerConnected ?? PeerDisconnected)?.Invoke(Self);
}
