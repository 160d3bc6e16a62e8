using System.Diagnostics;
using System.Runtime.InteropServices;
using PeoplesCloud.Content;

namespace PeoplesCloud.Bench;

/// <summary>
/// Hashes a file that is in memory with our BLAKE3 on one core, and with b3sum (Debian's package, whose inner loop is written for each processor by
/// hand). The peer is measured before and after, because machines drift. Time is the processor's in user mode: other programs take turns on it,
/// and b3sum's page faults are not its hashing.
/// </summary>
internal static partial class Blake3Benchmark
{
    /// <summary>Options: size in MiB (1024), runs (5).</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var megabytes = args.Length > 0 ? int.Parse(args[0]) : 1024;
        var runs = args.Length > 1 ? int.Parse(args[1]) : 5;
        var folder = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        var file = Path.Combine(folder, $"pc-bench-blake3-{Environment.ProcessId}");
        try
        {
            var bytes = new byte[megabytes << 20];
            new Random(1).NextBytes(bytes);
            await File.WriteAllBytesAsync(file, bytes);
            Console.WriteLine($"{megabytes} MiB, one core, {Blake3State.BestWidth} chunks at once");
            foreach (var width in Enum.GetValues<Blake3Width>().Where(width => width <= Blake3State.BestWidth))
            {
                _ = Ours(bytes[..(1 << 20)], width); // compiles
                Console.WriteLine($"  {width,8}: {Ours(bytes, width).Rate:f0} MB/s");
            }
            var ratios = new List<double>();
            for (var run = 1; run <= runs; run++)
            {
                var before = Theirs(file, bytes.LongLength);
                var ours = Ours(bytes, Blake3State.BestWidth);
                var after = Theirs(file, bytes.LongLength);
                if (ours.Hash != before.Hash) throw new InvalidOperationException($"b3sum says {before.Hash}, we say {ours.Hash}");
                ratios.Add(ours.Rate / ((before.Rate + after.Rate) / 2));
                Console.WriteLine($"run {run}: b3sum {before.Rate:f0} and {after.Rate:f0} MB/s, ours {ours.Rate:f0} MB/s, ratio {ratios[^1]:f2}");
            }
            ratios.Sort();
            Console.WriteLine($"blake3: median ratio {ratios[ratios.Count / 2]:f2} (goal 0.60)");
            return 0;
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static (double Rate, string Hash) Ours(byte[] bytes, Blake3Width width)
    {
        Span<byte> hash = stackalloc byte[Blake3.HashBytes];
        var before = UserSeconds(OwnThread);
        Blake3.Hash(bytes, hash, width);
        return (bytes.Length / 1e6 / (UserSeconds(OwnThread) - before), Convert.ToHexStringLower(hash));
    }

    private static (double Rate, string Hash) Theirs(string file, long bytes)
    {
        var before = UserSeconds(Children);
        using var process = Process.Start(new ProcessStartInfo("b3sum", ["--num-threads", "1", file]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        var hash = process.StandardOutput.ReadToEnd().Split(' ')[0];
        process.WaitForExit();
        return (bytes / 1e6 / (UserSeconds(Children) - before), hash);
    }

    private const int OwnThread = 1; // RUSAGE_THREAD
    private const int Children = -1; // RUSAGE_CHILDREN

    // struct rusage begins with the user time: seconds and microseconds.
    private static double UserSeconds(int who)
    {
        Span<long> usage = stackalloc long[18];
        if (Usage(who, ref MemoryMarshal.GetReference(usage)) != 0) throw new InvalidOperationException("getrusage failed");
        return usage[0] + (usage[1] / 1e6);
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int Usage(int who, ref long usage);
}
