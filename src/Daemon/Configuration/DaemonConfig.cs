using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Configuration;

/// <summary>
/// Everything that can be set about a daemon. Flags win over the environment (PC_NAME, PC_PORT, ...), that over the file,
/// that over the defaults here. See docs/layouts/home.md for the file.
/// </summary>
public sealed record DaemonConfig
{
    /// <summary>The port of the mesh when none is configured; when it is taken the next free one is used.</summary>
    public const int DefaultPort = 4242;

    /// <summary>How many ports after <see cref="DefaultPort"/> are tried before giving up.</summary>
    public const int PortsTried = 100;

    /// <summary>The folder of everything that this node keeps; absolute.</summary>
    public required string Home { get; init; }

    /// <summary>What other members call this node: 1 to 32 letters, digits, - and _. Default: the machine's name.</summary>
    public required string Name { get; init; }

    /// <summary>The mesh's TCP port: 0 to 65535, 0 takes any free one; null (the default) takes 4242 or the next free one.</summary>
    public int? Port { get; init; }

    /// <summary>The TCP port on which WebSocket is taken, for peers that speak nothing else: 0 to 65535, 0 takes any free one; null (the default) takes none.</summary>
    public int? WebSocketPort { get; init; }

    /// <summary>The IP addresses to listen on. Default: all of this machine's.</summary>
    public IReadOnlyList<string> Listen { get; init; } = ["0.0.0.0", "::"];

    /// <summary>Whether this node runs other members' programs. Default true.</summary>
    public bool Hosts { get; init; } = true;

    /// <summary>The Docker or Podman that programs may run in: off, auto or unix:///path. Default off: whoever may use one is root on its machine, in effect.</summary>
    public string Docker { get; init; } = DockerSocket.Off;

    /// <summary>Sessions: the table [sessions]. Default: off.</summary>
    public SessionsConfig Sessions { get; init; } = new();

    /// <summary>What this node lets programs of others do, rule by rule as text: the table [host]. Default: nothing is said, see <see cref="Programs.Policy.HostPolicy"/>.</summary>
    public IReadOnlyDictionary<string, string> HostRules { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The file of what the owner set in the home that this one lives in, as those of <c>pc sessions</c> do; it holds here too. Default: none.</summary>
    public string? HostRulesAbove { get; init; }

    /// <summary>How much this node gives.</summary>
    public DaemonLimits Limits { get; init; } = new();

    /// <summary>What this node keeps of content.</summary>
    public ContentConfig Content { get; init; } = new();

    /// <summary>What this node forwards between others, and whether others forward for it.</summary>
    public DaemonRelay Relay { get; init; } = new();

    /// <summary>Whether this node finds members on the local network, and says there where it is (mDNS). Default true.</summary>
    public bool Mdns { get; init; } = true;

    /// <summary>What this node shows to the world.</summary>
    public GatewayConfig Gateway { get; init; } = new();

    /// <summary>Where the machine's system bus is, which tells of its sleep (unix:path=PATH, from DBUS_SYSTEM_BUS_ADDRESS or its usual place); null (the default here): nobody is asked.</summary>
    public string? SystemBus { get; init; }

    /// <summary>How browsers on this machine reach web programs.</summary>
    public WebConfig Web { get; init; } = new();

    /// <summary>Reads the configuration, collecting all its problems into one error.</summary>
    /// <param name="configFile">A file that must exist; null takes the home's or the user's file when there is one.</param>
    /// <param name="flags">Values of the command line by key (name, home, port, listen, host, limits.programs, ...); null values are not set.</param>
    /// <param name="environment">The process's environment variables.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.ConfigInvalid"/> with every problem, or <see cref="ErrorCode.ConfigMissing"/>.</exception>
    public static DaemonConfig Load(string? configFile, IReadOnlyDictionary<string, string?> flags, IReadOnlyDictionary<string, string?> environment) =>
        ConfigReader.Read(configFile, flags, environment);

    /// <summary>Where the home is, without reading the configuration file: what a command needs to find the daemon's socket.</summary>
    public static string ResolveHome(string? flag, IReadOnlyDictionary<string, string?> environment) => HomePaths.Resolve(flag, environment);

    /// <summary>The environment of this process in the form that <see cref="Load"/> takes.</summary>
    public static IReadOnlyDictionary<string, string?> ProcessEnvironment()
    {
        var result = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables()) result[(string)variable.Key] = variable.Value as string;
        return result;
    }
}

/// <summary>How much a daemon gives to others; every limit has a unit, a range and a reason.</summary>
public sealed record DaemonLimits
{
    /// <summary>Programs that run here at the same time. Default 16, 1 to 1000: more than a laptop's memory holds at 256 MiB each.</summary>
    public int Programs { get; init; } = 16;

    /// <summary>Connections of the mesh at the same time. Default 1000, 8 to 100000: each costs about 100 KiB.</summary>
    public int Connections { get; init; } = 1000;

    /// <summary>Largest size of logs/daemon.log before it is rotated once, in MiB. Default 8, 1 to 1024.</summary>
    public int LogMebibytes { get; init; } = 8;
}

/// <summary>What this node keeps of content, and where it looks for what it lacks.</summary>
public sealed record ContentConfig
{
    /// <summary>
    /// Bytes of blocks after which those that nothing needs are removed, oldest use first, until there is a tenth less. Default 10 GiB,
    /// as IPFS has it; 1 MiB to 1 EiB; null removes nothing by itself. Pins and programs are kept even when they are more.
    /// </summary>
    public long? LimitBytes { get; init; } = 10L << 30;

    /// <summary>Trustless HTTP gateways that are asked for what no member has, in this order. Default none; at most 16. They learn what this node wants.</summary>
    public IReadOnlyList<Uri> Gateways { get; init; } = [];

    /// <summary>The RPC API of a Kubo daemon that is asked last. Default null: none.</summary>
    public Uri? IpfsApi { get; init; }
}

/// <summary>Forwarding between members that cannot reach each other; see docs/protocols/relay.md. In the limits 0 is "as much as you like".</summary>
public sealed record DaemonRelay
{
    /// <summary>Whether this node forwards for members of its swarms. Default true.</summary>
    public bool Serve { get; init; } = true;

    /// <summary>Whether somebody who is no member yet may reach a member through this node, for a minute and a MiB: enough to show it a ticket. Default true.</summary>
    public bool Guests { get; init; } = true;

    /// <summary>Whether this node lets others forward to it when nobody dials it from the Internet. Default true.</summary>
    public bool Use { get; init; } = true;

    /// <summary>Members that may be reached through this node at once. Default 128, 1 to 10000: each keeps one connection.</summary>
    public int Reservations { get; init; } = 128;

    /// <summary>Circuits at once. Default 64, 1 to 10000: each holds up to 2 MiB.</summary>
    public int Circuits { get; init; } = 64;

    /// <summary>Circuits at once of one member. Default 16, 1 to 10000.</summary>
    public int CircuitsPerPeer { get; init; } = 16;

    /// <summary>MiB that one circuit carries in each direction before it is cut. Default 0.</summary>
    public int CircuitMebibytes { get; init; }

    /// <summary>Minutes that one circuit may live. Default 0.</summary>
    public int CircuitMinutes { get; init; }

    /// <summary>KiB per second of one circuit. Default 0.</summary>
    public int CircuitKibibytesPerSecond { get; init; }

    /// <summary>KiB per second of all circuits together: set it below your uplink. Default 0.</summary>
    public int KibibytesPerSecond { get; init; }

    /// <summary>The same as limits of the mesh.</summary>
    internal RelayLimits ToLimits() => new()
    {
        MaxReservations = Reservations,
        MaxCircuits = Circuits,
        MaxCircuitsPerPeer = CircuitsPerPeer,
        MaxCircuitBytes = (long)CircuitMebibytes << 20,
        MaxCircuitDuration = TimeSpan.FromMinutes(CircuitMinutes),
        MaxCircuitBytesPerSecond = (long)CircuitKibibytesPerSecond << 10,
        MaxBytesPerSecond = (long)KibibytesPerSecond << 10,
    };
}

/// <summary>What a node shows to the world.</summary>
public sealed record GatewayConfig
{
    /// <summary>
    /// Where the gateway listens for HTTP, which opens it: whoever reaches this address reads content that was marked public (<c>pc add
    /// --public</c>) and nothing else. Port 0 is any free one. Null (the default): there is none.
    /// </summary>
    public System.Net.IPEndPoint? Listen { get; init; }
}
