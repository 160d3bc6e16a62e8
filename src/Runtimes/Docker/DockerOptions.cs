namespace PeoplesCloud.Runtimes.Docker;

/// <summary>Which Docker runs commands, and how.</summary>
public sealed record DockerOptions
{
    /// <summary>The absolute path of the Engine API's Unix socket, of Docker or of Podman.</summary>
    public required string Socket { get; init; }

    /// <summary>
    /// Whose containers these are: letters, digits and dashes, unique among the daemons of a host, the same after a restart. A starting
    /// daemon ends every container with its own name.
    /// </summary>
    public required string Owner { get; init; }

    /// <summary>An absolute folder of this daemon, for notes on what runs; made when it is missing.</summary>
    public required string Folder { get; init; }

    /// <summary>Program and arguments of the guard, to which the socket is added; it ends in <see cref="DockerGuard.RunAsync"/>. Null runs nothing, since nothing runs without a guard.</summary>
    public required IReadOnlyList<string>? Guard { get; init; }

    /// <summary>What the guard is started by, the first that works; an empty one is by itself. Default: a scope of systemd where that runs, else by itself.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Scopes { get; init; } = GuardKeeper.ScopesOf(Directory.Exists("/run/systemd/system"), Sandbox.SandboxFolders.IsRoot);

    /// <summary>The image of a command that names none. Default null: such a command is refused.</summary>
    public string? DefaultImage { get; init; }

    /// <summary>Whether images that are not here are fetched from where Docker is set up to fetch them. Default true.</summary>
    public bool Pulls { get; init; } = true;

    /// <summary>Folders that .deb files were unpacked into, for the tools of networks; as <see cref="Sandbox.SandboxOptions.ToolFolders"/>. Default none.</summary>
    public IReadOnlyList<string> ToolFolders { get; init; } = [];

    /// <summary>
    /// As root, the first of 65,536 user numbers that commands run as, one by the run's name, so that a program's files keep their owner.
    /// Default 1,900,100,000: above those of sandboxes, below 2^31.
    /// </summary>
    public uint FirstUid { get; init; } = 1_900_100_000;

    /// <summary>
    /// How long the guard waits for a sign of life of the daemon before it ends a command that was given no lease. Default 10 s: a loaded
    /// machine keeps a daemon from running for seconds. A run's <see cref="IRun.RunsUntil"/> takes its place.
    /// </summary>
    public TimeSpan GuardTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an image may take to come. Default 10 minutes: half a gigabyte over a slow line.</summary>
    public TimeSpan PullTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a build may take. Default 30 minutes: a compiler and a slow line. How long a deploy waits for a start decides before.</summary>
    public TimeSpan BuildTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How long an image that was built here stays when no program needs it: a redeploy or a rollback finds its layers. Default 7 days, as long as older versions of a program are likely to come back.</summary>
    public TimeSpan ImagesKeptFor { get; init; } = TimeSpan.FromDays(7);

    /// <summary>How long a container may take from its making until its command starts. Default 60 s: a third of a second where nothing else happens.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(60);
}
