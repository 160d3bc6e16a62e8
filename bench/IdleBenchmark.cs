using System.Globalization;

namespace PeoplesCloud.Bench;

/// <summary>What three daemons in one swarm cost when nobody asks anything of them: memory, and processor time over a while.</summary>
internal static class IdleBenchmark
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        var seconds = arguments is ["--seconds", var text] ? int.Parse(text) : 60;
        using var nodes = new RealNodes(3);
        var pids = new[] { nodes.PidOf(0), nodes.PidOf(1), nodes.PidOf(2) };
        // Joining, compiling and the first rounds are over after a while; what is measured is rest.
        await Task.Delay(TimeSpan.FromSeconds(15), TimeProvider.System);
        var before = Array.ConvertAll(pids, CpuMilliseconds);
        await Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System);
        Console.WriteLine($"| node | RSS MiB | % of a core over {seconds} s |");
        Console.WriteLine("|---|---|---|");
        string[] names = ["oak (does not host)", "elm", "fir"];
        for (var i = 0; i < pids.Length; i++)
            Console.WriteLine($"| {names[i]} | {RssMebibytes(pids[i]):0} | {(CpuMilliseconds(pids[i]) - before[i]) / (seconds * 10.0):0.00} |");
        return 0;
    }

    public static double RssMebibytes(int pid) =>
        double.Parse(File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    // Fields 14 and 15, user and system, in ticks of 10 ms, ended threads included; the name before them may hold spaces.
    public static double CpuMilliseconds(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return 10.0 * (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture));
    }
}
