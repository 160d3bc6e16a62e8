using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>How a node hosts.</summary>
public sealed record ProgramHostOptions
{
    /// <summary>The folder of all programs' files and logs, absolute: programs/ in the home. Each program has one of its own in it.</summary>
    public required string Folder { get; init; }

    /// <summary>Whether this node runs programs at all. Default true; --no-host is false.</summary>
    public bool Hosts { get; init; } = true;

    /// <summary>How many programs run here at once. Default 64: with 128 processes each, still far from a kernel's limit.</summary>
    public int MaxPrograms { get; init; } = 64;

    /// <summary>The most that one program may ask for. Default: half of this machine's memory, all its cores, 1,024 processes, 2 GiB of disk.</summary>
    public RunLimits MostLimits { get; init; } = new()
    {
        MemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2,
        Cpus = Environment.ProcessorCount,
        Pids = 1024,
        DiskBytes = 2L << 30,
    };

    /// <summary>Whether a program may see the LAN of this host. Default false.</summary>
    public bool AllowLan { get; init; }

    /// <summary>How many logs of programs that ended are kept. Default 32, at most 8 MiB each; the oldest goes first.</summary>
    public int KeptLogs { get; init; } = 32;

    /// <summary>What a bundle may hold.</summary>
    public BundleLimits Bundles { get; init; } = BundleLimits.Default;

    /// <summary>What a log may take.</summary>
    public LogLimits Logs { get; init; } = new();

    /// <summary>When a crashed program is started again.</summary>
    public RestartPolicy Restarts { get; init; } = new();
}
