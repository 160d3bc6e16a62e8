namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>How much tunnels may take, of this node and of those that ask it; every limit states its unit and its reason.</summary>
internal sealed record TunnelLimits
{
    /// <summary>The limits that hold unless a test says otherwise.</summary>
    public static TunnelLimits Default { get; } = new();

    /// <summary>Tunnels that one member may have open to this node's programs. Default 128: a browser opens six for each site, and nobody takes all.</summary>
    public int MaxPerPeer { get; init; } = 128;

    /// <summary>Tunnels of all members to this node's programs together. Default 1024: each holds two buffers and a socket.</summary>
    public int Max { get; init; } = 1024;

    /// <summary>Local connections of one opened port at the same time; more wait in the listener's queue. Default 256.</summary>
    public int MaxPerPort { get; init; } = 256;

    /// <summary>How long the other side may take to say what it wants, or to answer. Default 10 s, as requests of the mesh have.</summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a new connection waits for a program that moves, starts again or does not listen yet. Default 20 s: a failover takes some 6.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long after a failed attempt the next one is made. Default 200 ms.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Bytes that are on their way in one direction between two ends, beside what their own windows hold. Default 32 KiB.</summary>
    public int BufferBytes { get; init; } = 32 << 10;
}
