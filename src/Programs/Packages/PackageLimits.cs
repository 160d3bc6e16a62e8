namespace PeoplesCloud.Programs.Packages;

/// <summary>What installing and keeping a program's packages may take.</summary>
public sealed record PackageLimits
{
    /// <summary>Installed packages of one program, in bytes. Default 1 GiB: a large library for numbers with all it needs. While they are installed, up to twice as much is written.</summary>
    public long MaxBytes { get; init; } = 1L << 30;

    /// <summary>Files and folders of one program's packages. Default 100,000: three times what large Node.js programs have.</summary>
    public int MaxEntries { get; init; } = 100_000;

    /// <summary>All packages that are kept, in bytes; what no program uses goes, the longest unused first. Default 4 GiB.</summary>
    public long MaxCacheBytes { get; init; } = 4L << 30;

    /// <summary>How long installing may take. Default 10 minutes; within it, how long a deploy waits for a start decides.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often the size is looked at while packages are installed. Default 500 ms: a fast disk takes a few hundred MiB meanwhile.</summary>
    public TimeSpan WatchInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Memory while packages are installed, in bytes, if the program itself has less. Default 512 MiB: what npm and a compiler need.</summary>
    public long MemoryBytes { get; init; } = 512L << 20;

    /// <summary>The same for processes and threads. Default 256.</summary>
    public int Pids { get; init; } = 256;

    /// <summary>Lines of an installer's output that an error repeats at most. Default 12; all of them are in the program's log.</summary>
    public int ErrorLines { get; init; } = 12;
}
