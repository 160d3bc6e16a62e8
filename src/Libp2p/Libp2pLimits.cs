namespace PeoplesCloud.Libp2p;

/// <summary>
/// Every limit of the mesh in one place: unit, default, reason. A peer is a stranger until the swarm says otherwise, so each
/// resource that a peer can make us hold has a bound here. Times are measured with the host's <see cref="TimeProvider"/>.
/// </summary>
public sealed record Libp2pLimits
{
    /// <summary>The defaults.</summary>
    public static Libp2pLimits Default { get; } = new();

    // -- Connections ------------------------------------------------------------------------------------------

    /// <summary>Open connections, both directions, handshakes included. Default 256: at most some 100 MiB of stream windows in use at
    /// once on a small machine, and four times the largest swarm we expect. Above it new inbound sockets are closed unread.</summary>
    public int MaxConnections { get; init; } = 256;

    /// <summary>Inbound sockets whose handshake is not finished. Default 32: a handshake costs two curve operations (about 1 ms), so a
    /// flood of silent sockets holds 32 buffers of a few KiB and no more.</summary>
    public int MaxPendingInbound { get; init; } = 32;

    /// <summary>Connections with one peer. Default 4: one in each direction when both dial at once, and as many while old ones die.</summary>
    public int MaxConnectionsPerPeer { get; init; } = 4;

    /// <summary>From the accepted or connected socket to the ready connection. Default 10 s: two round trips on a bad mobile link take 3 s.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>One address's TCP connect. Default 5 s: Linux repeats a lost SYN after 1 s and 3 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The next address is tried beside one that does not answer after this. Default 250 ms (RFC 8305, section 8).</summary>
    public TimeSpan DialStagger { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>After a failed dial, the peer is not dialed again for this long; doubles up to <see cref="MaxDialBackoff"/>. Default 500 ms.</summary>
    public TimeSpan DialBackoff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait between dials of one peer. Default 30 s: a laptop that wakes up is found again within that time.</summary>
    public TimeSpan MaxDialBackoff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A connection without streams is closed after this. Default 5 min: presence opens one more often while a swarm is awake.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>When two peers dialed each other within this time, both keep the connection of the smaller peer id. Default 10 s.</summary>
    public TimeSpan SimultaneousDial { get; init; } = TimeSpan.FromSeconds(10);

    // -- Address book -----------------------------------------------------------------------------------------

    /// <summary>Addresses kept for one peer, newest first. Default 16: more than interfaces of a laptop with Docker and a VPN.</summary>
    public int MaxAddressesPerPeer { get; init; } = 16;

    /// <summary>Peers in the address book; the one added first leaves first. Default 4,096, some 4 MiB.</summary>
    public int MaxPeersInBook { get; init; } = 4096;

    /// <summary>Addresses tried in one dial, names resolved. Default 16.</summary>
    public int MaxAddressesPerDial { get; init; } = 16;

    // -- Negotiation, identify, ping --------------------------------------------------------------------------

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
}
