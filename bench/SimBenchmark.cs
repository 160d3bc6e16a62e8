using System.Diagnostics;
using System.Globalization;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Bench;

/// <summary>How fast 200 simulated nodes agree on an entry, in gossip rounds, and what they send at rest. Simulated time: the machine's speed plays no part.</summary>
internal static class SimBenchmark
{
    public static Task<int> RunAsync(string[] args)
    {
        if (args.Length > 0) return Task.FromResult(SimCommand.Run(args, Console.Out));
        Console.WriteLine("| a message takes | nodes | seeds | agreement, slowest of 5 entries a seed | allowed: log2(n) + 3 | ratio | at rest, a node | simulated in |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach (var (scenario, way) in new[] { ("calm", "5 to 60 ms"), ("lockstep", "a whole round") })
        {
            foreach (var (nodes, seeds) in new[] { (5, 5), (50, 5), (200, 3) }) Measure(scenario, way, nodes, seeds);
        }
        Console.WriteLine("at most 3 partners a round, a round is 1 s; checked at every step");
        return Task.FromResult(0);
    }

    private static void Measure(string scenario, string way, int nodes, int seeds)
    {
        var began = Stopwatch.GetTimestamp();
        var reports = Enumerable.Range(1, seeds).Select(seed => Scenarios.Run(new SimRun(scenario, (ulong)seed, nodes))).ToList();
        var (slowest, allowed) = (reports.Max(report => report.AgreementRounds), Math.Log2(nodes) + 3);
        var rest = reports.Average(report => report.RestBytesPerSecond);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {way} | {nodes} | {seeds} | {slowest:F2} rounds | {allowed:F2} rounds | {slowest / allowed:F2} | {(double.IsNaN(rest) ? "" : $"{rest:F0} B/s")} | {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s |"));
    }
}
