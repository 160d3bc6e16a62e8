namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>Where the sandbox keeps its files and finds its tools.</summary>
public sealed record SandboxOptions
{
    /// <summary>
    /// The absolute folder of the sandboxes. As root every user must be able to pass through it (0711), because each sandbox has a user of
    /// its own. Default: /var/lib/peoples-cloud as root, else $XDG_DATA_HOME/peoples-cloud/sandbox.
    /// </summary>
    public string Folder { get; init; } = DefaultFolder();

    /// <summary>
    /// Folders that .deb files were unpacked into (each with usr/bin, usr/lib below); looked into after PATH, for users who cannot install. Programs
    /// inside see them too, read-only below /opt/pc-tools, after the system's own. Default none.
    /// </summary>
    public IReadOnlyList<string> ToolFolders { get; init; } = [];

    /// <summary>
    /// As root, the first user number given to sandboxes. Default 1,900,000,000: above the numbers that systemd hands out
    /// (61184-65519 and 524288-1879048191), below 2^31.
    /// </summary>
    public uint FirstUid { get; init; } = 1_900_000_000;

    /// <summary>As root, how many user numbers are reserved; the most sandboxes of all daemons of a host together. Default 65,536.</summary>
    public int UidCount { get; init; } = 65_536;

    /// <summary>
    /// For which networks a sandbox is kept prepared, already in its cgroup and network; each costs about 2 MiB and saves 10 to 40 ms at the
    /// next start. One named several times is kept as many times. Default: the internet once, which programs use. Empty prepares none.
    /// </summary>
    public IReadOnlyList<NetworkMode> Standby { get; init; } = [NetworkMode.Internet];

    /// <summary>How long a sandbox may take until its command starts. Default 30 s: a loaded host needs seconds, a healthy one 10 ms.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    private static string DefaultFolder()
    {
        if (LibC.geteuid() == 0) return "/var/lib/peoples-cloud";
        var data = Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share");
        return Path.Combine(data, "peoples-cloud", "sandbox");
    }
}
