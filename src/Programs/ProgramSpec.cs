using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs;

/// <summary>Everything that a host needs to run one program. It says the same as the ProgramDeployed entry in the owner's feed, whose hash is its id.</summary>
/// <param name="Id">The hash of its ProgramDeployed entry.</param>
/// <param name="Swarm">The swarm in which it is deployed.</param>
/// <param name="Owner">The member that deployed it.</param>
/// <param name="Deployed">The entry.</param>
/// <param name="DeployedAt">When, by the owner's clock.</param>
public sealed record ProgramSpec(EntryHash Id, SwarmId Swarm, PeerId Owner, ProgramDeployed Deployed, DateTimeOffset DeployedAt)
{
    /// <summary>The last restart that was asked for when this was read; a later one is still to be done. Null when none was.</summary>
    public EntryHash? LastRestart { get; init; }

    /// <summary>Its name, unique in the swarm among programs that were not stopped.</summary>
    public string Name => Deployed.Name;

    /// <summary>Its name on a host, for folders, cgroups and logs: 26 characters of its id.</summary>
    public string LocalName => LocalNameOf(Id);

    /// <summary>The bundle's key, sealed to guardians that came after the deploy.</summary>
    public IReadOnlyList<SealedKey> LaterKeys { get; init; } = [];

    /// <summary>Another member that may have packed this very bundle; null when nobody else may: see <see cref="SwarmProgram.BundleClaimedBy"/>.</summary>
    public PeerId? BundleClaimedBy { get; init; }

    /// <summary>Everybody who holds the bundle's key: the owner and the guardians.</summary>
    public IEnumerable<PeerId> Keepers => Deployed.Keys.Concat(LaterKeys).Select(key => key.Peer).Distinct();

    /// <summary>A program of the swarm's state.</summary>
    public static ProgramSpec Of(SwarmId swarm, SwarmProgram program) => new(program.Id, swarm, program.Owner, program.Deployed, program.DeployedAt) { LastRestart = program.LastRestart, LaterKeys = program.LaterKeys, BundleClaimedBy = program.BundleClaimedBy };

    /// <summary>The name on a host of a program.</summary>
    public static string LocalNameOf(EntryHash id) => id.ToString()[..26];

    /// <summary>The bundle's key, sealed to a member; null when the member is neither the owner nor a guardian.</summary>
    public byte[]? SealedKeyOf(PeerId member) => (LaterKeys.LastOrDefault(key => key.Peer == member) ?? Deployed.Keys.FirstOrDefault(key => key.Peer == member))?.Box;
}

/// <summary>Limits as entries hold them and as runtimes take them.</summary>
public static class ProgramLimitsConversion
{
    /// <summary>For a runtime.</summary>
    public static RunLimits ToRunLimits(this ProgramLimits limits) =>
        new() { MemoryBytes = limits.MemoryBytes, Cpus = limits.CpuMillis / 1000.0, Pids = limits.Pids, DiskBytes = limits.DiskBytes };

    /// <summary>For a runtime; what this version does not know becomes no network.</summary>
    public static NetworkMode ToNetworkMode(this ProgramLimits limits) => limits.Network switch
    {
        "internet" => NetworkMode.Internet,
        "lan" => NetworkMode.Lan,
        _ => NetworkMode.None,
    };

    /// <summary>For an entry.</summary>
    public static ProgramLimits ToProgramLimits(this RunLimits limits, NetworkMode network) => new(
        limits.MemoryBytes,
        (int)Math.Round(limits.Cpus * 1000),
        limits.Pids,
        limits.DiskBytes,
        network switch { NetworkMode.Internet => "internet", NetworkMode.Lan => "lan", _ => "none" });
}

/// <summary>What holds between two versions of a program.</summary>
public static class ProgramVersionRules
{
    /// <summary>Whether a version may start while the one before still runs: it is reached by its ports, and they share no data.</summary>
    public static bool MayStartBeside(this ProgramManifest newer, ProgramManifest older) => newer.Ports.Count > 0 && !newer.Data && !older.Data;
}
