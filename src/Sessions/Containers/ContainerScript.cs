using System.Net;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>
/// What a script asks for when sessions run in Docker: an image, a port of the container, and what docker-py's <c>run</c> takes besides. Nothing of it has been
/// held against the host's policy yet (<see cref="ContainerRules"/>). Null and empty are what the image or the host says.
/// </summary>
/// <param name="Image">The image's name, as it stands in the first line.</param>
/// <param name="Port">The port that the container listens on.</param>
internal sealed record ContainerScript(string Image, int Port)
{
    /// <summary>What replaces the image's command.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>What replaces the image's entrypoint, and its command too; an empty list takes the entrypoint alone away.</summary>
    public IReadOnlyList<string>? Entrypoint { get; init; }

    /// <summary>Variables beside the image's; null takes one away.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>(StringComparer.Ordinal);

    /// <summary>Its name inside.</summary>
    public string? Hostname { get; init; }

    /// <summary>Labels of the container.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Memory in bytes.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Processors in billionths of one.</summary>
    public long? NanoCpus { get; init; }

    /// <summary>Its weight among containers when there are too few processors; 1,024 is Docker's.</summary>
    public long? CpuShares { get; init; }

    /// <summary>Processes and threads.</summary>
    public long? PidsLimit { get; init; }

    /// <summary>What network it sees.</summary>
    public ContainerNetwork Network { get; init; }

    /// <summary>Whether it may write to nothing but its tmpfs and volumes.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Whether it is started again when it ended by itself.</summary>
    public RestartRule Restart { get; init; } = RestartRule.Never;

    /// <summary>Whether it was to be removed when it ended. It always is; its log stays with the session.</summary>
    public bool IsRemoved { get; init; }

    /// <summary>Folders in memory, with the options of their mounts.</summary>
    public IReadOnlyDictionary<string, string> Tmpfs { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The user inside.</summary>
    public string? User { get; init; }

    /// <summary>Folders of the host.</summary>
    public IReadOnlyList<ContainerVolume> Volumes { get; init; } = [];

    /// <summary>The folder that it starts in.</summary>
    public string? WorkingFolder { get; init; }

    /// <summary>Further ports of the host.</summary>
    public IReadOnlyList<ContainerPort> Ports { get; init; } = [];
}

/// <summary>What network a container asks for.</summary>
internal enum ContainerNetwork
{
    /// <summary>What the host's policy gives sessions.</summary>
    Usual,

    /// <summary>Its loopback only.</summary>
    None,

    /// <summary>The host's own.</summary>
    Host,
}

/// <summary>A folder of the host that a container sees.</summary>
internal sealed record ContainerVolume(string Source, string Target, bool IsReadOnly);

/// <summary>A further port of the host that leads into a container.</summary>
/// <param name="Inside">The container's port.</param>
/// <param name="Kind">By which protocol.</param>
/// <param name="Address">The host's address; null for where ports of sessions are.</param>
/// <param name="Outside">The host's port; 0 for any free one.</param>
internal sealed record ContainerPort(int Inside, PortKinds Kind, IPAddress? Address, int Outside);

/// <summary>Whether and how often a container is started again when it ended by itself. The node does it: Docker is told never to.</summary>
/// <param name="Always">Whatever its exit code was.</param>
/// <param name="OnFailure">When its exit code was not 0.</param>
/// <param name="Most">How often in a row after failures; null for ever.</param>
internal sealed record RestartRule(bool Always, bool OnFailure, int? Most)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>Not at all.</summary>
    public static RestartRule Never { get; } = new(Always: false, OnFailure: false, Most: null);

    /// <summary>After which pause it is started again, as Docker does it: 100 ms, twice as long each time, a minute at most; null when it is not.</summary>
    /// <param name="exitCode">How it ended.</param>
    /// <param name="restarts">How often it was started again since it ran for a while.</param>
    public TimeSpan? PauseAfter(int exitCode, int restarts)
    {
        if (!Always && (!OnFailure || exitCode == 0 || restarts >= Most)) return null;
        var pause = FirstPause * Math.Pow(2, Math.Min(restarts, 10));
        return pause < LongestPause ? pause : LongestPause;
    }
}
