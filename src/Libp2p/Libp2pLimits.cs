namespace PeoplesCloud.Libp2p;

/// <summary>
/// Every limit of the mesh in one place: unit, default, reason. A peer is a stranger until the swarm says otherwise, so each
/// resource that a peer can make us hold has a bound here. Times are measured with the host's <see cref="TimeProvider"/>. A limit of
/// zero or less is refused by <see cref="Validate"/>.
/// </summary>
public sealed record Libp2pLimits
{
    /// <summary>The defaults.</summary>
    public static Libp2pLimits Default { get; } = new();

    // -- connections ------------------------------------------------------------------------------------------

    /// <summary>Open connections, both directions, handshakes included. Default 256: at most some 100 MiB of stream windows in use at
    /// once on a small machine, and four times the largest swarm we expect. Above it new inbound sockets are closed unread.</summary>
    public int MaxConnections { get; init; } = 256;

    /// <summary>Inbound connections of peers that the application gave no address for. Default 128, half of all: strangers with fresh keys
    /// cannot keep the members of a swarm out.</summary>
    public int MaxStrangerConnections { get; init; } = 128;

    /// <summary>Inbound sockets whose handshake is not finished. Default 64: a handshake costs two curve operations (about 1 ms), so a
    /// flood of silent sockets holds 64 buffers of a few KiB and no more.</summary>
    public int MaxPendingInbound { get; init; } = 64;

    /// <summary>The same for one remote IP address. Default 32, half of all: one machine that opens silent sockets does not shut out the others.</summary>
    public int MaxPendingInboundPerAddress { get; init; } = 32;

    /// <summary>Connections with one peer, of one use. Default 4: one in each direction when both dial at once, and as many while old ones die.</summary>
    public int MaxConnectionsPerPeer { get; init; } = 4;

    /// <summary>From the accepted or connected socket to the ready connection. Default 10 s: two round trips on a bad mobile link take 3 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>One address's TCP connect. Default 5 s: Linux repeats a lost SYN after 1 s and 3 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The next address is tried beside one that does not answer after this. Default 250 ms (RFC 8305, section 8).</summary>
    public TimeSpan DialStagger { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Relayed addresses join the direct ones that did not answer yet after this. Default 1 s: a direct connection is worth three
    /// tries of TCP within a continent, and nobody waits long for a peer that only its relay reaches.</summary>
    public TimeSpan RelayedDialDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After a failed dial, the peer is not dialed again for this long; doubles up to <see cref="MaxDialBackoff"/>. Default 500 ms.</summary>
    public TimeSpan DialBackoff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait between dials of one peer. Default 30 s: a laptop that wakes up is found again within that time.</summary>
    public TimeSpan MaxDialBackoff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A connection without streams is closed after this. Default 5 min: presence opens one more often while a swarm is awake.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>When two peers dialed each other within this time, both keep the connection of the smaller peer id. Default 10 s.</summary>
    public TimeSpan SimultaneousDial { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A connection for bulk that carries no stream is closed after this. Default 30 s: the next file often follows soon, and each costs two sockets' buffers.</summary>
    public TimeSpan BulkIdleTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a bulk stream waits for its connection before it takes the ordinary one. Default 1 s: three round trips of a bad link; a
    /// peer that only its own dial can reach costs it once in <see cref="MaxDialBackoff"/>.</summary>
    public TimeSpan BulkDialPatience { get; init; } = TimeSpan.FromSeconds(1);

    // -- address book -----------------------------------------------------------------------------------------

    /// <summary>Addresses kept for one peer, newest first. Default 16: more than interfaces of a laptop with Docker and a VPN.</summary>
    public int MaxAddressesPerPeer { get; init; } = 16;

    /// <summary>Peers in the address book; the one added first leaves first. Default 4,096, some 4 MiB.</summary>
    public int MaxPeersInBook { get; init; } = 4096;

    /// <summary>Addresses tried in one dial, names resolved. Default 16.</summary>
    public int MaxAddressesPerDial { get; init; } = 16;

    // -- relays and discovery ---------------------------------------------------------------------------------

    /// <summary>What this node gives as a relay, and takes of others.</summary>
    public RelayLimits Relay { get; init; } = new();

    /// <summary>While a peer is reached through a relay only, a direct connection is tried again after this; doubles up to <see cref="MaxDirectRetry"/>. Default 15 s.</summary>
    public TimeSpan DirectRetry { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The longest wait between such tries. Default 10 min: a laptop that came home is found soon, and a hopeless pair costs nothing.</summary>
    public TimeSpan MaxDirectRetry { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long one message of a hole punch may take, the other side's attempt to connect before it included. Default 15 s.</summary>
    public TimeSpan HolePunchTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Nodes of the local network that are remembered. Default 256: more than a house has, and a flood of made-up ones ends there.</summary>
    public int MaxLocalPeers { get; init; } = 256;

    /// <summary>A node of the local network is forgotten after this silence. Default 150 s: a little over two of its questions.</summary>
    public TimeSpan LocalPeerLifetime { get; init; } = TimeSpan.FromSeconds(150);

    /// <summary>The longest time between two questions to the local network; it begins with 1 s and doubles. Default 60 s.</summary>
    public TimeSpan LocalQueryInterval { get; init; } = TimeSpan.FromSeconds(60);

    // -- negotiation, identify, ping --------------------------------------------------------------------------

    /// <summary>One multistream-select message in bytes, newline included. Default 1,024: the longest known protocol id has about 60.</summary>
    public int MaxNegotiationMessageBytes { get; init; } = 1024;

    /// <summary>Proposals answered with "na" before the stream is reset. Default 16.</summary>
    public int MaxProposals { get; init; } = 16;

    /// <summary>Negotiation of one stream. Default 10 s.</summary>
    public TimeSpan NegotiationTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>One identify message in bytes. Default 8 KiB, as go-libp2p has it (js-libp2p takes the same).</summary>
    public int MaxIdentifyBytes { get; init; } = 8 * 1024;

    /// <summary>Identify and ping, from opening the stream to the answer. Default 10 s.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    // -- Noise ------------------------------------------------------------------------------------------------

    /// <summary>
    /// The longest handshake message, in bytes. Default 4,096: an Ed25519 peer needs under 300, an RSA key of 8,192 bits with its
    /// signature about 2,200. A stranger cannot make us buffer more than this before it has proven who it is.
    /// </summary>
    public int MaxHandshakeMessageBytes { get; init; } = 4096;

    /// <summary>
    /// Buffers of 64 KiB with received bytes that the streams of one connection may keep, so that the bytes need not be copied. Default 32,
    /// which are 2 MiB, two full windows; for what comes while slow readers keep them all, bytes are copied out of their frame.
    /// </summary>
    public int MaxHeldReceiveBuffers { get; init; } = 32;

    // -- TLS --------------------------------------------------------------------------------------------------

    /// <summary>The longest certificate of a peer, in bytes. Default 4,096: one with a P-256 key and an Ed25519 identity has under 500, one of RSA keys
    /// of 4,096 bits under 3,000.</summary>
    public int MaxCertificateBytes { get; init; } = 4096;

    // -- WebSocket --------------------------------------------------------------------------------------------

    /// <summary>The HTTP head that asks for a WebSocket, or answers that, in bytes. Default 8 KiB, what web servers take: a browser adds the cookies of the host.</summary>
    public int MaxUpgradeBytes { get; init; } = 8 * 1024;

    // -- yamux ------------------------------------------------------------------------------------------------

    /// <summary>
    /// How far a stream's receive window may grow, in bytes; it starts at the specification's 256 KiB. Default 1 MiB: fills
    /// 80 Mbit/s at 100 ms. Larger ones delay other streams of the connection; js-libp2p slows down at 16 MiB.
    /// </summary>
    public int MaxStreamWindowBytes { get; init; } = 1024 * 1024;

    /// <summary>The same for a stream of a connection for bulk, in bytes. Default 4 MiB: fills 300 Mbit/s at 100 ms, and delays nobody but its like.</summary>
    public int MaxBulkWindowBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>
    /// Received bytes that the streams of one connection may hold unread, in bytes. Default 32 MiB, which 32 full windows fill. Windows
    /// stop growing at half of it; beyond it the stream that holds most is reset. The peer's memory bill with us.
    /// </summary>
    public int MaxReceiveBufferBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>
    /// Written bytes that a stream holds before its writer has to wait, in bytes. Default 128 KiB: two full frames, so the
    /// next one is ready while one is sent.
    /// </summary>
    public int StreamSendBufferBytes { get; init; } = 128 * 1024;

    /// <summary>Open streams that a peer may have opened on one connection. Default 256: what browsers and servers allow in HTTP/2 is 100 to 250.</summary>
    public int MaxInboundStreams { get; init; } = 256;

    /// <summary>Streams in a row that may be refused over <see cref="MaxInboundStreams"/> before the connection is closed. Default 256: a burst of an honest peer is refused, a flood is cut off.</summary>
    public int MaxRefusedStreams { get; init; } = 256;

    /// <summary>Streams opened by us that the peer has not acknowledged yet. Default 256, the specification's advice.</summary>
    public int MaxUnacknowledgedStreams { get; init; } = 256;

    /// <summary>Pings that wait for their answer to be written. Default 64: a peer that pings and does not read is cut off.</summary>
    public int MaxQueuedPings { get; init; } = 64;

    /// <summary>Refusals of streams that wait to be written. Default 1,024.</summary>
    public int MaxQueuedRefusals { get; init; } = 1024;

    /// <summary>Silence after which a ping is sent. Default 30 s: home routers forget a connection after a few minutes.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a ping's answer, or one write to the socket, may take before the connection is closed. Default 30 s.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a stream that we closed waits for the other side to close too, before it is reset. Default 60 s.</summary>
    public TimeSpan StreamCloseTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a closing connection may take to write its last frames. Default 1 s.</summary>
    public TimeSpan LastWriteTimeout { get; init; } = TimeSpan.FromSeconds(1);

    // -- sockets ----------------------------------------------------------------------------------------------

    /// <summary>
    /// Unsent bytes that the kernel may hold for a connection (TCP_NOTSENT_LOWAT), in bytes. Default 32 KiB: behind a 4 MiB window on
    /// 20 Mbit/s a small message waited 96 ms instead of 1,210 ms.
    /// </summary>
    public int SocketUnsentBytes { get; init; } = 32 * 1024;

    /// <summary>Checks that every limit is usable.</summary>
    /// <exception cref="ArgumentException">A limit is out of its range; all of them are named.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        foreach (var property in typeof(Libp2pLimits).GetProperties())
        {
            var usable = property.GetValue(this) switch { int count => count > 0, long count => count > 0, TimeSpan span => span > TimeSpan.Zero, _ => true };
            if (!usable) problems.Add($"{property.Name} must be positive");
        }
        if (MaxBulkWindowBytes < MaxStreamWindowBytes) problems.Add($"{nameof(MaxBulkWindowBytes)} must be at least {nameof(MaxStreamWindowBytes)}");
        if (MaxStreamWindowBytes < Yamux.YamuxFrame.InitialWindowBytes) problems.Add($"{nameof(MaxStreamWindowBytes)} must be at least {Yamux.YamuxFrame.InitialWindowBytes}");
        if (MaxHandshakeMessageBytes > ushort.MaxValue) problems.Add($"{nameof(MaxHandshakeMessageBytes)} must be at most {ushort.MaxValue}");
        Relay.Validate(problems);
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
    }
}
