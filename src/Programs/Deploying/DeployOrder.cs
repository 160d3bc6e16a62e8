using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Deploying;

/// <summary>What a person wants deployed.</summary>
/// <param name="Path">The program's folder; absolute.</param>
/// <param name="Language">Its language; null detects it.</param>
/// <param name="Name">Its name; null takes the folder's.</param>
/// <param name="Host">The member that should run it; null chooses by rank.</param>
public sealed record DeployOrder(string Path, string? Language = null, string? Name = null, PeerId? Host = null)
{
    /// <summary>What it may use.</summary>
    public RunLimits Limits { get; init; } = new();

    /// <summary>What network it sees.</summary>
    public NetworkMode Network { get; init; } = NetworkMode.Internet;

    /// <summary>What it asks for besides.</summary>
    public ProgramManifest Manifest { get; init; } = ProgramManifest.Empty;

    /// <summary>Its secret environment variables; sealed to its keepers, in no message and no log.</summary>
    public IReadOnlyDictionary<string, string> Secrets { get; init; } = System.Collections.Immutable.ImmutableDictionary<string, string>.Empty;

    /// <summary>The earlier version that is to run again instead of a folder; null for the folder.</summary>
    public EarlierVersion? Earlier { get; init; }

    /// <summary>Whether it starts while the version before runs, which the caller ends later; its host agrees only by <see cref="ProgramVersionRules.MayStartBeside"/>.</summary>
    public bool Beside { get; init; }
}

/// <summary>A version that was deployed before.</summary>
/// <param name="Deployed">Its entry.</param>
/// <param name="Key">Its bundle's key, which the deploy disposes.</param>
public sealed record EarlierVersion(ProgramDeployed Deployed, BundleKey Key);

/// <summary>The steps of a deploy, in their order.</summary>
public enum DeployStep
{
    /// <summary>The language is known.</summary>
    Detected,

    /// <summary>The bundle is in the block store.</summary>
    Packed,

    /// <summary>The members have answered.</summary>
    Asked,

    /// <summary>A host was chosen; again after one failed to start.</summary>
    Chosen,

    /// <summary>The deploy is in this node's feed.</summary>
    Recorded,

    /// <summary>A host failed to start it, or an older version could not be stopped at once.</summary>
    Trouble,

    /// <summary>The host installs packages or builds an image: a line of what the tool says.</summary>
    Installing,

    /// <summary>The program has started.</summary>
    Started,
}

/// <summary>How far a deploy is: one line for people.</summary>
/// <param name="Step">The step that was done.</param>
/// <param name="Text">What came of it.</param>
public sealed record DeployProgress(DeployStep Step, string Text);

/// <summary>A deployed and started program.</summary>
/// <param name="Program">The program.</param>
/// <param name="Host">Where it runs.</param>
/// <param name="HostName">The host's name.</param>
/// <param name="Candidates">All members, and why each was or was not chosen.</param>
public sealed record DeployResult(ProgramSpec Program, PeerId Host, string HostName, IReadOnlyList<JudgedCandidate> Candidates);

/// <summary>How long a deploy waits.</summary>
public sealed record DeployTimeouts
{
    /// <summary>For each member's offer. Default 1 s: many round trips across the world, and all that a member which just fell asleep delays a deploy.</summary>
    public TimeSpan Ask { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>For a host to fetch, unpack and start. Default 5 minutes: a bundle of 256 MiB over 8 Mbit/s.</summary>
    public TimeSpan Start { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How much longer a host may take that installs packages or builds an image first. Default 10 minutes, as the host has it.</summary>
    public TimeSpan Install { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>For a host to stop a program. Default 20 s: twice what a program gets to end by itself.</summary>
    public TimeSpan Stop { get; init; } = TimeSpan.FromSeconds(20);
}
