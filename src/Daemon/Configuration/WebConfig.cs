namespace PeoplesCloud.Daemon.Configuration;

/// <summary>How browsers on this machine reach web programs: http://PROGRAM.SWARM.localhost:PORT, on 127.0.0.1 only.</summary>
public sealed record WebConfig
{
    /// <summary>The port when none is configured; when it is taken the next free one is used.</summary>
    public const int DefaultPort = 4281;

    /// <summary>How many ports after <see cref="DefaultPort"/> are tried before this node goes without.</summary>
    public const int PortsTried = 100;

    /// <summary>Whether web programs are served. Default true.</summary>
    public bool Serve { get; init; } = true;

    /// <summary>The TCP port on 127.0.0.1: 0 to 65535, 0 takes any free one; null (the default) takes 4281 or the next free one.</summary>
    public int? Port { get; init; }
}
