using System.Runtime.InteropServices;

namespace PeoplesCloud.Daemon;

/// <summary>
/// Gives back to the system what work needed and rest does not: garbage that fills no generation, and the pages that the C library
/// keeps after the runtime compiled and loaded what starting takes. Without it a daemon that idles holds on to both (bench idle).
/// </summary>
internal static partial class RestingMemory
{
    /// <summary>From the start to the first time; each pause after it is twice as long, since joining and the first rounds of gossip compile and load too.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(10);

    /// <summary>The longest pause. Each time takes some 20 ms of one core.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    /// <summary>Runs until it is cancelled.</summary>
    public static async Task RunAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            await Task.Delay(pause, time, cancellationToken);
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _ = TrimHeap(0); // 1 when something was given back
        }
    }

    // Of glibc; a system without it keeps its pages.
    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int TrimHeap(nuint keepBytes);
}
