using System.Diagnostics;
using System.Globalization;
using System.Text;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Bench;

/// <summary>
/// How fast simulated nodes agree on an entry, in gossip rounds, and what they send at rest and while something happens each second.
/// Simulated time: the machine's speed plays no part. <c>--plot FILE</c> measures bytes only and draws them as SVG.
/// </summary>
internal static class SimBenchmark
{
    private static readonly int[] Sizes = [50, 200, 800];

    public static Task<int> RunAsync(string[] args)
    {
        if (args is ["--plot", var file]) return Task.FromResult(Plot(file));
        if (args.Length > 0) return Task.FromResult(SimCommand.Run(args, Console.Out));
        Console.WriteLine("| a message takes | nodes | seeds | agreement, slowest of 5 entries a seed | allowed: log2(n) + 3 | ratio | simulated in |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
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
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {way} | {nodes} | {seeds} | {slowest:F2} rounds | {allowed:F2} rounds | {slowest / allowed:F2} | {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s |"));
    }

    // The peer is the same swarm at the smallest size, scaled by log n: a ratio above 1 grows faster.
    private static int Plot(string file)
    {
        Console.WriteLine("| nodes | at rest, bytes a node and second | while one member a second changes | that at 50 nodes, times log(n) / log(50) | ratio |");
        Console.WriteLine("|---|---|---|---|---|");
        var points = new List<Point>();
        foreach (var nodes in Sizes)
        {
            var rest = Scenarios.Run(new SimRun("calm", 1, nodes)).RestBytesPerSecond;
            var lively = Scenarios.Run(new SimRun("lively", 1, nodes)).RestBytesPerSecond;
            var allowed = (points.Count == 0 ? lively : points[0].Lively) * Math.Log(nodes) / Math.Log(Sizes[0]);
            points.Add(new Point(nodes, rest, lively, allowed));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {nodes} | {rest:F0} | {lively:F0} | {allowed:F0} | {lively / allowed:F2} |"));
        }
        File.WriteAllText(file, Svg(points));
        return points.TrueForAll(point => point.Lively <= point.Allowed * 1.1 && point.AtRest <= points[0].AtRest * 1.1) ? 0 : 1;
    }

    // Nodes on a logarithmic axis, so that what grows with log n is a straight line.
    private static string Svg(List<Point> points)
    {
        const int width = 560, height = 320, left = 60, bottom = 40, top = 20, right = 20;
        var most = Math.Ceiling(points.Max(point => Math.Max(point.Lively, point.Allowed)) / 500) * 500;
        string X(int nodes) => Number(left + (width - left - right) * Math.Log(nodes / 40.0) / Math.Log(1000 / 40.0));
        string Y(double bytes) => Number(height - bottom - (height - bottom - top) * bytes / most);
        string Line(string style, Func<Point, double> value) =>
            $"<polyline fill=\"none\" stroke-width=\"2\" {style} points=\"{string.Join(' ', points.Select(point => $"{X(point.Nodes)},{Y(value(point))}"))}\"/>";
        var svg = new StringBuilder();
        svg.AppendLine(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">");
        svg.AppendLine("<!-- ./dev bench sim --plot docs/gossip-bytes.svg -->");
        svg.AppendLine("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>");
        for (var bytes = 0.0; bytes <= most; bytes += 500)
        {
            svg.AppendLine(CultureInfo.InvariantCulture, $"<path d=\"M{left} {Y(bytes)}H{width - right}\" stroke=\"#ddd\"/>");
            svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{left - 8}\" y=\"{Y(bytes)}\" text-anchor=\"end\" dominant-baseline=\"middle\">{bytes:F0}</text>");
        }
        foreach (var point in points) svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{X(point.Nodes)}\" y=\"{height - bottom + 18}\" text-anchor=\"middle\">{point.Nodes}</text>");
        svg.AppendLine(Line("stroke=\"#888\" stroke-dasharray=\"5 4\"", point => point.Allowed));
        svg.AppendLine(Line("stroke=\"#c33\"", point => point.Lively));
        svg.AppendLine(Line("stroke=\"#36c\"", point => point.AtRest));
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{left + 10}\" y=\"{top + 4}\">bytes a node and second; <tspan fill=\"#c33\">one change a second</tspan>, <tspan fill=\"#36c\">at rest</tspan>, <tspan fill=\"#888\">log n</tspan></text>");
        svg.AppendLine(CultureInfo.InvariantCulture, $"<text x=\"{width / 2}\" y=\"{height - 4}\" text-anchor=\"middle\">nodes</text>");
        svg.AppendLine("</svg>");
        return svg.ToString();
    }

    private sealed record Point(int Nodes, double AtRest, double Lively, double Allowed);

    private static string Number(double value) => value.ToString("F1", CultureInfo.InvariantCulture);
}
