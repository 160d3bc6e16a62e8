namespace PeoplesCloud.Runtimes.Docker.Lasting;

/// <summary>A command in a container that outlives the daemon. Null and empty are what the image says.</summary>
/// <param name="Id">Its name: letters, digits and dashes, 1 to 64, unique among those of one owner.</param>
/// <param name="Image">The image.</param>
/// <param name="Limits">What it may use. Its disk limit holds for each tmpfs that names no size; what it writes to its own layer is not limited.</param>
/// <param name="Network">What network it sees.</param>
public sealed record LastingSpec(string Id, string Image, RunLimits Limits, NetworkMode Network)
{
    /// <summary>Whether it has the engine's own network in place of <see cref="Network"/>.</summary>
    public bool HasHostNetwork { get; init; }

    /// <summary>In place of the image's command.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>In place of the image's entrypoint, and of its command too; an empty list takes the entrypoint alone away, one empty word both.</summary>
    public IReadOnlyList<string>? Entrypoint { get; init; }

    /// <summary>Variables beside the image's; null takes one away.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>(StringComparer.Ordinal);

    /// <summary>Labels beside those that say whose it is.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Its name inside.</summary>
    public string? Hostname { get; init; }

    /// <summary>The user inside.</summary>
    public string? User { get; init; }

    /// <summary>Where it starts.</summary>
    public string? WorkingFolder { get; init; }

    /// <summary>Whether it may write to nothing but its mounts.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Its weight for processors that are scarce; 0 is the engine's default.</summary>
    public long CpuShares { get; init; }

    /// <summary>Folders in memory and the options of their mounts.</summary>
    public IReadOnlyDictionary<string, string> Tmpfs { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Folders of the host.</summary>
    public IReadOnlyList<LastingMount> Mounts { get; init; } = [];
}

/// <summary>A folder of the host, and where it is inside.</summary>
public sealed record LastingMount(string Source, string Target, bool IsReadOnly);

/// <summary>A container with our label.</summary>
/// <param name="Container">The engine's id.</param>
/// <param name="Id">What it was named when it was made.</param>
/// <param name="IsRunning">Whether it runs.</param>
public sealed record LeftContainer(string Container, string Id, bool IsRunning);
