using System.Diagnostics;
using System.Globalization;

namespace PeoplesCloud.Simulation;

/// <summary>
/// <c>./dev sim [--scenario NAME|all] [--seed 0x1f3a] [--seeds N] [--nodes N]</c>: plays N seeds from the given one on; ends at the first
/// failure with the line that reruns it.
/// </summary>
public static class SimCommand
{
    private const string Usage = "usage: ./dev sim [--scenario NAME|all] [--seed 0x1f3a] [--seeds N] [--nodes N]";

    /// <summary>Runs; 0 when every seed held, 1 when one failed, 2 for wrong arguments.</summary>
    public static int Run(IReadOnlyList<string> args, TextWriter output)
    {
        var (scenario, seed, seeds, nodes) = ("all", 1UL, 1, 200);
        for (var i = 0; i < args.Count; i += 2)
        {
            var value = i + 1 < args.Count ? args[i + 1] : "";
            var understood = args[i] switch
            {
                "--scenario" => (scenario = value).Length > 0,
                "--seed" => TryParseSeed(value, out seed),
                "--seeds" => int.TryParse(value, CultureInfo.InvariantCulture, out seeds) && seeds > 0,
                "--nodes" => int.TryParse(value, CultureInfo.InvariantCulture, out nodes) && nodes >= 5,
                _ => false,
            };
            if (understood) continue;
            output.WriteLine(Usage);
            output.WriteLine($"scenarios: all, {string.Join(", ", Names)}");
            return 2;
        }
        if (scenario != "all" && !Names.Contains(scenario))
        {
            output.WriteLine($"no scenario {scenario}; there are: all, {string.Join(", ", Names)}");
            return 2;
        }
        foreach (var name in scenario == "all" ? Names : [scenario])
        {
            if (nodes > Scenarios.MaxNodes(name))
            {
                output.WriteLine($"{name} is played with at most {Scenarios.MaxNodes(name)} nodes");
                if (scenario != "all") return 2;
                continue;
            }
            for (var i = 0; i < seeds; i++)
            {
                var run = new SimRun(name, seed + (ulong)i, nodes);
                var started = Stopwatch.GetTimestamp();
                try
                {
                    var report = LeaseScenarios.Names.Contains(name) ? LeaseScenarios.Run(run) : ScheduleScenarios.Names.Contains(name) ? ScheduleScenarios.Run(run) : Scenarios.Run(run);
                    output.WriteLine(Line(report, Stopwatch.GetElapsedTime(started)));
                }
                catch (SimFailureException failure)
                {
                    output.WriteLine($"FAILED {name} 0x{run.Seed:x}: {failure.Message}");
                    return 1;
                }
            }
        }
        return 0;
    }

    private static IReadOnlyCollection<string> Names => [.. Scenarios.Names, .. LeaseScenarios.Names, .. ScheduleScenarios.Names];

    private static bool TryParseSeed(string text, out ulong seed) => text.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out seed)
        : ulong.TryParse(text, CultureInfo.InvariantCulture, out seed);

    private static string Line(SimReport report, TimeSpan took)
    {
        var agreement = double.IsNaN(report.AgreementRounds) ? "" : string.Create(CultureInfo.InvariantCulture, $", agreement {report.AgreementRounds:F2} rounds");
        var rest = double.IsNaN(report.RestBytesPerSecond) ? "" : string.Create(CultureInfo.InvariantCulture, $", at rest {report.RestBytesPerSecond:F0} B/s a node");
        return string.Create(CultureInfo.InvariantCulture,
            $"ok {report.Run.Scenario} 0x{report.Run.Seed:x} nodes {report.Run.Nodes}: {report.Simulated.TotalSeconds:F0} s simulated, {report.Messages} messages, {report.Bytes >> 10} KiB, {report.Entries} entries{agreement}{rest}, trace {report.Trace:x16}, took {took.TotalSeconds:F1} s");
    }
}
