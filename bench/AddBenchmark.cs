using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Content;

namespace PeoplesCloud.Bench;

/// <summary>
/// Adds a file to a block store on the disk (chunk, hash, write, fsync, rename) and compares with what one core does if it only
/// hashes the same bytes in the same pieces. The peer is measured before and after each add, because machines drift. At the end it
/// says what the disk alone takes, since an add cannot be quicker. ext4 without a journal passes over inodes that were deleted in the
/// last minutes, one by one: there, give a folder where little was deleted.
/// </summary>
internal static class AddBenchmark
{
    private const int PieceBytes = 262144;

    /// <summary>Options: size in MiB (1024), runs (3), a folder on the disk to measure (the temporary folder).</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var megabytes = args.Length > 0 ? int.Parse(args[0]) : 1024;
        var runs = args.Length > 1 ? int.Parse(args[1]) : 3;
        var folder = Directory.CreateDirectory(Path.Combine(args.Length > 2 ? args[2] : Path.GetTempPath(), $"pc-bench-add-{Environment.ProcessId}")).FullName;
        try
        {
            var file = Path.Combine(folder, "input");
            WriteRandom(file, megabytes);
            _ = HashOnly(file);
            await AddAsync(file, Path.Combine(folder, "warm-up"), maxBytes: 16 << 20);
            Console.WriteLine($"{megabytes} MiB, {Environment.ProcessorCount} cores, store in {folder}");
            var ratios = new List<double>();
            for (var run = 1; run <= runs; run++)
            {
                var before = HashOnly(file);
                var idle = ResidentBytes("VmRSS");
                await File.WriteAllTextAsync("/proc/self/clear_refs", "5"); // begins the peak anew
                var store = Path.Combine(folder, $"store-{run}"); // kept until the end: ext4 looks long for inodes when many were just deleted
                var processor = Process.GetCurrentProcess().TotalProcessorTime;
                var add = await AddAsync(file, store, long.MaxValue);
                processor = Process.GetCurrentProcess().TotalProcessorTime - processor;
                var peak = ResidentBytes("VmHWM");
                var after = HashOnly(file);
                var ratio = (before + after) / 2 / add;
                ratios.Add(ratio);
                Console.WriteLine($"run {run}: sha256 alone {megabytes / before * 1.048576:f0} and {megabytes / after * 1.048576:f0} MB/s; add {megabytes / add * 1.048576:f0} MB/s, "
                    + $"ratio {ratio:f2}, {processor.TotalSeconds / megabytes * 1024:f2} CPU-s/GiB; peak {(peak - idle) / 1048576.0:f1} MiB above idle");
            }
            ratios.Sort();
            Console.WriteLine($"the disk alone, one file, write and fsync: {DiskOnly(Path.Combine(folder, "disk")):f0} MB/s");
            Console.WriteLine($"add: median ratio {ratios[ratios.Count / 2]:f2} (goal 0.80)");
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void WriteRandom(string file, int megabytes)
    {
        using var output = File.Create(file);
        var piece = new byte[1 << 20];
        for (var i = 0; i < megabytes; i++)
        {
            RandomNumberGenerator.Fill(piece);
            output.Write(piece);
        }
        output.Flush(flushToDisk: true);
    }

    private static double DiskOnly(string file)
    {
        var piece = RandomNumberGenerator.GetBytes(PieceBytes);
        var clock = Stopwatch.StartNew();
        using var output = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        for (var i = 0; i < 1024; i++) output.Write(piece);
        output.Flush(flushToDisk: true);
        return 1024.0 * PieceBytes / 1e6 / clock.Elapsed.TotalSeconds;
    }

    private static double HashOnly(string file)
    {
        using var input = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var piece = new byte[PieceBytes];
        var hashing = new Stopwatch(); // reading is not part of the peer: it does nothing but hash
        for (int read; (read = input.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false)) > 0;)
        {
            hashing.Start();
            _ = SHA256.HashData(piece.AsSpan(0, read));
            hashing.Stop();
        }
        return hashing.Elapsed.TotalSeconds;
    }

    private static async Task<double> AddAsync(string file, string folder, long maxBytes)
    {
        await using var store = new FileBlockStore(folder, TimeProvider.System, NullLogger.Instance, SystemDisk.Instance);
        var clock = Stopwatch.StartNew();
        if (maxBytes == long.MaxValue)
        {
            await foreach (var node in new UnixFsAdder(store).AddAsync(file, recursive: false, null, CancellationToken.None)) _ = node;
        }
        else
        {
            var some = new byte[maxBytes];
            using (var input = File.OpenRead(file)) _ = input.ReadAtLeast(some, some.Length, throwOnEndOfStream: false);
            await new UnixFsAdder(store).AddStreamAsync(new MemoryStream(some), CancellationToken.None);
        }
        return clock.Elapsed.TotalSeconds;
    }

    private static long ResidentBytes(string field)
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(field + ":", StringComparison.Ordinal));
        return long.Parse(line[(field.Length + 1)..].Replace("kB", "", StringComparison.Ordinal)) * 1024;
    }
}
