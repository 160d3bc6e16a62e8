namespace PeoplesCloud.Runtimes.Docker;

/// <summary>Bounds of what is read from Docker and asked of it, with their reasons.</summary>
internal static class DockerLimits
{
    /// <summary>The longest answer, in bytes: 4 MiB. An inspected image has some 10 KiB, a list of a thousand containers 1 MiB.</summary>
    public const int AnswerBytes = 4 << 20;

    /// <summary>The longest line of events, builds and pulls, in bytes: 64 KiB. A line of a build is what a command wrote at once.</summary>
    public const int LineBytes = 64 << 10;

    /// <summary>What is kept of a build's output for its error, in characters: 1,500, some twelve lines. All of it is in the program's log.</summary>
    public const int BuildErrorChars = 1_500;

    /// <summary>Bytes of output handed over at once: 16 KiB, as by the sandbox.</summary>
    public const int OutputBytes = 16 << 10;

    /// <summary>What the init inside of a container is told at once, in bytes: 1 MiB, of which what is used counts as the program's memory. An environment has some 100 KiB at most.</summary>
    public const int InitBlockBytes = 1 << 20;

    /// <summary>Files of one source: 100,000; the tar of their names alone has 50 MiB then.</summary>
    public const int SourceFiles = 100_000;

    /// <summary>Shared memory of a command: 64 MiB, as by the sandbox, less where its disk limit is less.</summary>
    public const long SharedMemoryBytes = 64L << 20;

    /// <summary>Processes of one user number, where an engine sets that limit by itself: 32,768, the kernel's own default. The limit of a run is the smaller one.</summary>
    public const long Processes = 32_768;

    /// <summary>Layers of one build that are measured: 1,000. An engine refuses more than 127 in one image; several stages have several times as many.</summary>
    public const int BuildLayers = 1_000;

    /// <summary>How often the disk that a build takes is looked at: 500 ms. A fast disk takes a few hundred MiB meanwhile.</summary>
    public static readonly TimeSpan BuildLookInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>How often the rest of a build is removed, at that interval, while the engine still ends it: 20 times, 10 s. Copying a large folder takes seconds.</summary>
    public const int RemoveAttempts = 20;

    /// <summary>A layer without a parent that is younger was made by a build, not fetched: an hour, longer than a build may take.</summary>
    public static readonly TimeSpan BuildAge = TimeSpan.FromHours(1);

    /// <summary>How long a short request may take: 30 s. A Docker that does nothing else answers in 5 ms.</summary>
    public static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How long the end of a container may take after KILL, as one request: 30 s.</summary>
    public static readonly TimeSpan RemoveTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How often a Docker that went away is looked for: 0.5 s; one connection attempt on a Unix socket.</summary>
    public static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(500);
}
