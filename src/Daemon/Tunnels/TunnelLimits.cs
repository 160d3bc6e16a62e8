using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>How much tunnels may take, of this node and of those that ask it; every limit states its unit and its reason.</summary>
internal sealed record TunnelLimits
{
    /// <summary>The limits that hold unless a test says otherwise.</summary>
    public static TunnelLimits Default { get; } = new();

    /// <summary>Tunnels that one member may have open to this node's programs. Default 128: a browser opens six for each site, and nobody takes all. A sender of datagrams counts as one.</summary>
    public int MaxPerPeer { get; init; } = 128;

    /// <summary>Tunnels of all members to this node's programs together. Default 1024: each holds two buffers and a socket.</summary>
    public int Max { get; init; } = 1024;

    /// <summary>How long the other side may take to say what it wants, or to answer. Default 10 s, as requests of the mesh have.</summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What one opened port may take, and how long a new connection waits for its program.</summary>
    public PortLimits Ports { get; init; } = PortLimits.Default;
}
