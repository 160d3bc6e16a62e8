using System.Globalization;

namespace PeoplesCloud.Bench;

/// <summary>
/// What a daemon costs that runs many programs which do nothing, against the same daemon before it ran any; and what the processes around each
/// program take besides.
/// <code>bench many [programs 200] [seconds 40] [network internet]</code>
/// </summary>
internal static class ManyBenchmark
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        var count = arguments.Length > 0 ? int.Parse(arguments[0], CultureInfo.InvariantCulture) : 200;
        var seconds = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 40;
        var network = arguments.Length > 2 ? arguments[2] : "internet";
        // What a host allows by default is less than it can.
        Environment.SetEnvironmentVariable("PC_LIMITS_PROGRAMS", count.ToString(CultureInfo.InvariantCulture));
        using var nodes = new RealNodes(2);
        var daemon = nodes.PidOf(1);
        await Task.Delay(TimeSpan.FromSeconds(15), TimeProvider.System);
        var before = await MeasureAsync(daemon, seconds);
        var kernelBefore = Processes.KernelKibibytes();

        var folder = Directory.CreateDirectory(Path.Combine(nodes.Folder, "sleeper")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "pc.toml"), $"run = \"echo here; exec sleep infinity\"\nmemory = \"32MiB\"\nnetwork = \"{network}\"\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "bot.py"), "");
        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (var i = 0; i < count; i++) nodes.Run(0, "deploy", "friends", folder, "--name", $"sleeper-{i}", "--json");
        var deployed = clock.Elapsed.TotalSeconds;
        // Deploying is over when memory that it took has been given back: rest is what is measured.
        await Task.Delay(TimeSpan.FromSeconds(45), TimeProvider.System);
        var after = await MeasureAsync(daemon, seconds);

        Console.WriteLine($"| daemon with | RSS MiB | threads | % of a core over {seconds} s |");
        Console.WriteLine("|---|---|---|---|");
        Write("no program", before);
        Write($"{count} programs", after);
        Console.WriteLine($"each program: {(after.Mebibytes - before.Mebibytes) * 1024 / count:0} KiB; ratio of memory {after.Mebibytes / before.Mebibytes:0.00}; deployed in {deployed:0} s");

        // The daemon's own memory is not all of it.
        Console.WriteLine($"\n| each program, network {network} | processes | PSS KiB |\n|---|---|---|");
        foreach (var kind in Processes.Descendants(daemon).GroupBy(Processes.NameOf, StringComparer.Ordinal).Select(kind => (kind.Key, Count: kind.Count(), Pss: kind.Sum(Processes.PssKibibytes))).OrderByDescending(kind => kind.Pss))
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {kind.Key} | {(double)kind.Count / count:0.#} | {kind.Pss / count:0} |"));
        Console.WriteLine($"| the kernel (slabs, stacks, tables, per processor), whole machine | | {(Processes.KernelKibibytes() - kernelBefore) / count:0} |");
        return 0;
    }

    private static void Write(string what, Cost cost) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {cost.Mebibytes:0} | {cost.Threads} | {cost.PercentOfCore:0.00} |"));

    private static async Task<Cost> MeasureAsync(int pid, int seconds)
    {
        var start = IdleBenchmark.CpuMilliseconds(pid);
        await Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System);
        return new Cost(IdleBenchmark.RssMebibytes(pid), Directory.GetDirectories($"/proc/{pid}/task").Length, (IdleBenchmark.CpuMilliseconds(pid) - start) / (seconds * 10.0));
    }

    private sealed record Cost(double Mebibytes, int Threads, double PercentOfCore);
}
