using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Packages;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>How a node hosts.</summary>
public sealed record ProgramHostOptions
{
    private static readonly HostPolicy Default = new();

    /// <summary>The folder of all programs' files and logs, absolute: programs/ in the home. Each program has one of its own in it.</summary>
    public required string Folder { get; init; }

    /// <summary>The folder of packages that programs need, absolute. Default: packages/ beside the folder of the programs.</summary>
    public string PackagesFolder { get => field ?? Path.Combine(Path.GetDirectoryName(Folder) ?? Folder, "packages"); init; }

    /// <summary>How long a program that is stopped may take for answers that somebody waits for at its ports, before it is told to end. Default 3 s: a page; less than its lease.</summary>
    public TimeSpan AnswerPatience { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long nothing passes at the ports of a program before it is told to end, while connections are open: what was asked by who did not know of it yet arrives. Default 1 s: a busy machine and a long way.</summary>
    public TimeSpan AnswerQuiet { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether this node runs programs at all. Default true; --no-host is false.</summary>
    public bool Hosts { get; init; } = true;

    /// <summary>What this host's owner allows, asked anew each time. Default: what a <see cref="HostPolicy"/> says by itself.</summary>
    public Func<HostPolicy> Policy { get; init; } = () => Default;

    /// <summary>What else on this host was promised of what its owner gives in all: sessions. Default: nothing.</summary>
    public Func<HostUse> Beside { get; init; } = () => HostUse.None;

    /// <summary>Whether a member of a swarm is one of its admins. Default: nobody is.</summary>
    public Func<SwarmId, PeerId, bool> IsAdmin { get; init; } = (_, _) => false;

    /// <summary>How many processor hours more a member gave in a swarm than it took, as its members agreed. Default: nobody gave anything.</summary>
    public Func<SwarmId, PeerId, long> Balance { get; init; } = (_, _) => 0;

    /// <summary>Opens the secret environment variables of a program that is about to start; throws when they cannot be had. Default: there are none.</summary>
    public Func<ProgramSpec, IReadOnlyDictionary<string, string>> Secrets { get; init; } = _ => System.Collections.Immutable.ImmutableDictionary<string, string>.Empty;

    /// <summary>How many logs of programs that ended are kept. Default 32, at most 8 MiB each; the oldest goes first.</summary>
    public int KeptLogs { get; init; } = 32;

    /// <summary>What a bundle may hold.</summary>
    public BundleLimits Bundles { get; init; } = BundleLimits.Default;

    /// <summary>What a log may take.</summary>
    public LogLimits Logs { get; init; } = new();

    /// <summary>What packages of programs may take.</summary>
    public PackageLimits Packages { get; init; } = new();

    /// <summary>When a crashed program is started again.</summary>
    public RestartPolicy Restarts { get; init; } = new();
}
