using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Bench;

/// <summary>
/// Start to first line of output of python3: as a plain process (the peer), in a sandbox made at once, and in one prepared ahead,
/// without and with a network. Taken in turns, so that a busy moment of the machine hits all alike.
/// </summary>
internal static class SandboxBenchmark
{
    private static readonly string[] Hello = ["/usr/bin/python3", "-c", "print('hello')"];

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["many", ..]) return await ManyAsync(args.Length > 1 ? int.Parse(args[1]) : 200);
        var rounds = args.Length > 0 ? int.Parse(args[0]) : 40;
        var folder = Directory.CreateTempSubdirectory("bench-sandbox-").FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_001_001);
        await using var cold = new SandboxRuntime(new SandboxOptions { Folder = folder, Standby = [] }, TimeProvider.System, NullLogger.Instance);
        await using var warm = new SandboxRuntime(
            new SandboxOptions { Folder = folder, Standby = [NetworkMode.None, NetworkMode.Internet] }, TimeProvider.System, NullLogger.Instance);
        await warm.CollectAsync(CancellationToken.None);

        var cases = new (string Name, Func<Task<TimeSpan>> Measure)[]
        {
            ("plain process", PlainAsync),
            ("sandbox, no network, made at once", () => SandboxAsync(cold, NetworkMode.None)),
            ("sandbox, no network, prepared", () => SandboxAsync(warm, NetworkMode.None)),
            ("sandbox, internet, made at once", () => SandboxAsync(cold, NetworkMode.Internet)),
            ("sandbox, internet, prepared", () => SandboxAsync(warm, NetworkMode.Internet)),
        };
        var times = cases.ToDictionary(one => one.Name, _ => new List<double>(), StringComparer.Ordinal);
        for (var round = -3; round < rounds; round++)
        {
            foreach (var (name, measure) in cases)
            {
                // A program is started now and then: the next place is ready by then.
                _ = await warm.StandbyReadyAsync();
                var time = await measure();
                if (round >= 0) times[name].Add(time.TotalMilliseconds);
            }
        }

        var peer = Percentile(times[cases[0].Name], 0.5);
        Console.WriteLine($"{"python3, start to first line, ms",-36} {"p10",7} {"p50",7} {"p95",7} {"to plain",9}   ({rounds} rounds)");
        foreach (var (name, _) in cases)
            Console.WriteLine($"{name,-36} {Percentile(times[name], 0.1),7:F1} {Percentile(times[name], 0.5),7:F1} {Percentile(times[name], 0.95),7:F1} {Percentile(times[name], 0.5) / peer,9:F2}");
        return 0;
    }

    // Many at once, as a burst of sessions is: what counts then is not how long one takes but how much processor.
    private static async Task<int> ManyAsync(int count)
    {
        const int atOnce = 8;
        Console.WriteLine($"| {count} starts of true, {atOnce} at a time | starts/s | ms of processor here | and of children |\n|---|---|---|---|");
        for (var round = 0; round < 2; round++)
        {
            foreach (var network in new[] { NetworkMode.None, NetworkMode.Internet })
            {
                var folder = Directory.CreateTempSubdirectory("bench-sandbox-").FullName;
                File.SetUnixFileMode(folder, (UnixFileMode)0b111_001_001);
                await using (var runtime = new SandboxRuntime(new SandboxOptions { Folder = folder, Standby = [] }, TimeProvider.System, NullLogger.Instance))
                {
                    var before = Processor();
                    var clock = Stopwatch.StartNew();
                    await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (i, token) =>
                    {
                        var spec = new RunSpec($"bench-{i}", ["/bin/true"], null, new Dictionary<string, string>(StringComparer.Ordinal), new RunLimits(), network);
                        await using var run = await runtime.StartAsync(spec, (_, _) => ValueTask.CompletedTask, token);
                        _ = await run.Exited;
                    });
                    var (own, children) = Processor();
                    Console.WriteLine($"| network {network} | {count / clock.Elapsed.TotalSeconds:0} | {(own - before.Own) / count:0.0} | {(children - before.Children) / count:0.0} |");
                }
                Directory.Delete(folder, recursive: true);
            }
        }
        return 0;
    }

    // proc(5)/stat: hundredths of a second of this process, and of those that it has waited for.
    private static (double Own, double Children) Processor()
    {
        var stat = File.ReadAllText("/proc/self/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ').Skip(11).Take(4).Select(field => double.Parse(field) * 10).ToArray();
        return (fields[0] + fields[1], fields[2] + fields[3]);
    }

    private static async Task<TimeSpan> PlainAsync()
    {
        var start = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(Hello[0], Hello.Skip(1)) { RedirectStandardOutput = true, UseShellExecute = false })!;
        _ = await process.StandardOutput.ReadLineAsync();
        var time = Stopwatch.GetElapsedTime(start);
        await process.WaitForExitAsync();
        return time;
    }

    private static async Task<TimeSpan> SandboxAsync(SandboxRuntime runtime, NetworkMode network)
    {
        var first = new TaskCompletionSource<TimeSpan>();
        var start = Stopwatch.GetTimestamp();
        var spec = new RunSpec("bench", Hello, null, new Dictionary<string, string>(StringComparer.Ordinal), new RunLimits(), network);
        await using var run = await runtime.StartAsync(
            spec,
            (_, _) =>
            {
                _ = first.TrySetResult(Stopwatch.GetElapsedTime(start));
                return ValueTask.CompletedTask;
            },
            CancellationToken.None);
        _ = await run.Exited;
        return await first.Task;
    }

    private static double Percentile(List<double> values, double share) => values.Order().ElementAt((int)((values.Count - 1) * share));
}
