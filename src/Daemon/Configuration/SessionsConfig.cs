using System.Net;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Daemon.Configuration;

/// <summary>
/// Sessions on this node: the table [sessions]. They are off unless <see cref="Swarm"/> or <see cref="Redis"/> says what carries their messages; with both
/// the Redis does.
/// </summary>
public sealed record SessionsConfig
{
    /// <summary>The swarm whose members hear each other, by its name here or the start of its id; it may be joined later. Null (the default): none.</summary>
    public string? Swarm { get; init; }

    /// <summary>Where clients of Redis are served when a swarm carries messages. Default 127.0.0.1:6380; port 0 is any free one. Beyond this machine only with <see cref="Password"/>.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 6380);

    /// <summary>What clients of Redis must give; null (the default): nothing.</summary>
    public HiddenText? Password { get; init; }

    /// <summary>The Redis or Valkey that carries messages, and its password; null (the default): none.</summary>
    public RedisAddress? Redis { get; init; }

    /// <summary>The certificates that the Redis may be signed by, in place of this machine's: a PEM file. Null (the default): this machine's.</summary>
    public string? RedisCaFile { get; init; }

    /// <summary>What runs sessions: sandbox or docker. Null (the default): what PYCLOUD_USE_DOCKER says, else sandbox.</summary>
    public string? Mode { get; init; }

    /// <summary>Folders of this machine that scripts of sessions may read; absolute. Default: none.</summary>
    public IReadOnlyList<string> ReadOnly { get; init; } = [];

    /// <summary>Folders of this machine that containers of sessions may write to, each as a whole; absolute. Default: none. What is in <see cref="ReadOnly"/> they may read.</summary>
    public IReadOnlyList<string> Volumes { get; init; } = [];

    /// <summary>Whether containers of sessions may have this machine's own network. Default false: they would reach what listens on its loopback.</summary>
    public bool HostNetwork { get; init; }

    /// <summary>What one script of a session may use. Default 256 MiB, one core, 128 processes and 256 MiB of disk; what <c>pc host</c> lets one program ask for is never exceeded.</summary>
    public RunLimits Limits { get; init; } = new();

    /// <summary>What answers call this machine, for whoever connects to a session. Null (the default): its name.</summary>
    public string? Hostname { get; init; }

    /// <summary>The group of this node, which is shown and told to scripts, and decides nothing. Default: what PYCLOUD_GROUP says, else pycloud.</summary>
    public string Group { get; init; } = SessionGroup.Default;

    /// <summary>Whether anything carries messages.</summary>
    public bool IsOn => Swarm is not null || Redis is not null;
}
