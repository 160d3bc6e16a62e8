using System.Net;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>How a node runs sessions.</summary>
public sealed record SessionHostOptions
{
    /// <summary>The absolute folder of the sessions: docs/layouts/sessions.md.</summary>
    public required string Folder { get; init; }

    /// <summary>What clients are told to connect to: a name or an address of this machine.</summary>
    public required string Hostname { get; init; }

    /// <summary>The node's group, which scripts in sandboxes find in their environment. Default: pycloud.</summary>
    public string Group { get; init; } = SessionGroup.Default;

    /// <summary>Where the ports of sessions listen. Default: all addresses of IPv4; loopback for trials.</summary>
    public IPAddress Address { get; init; } = IPAddress.Any;

    /// <summary>Absolute folders of the host that every session sees at the same place and cannot change. Default: none.</summary>
    public IReadOnlyList<string> ReadOnly { get; init; } = [];

    /// <summary>What one session may use. Default: what a run gets.</summary>
    public RunLimits Limits { get; init; } = new();

    /// <summary>What network a session sees. Default: the internet, without the host and its LAN; its port is reached whatever this is.</summary>
    public NetworkMode Network { get; init; } = NetworkMode.Internet;

    /// <summary>What holds for the next run instead of <see cref="Limits"/> and <see cref="Network"/>, asked anew each time. Default null: those.</summary>
    public Func<(RunLimits Limits, NetworkMode Network)>? Terms { get; init; }

    /// <summary>Who keeps count of what sessions were promised, and refuses what would be too much. Default null: nobody.</summary>
    public SessionShares? Shares { get; init; }

    /// <summary>What holds for a run that starts now.</summary>
    internal (RunLimits Limits, NetworkMode Network) Now => Terms?.Invoke() ?? (Limits, Network);

    /// <summary>How long a session may take to end politely. Default 1 s: the answer to remove comes when it has ended, within 2 s.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What a port of a session may take.</summary>
    public PortLimits Ports { get; init; } = new();

    /// <summary>How long a new session waits for what is found of an earlier life of this node. Default 5 s: an engine that is there says it in some milliseconds.</summary>
    public TimeSpan ResumePatience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often the engine of sessions in containers is asked whether it is there and which containers are, and at each sixth time how much they have written. Default 5 s.</summary>
    public TimeSpan LookInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The log of one session, in bytes for each of its two files. Default 1 MiB.</summary>
    public int LogBytes { get; init; } = 1 << 20;
}
