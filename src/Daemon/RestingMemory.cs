using System.Runtime.InteropServices;

namespace PeoplesCloud.Daemon;

/// <summary>
/// Gives back to the system what work needed and rest does not: garbage that fills no generation, and the pages that the C library
/// keeps after the runtime compiled and loaded what starting takes. Without it a daemon that idles holds on to both (bench idle).
/// </summary>
internal static partial class RestingMemory
{
    /// <summary>From the start to the first time: joining, the first rounds of gossip and all that they compile are over.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    /// <summary>From one time to the next. Each takes some 20 ms of one core.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(10);

    /// <summary>Runs until it is cancelled.</summary>
    public static async Task RunAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        await Task.Delay(Settled, time, cancellationToken);
        while (true)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _ = TrimHeap(0); // 1 when something was given back
            await Task.Delay(Period, time, cancellationToken);
        }
    }

    // Of glibc; a system without it keeps its pages.
    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int TrimHeap(nuint keepBytes);
}
