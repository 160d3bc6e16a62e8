using System.Net;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker.Lasting;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>What the owner of a host lets containers of sessions do. What is not named is not allowed.</summary>
/// <param name="Most">The most that one may use.</param>
/// <param name="Network">The widest network that one may see.</param>
public sealed record ContainerPolicy(RunLimits Most, NetworkMode Network)
{
    /// <summary>Whether one may have the host's own network. Default false: it would reach all that listens on the host's loopback.</summary>
    public bool AllowsHostNetwork { get; init; }

    /// <summary>Folders of the host that one may write to: these, and not what is below them, where another session could have put a link. Default none.</summary>
    public IReadOnlyList<string> Volumes { get; init; } = [];

    /// <summary>Folders of the host that one may read, with all below them. Default none.</summary>
    public IReadOnlyList<string> ReadOnly { get; init; } = [];
}

/// <summary>Holds what a script asks for against what the host allows: of limits the smaller of both counts, of rights what is not allowed is an error.</summary>
internal static class ContainerRules
{
    /// <summary>What is to be run.</summary>
    /// <param name="id">The session.</param>
    /// <param name="script">What was asked for.</param>
    /// <param name="policy">What the host allows now.</param>
    /// <param name="address">Where ports of sessions listen.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionOptionRefused"/>, naming option and rule.</exception>
    public static LastingSpec Apply(string id, ContainerScript script, ContainerPolicy policy, IPAddress address)
    {
        if (script.Network == ContainerNetwork.Host && !policy.AllowsHostNetwork)
            throw Refused("network_mode is host, which would show the session all that listens on this host", "Its owner may allow it: host-network = true under [sessions].");
        foreach (var port in script.Ports)
        {
            if (port.Outside is > 0 and < ContainerLimits.FirstPort) throw Refused($"ports names {port.Outside} of the host; from {ContainerLimits.FirstPort} on they may be named", "Leave the host's port out (null), or name a higher one.");
            if (port.Address is { } asked && !address.Equals(IPAddress.Any) && !asked.Equals(address)) throw Refused($"ports names the address {asked}, and ports of sessions are on {address} here", "Leave the address out.");
        }
        var most = policy.Most;
        return new LastingSpec(
            id, script.Image,
            most with
            {
                MemoryBytes = Smaller(script.MemoryBytes, most.MemoryBytes),
                Cpus = script.NanoCpus is > 0 and { } nano ? Math.Min(nano / 1e9, most.Cpus) : most.Cpus,
                Pids = (int)Smaller(script.PidsLimit, most.Pids),
            },
            script.Network == ContainerNetwork.None ? NetworkMode.None : policy.Network)
        {
            HasHostNetwork = script.Network == ContainerNetwork.Host,
            Command = script.Command,
            Entrypoint = script.Entrypoint,
            Environment = script.Environment,
            Labels = script.Labels,
            Hostname = script.Hostname,
            User = script.User,
            WorkingFolder = script.WorkingFolder,
            IsReadOnly = script.IsReadOnly,
            CpuShares = script.CpuShares is > 0 and { } shares ? Math.Min(shares, ContainerLimits.CpuShares) : 0,
            Tmpfs = script.Tmpfs,
            Mounts = [.. script.Volumes.Select(volume => MountOf(volume, policy))],
        };
    }

    // Docker takes 0, and -1 of processes, for no limit: then the host's counts.
    private static long Smaller(long? asked, long most) => asked is > 0 and { } number ? Math.Min(number, most) : most;

    private static LastingMount MountOf(ContainerVolume volume, ContainerPolicy policy)
    {
        var source = Plain(volume.Source);
        if (policy.Volumes.Any(folder => IsBelow(source, folder)))
            throw Refused($"volumes names {OptionReader.Printable(volume.Source)}, which is below a folder that sessions write to, so that another could have put a link there", "Name that folder itself.");
        if (policy.Volumes.Any(folder => Plain(folder) == source)) return new LastingMount(source, volume.Target, volume.IsReadOnly);
        if (policy.ReadOnly.Any(folder => source == Plain(folder) || IsBelow(source, folder)))
        {
            return volume.IsReadOnly ? new LastingMount(source, volume.Target, IsReadOnly: true)
                : throw Refused($"volumes names {OptionReader.Printable(volume.Source)} for writing, and this host shows it for reading only", "Give it the mode \"ro\"; or its owner lists it in volumes under [sessions].");
        }
        throw Refused($"volumes names {OptionReader.Printable(volume.Source)}, which this host does not show to sessions", "Its owner may list it: volumes = [\"...\"] under [sessions] for writing, read-only = [\"...\"] for reading.");
    }

    // Two slashes are as good as one.
    private static string Plain(string path) => "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));

    private static bool IsBelow(string source, string folder) => source.StartsWith(Plain(folder) + "/", StringComparison.Ordinal);

    private static PcException Refused(string why, string hint) => new(ErrorCode.SessionOptionRefused, $"this host does not allow what the script asks for: {why}", hint);
}
