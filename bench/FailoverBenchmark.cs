using System.Diagnostics;
using System.Globalization;
using PeoplesCloud.Runtimes.Tests.Docker;

namespace PeoplesCloud.Bench;

/// <summary>
/// How long a program is away when its host dies (kill -9 of its daemon, whose sandboxes die with it), and when its host goes in order (pc down): from
/// then until the first line that it prints on another host, as it stands in that host's log file. Three hosts (a majority is left) and two (nobody is, and
/// the other runs it alone), each with an owner that hosts nothing; default settings. Each node is back and may vote again before the next round. The peer is
/// Docker Swarm with three managers, whose node with the task is killed: same machine, same run.
/// </summary>
internal static class FailoverBenchmark
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>A node does not vote before whatever it voted for in its earlier life is over.</summary>
    private static readonly TimeSpan Young = TimeSpan.FromSeconds(6);

    /// <summary>Options: rounds (10), hosts (3, then 2), rounds of Docker Swarm (2; each takes up to a minute).</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var rounds = args is [var count, ..] ? int.Parse(count, CultureInfo.InvariantCulture) : 10;
        int[] sizes = args is [_, var only, ..] ? [int.Parse(only, CultureInfo.InvariantCulture)] : [3, 2];
        var peerRounds = args is [_, _, var peers, ..] ? int.Parse(peers, CultureInfo.InvariantCulture) : 2;
        var medians = new List<double>();
        foreach (var hosts in sizes) medians.Add(await RunAsync(hosts, rounds));
        if (peerRounds > 0 && await SwarmAsync(peerRounds) is { } peer)
        {
            foreach (var (hosts, median) in sizes.Zip(medians))
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{hosts} hosts, kill -9: p50 {median:0.00} s, {median / peer:0.00} times Docker Swarm's {peer:0.0} s"));
        }
        return 0;
    }

    // How long it is away after kill -9, in the median.
    private static async Task<double> RunAsync(int hosts, int rounds)
    {
        using var nodes = new RealNodes(hosts + 1);
        var bot = Directory.CreateDirectory(Path.Combine(nodes.Folder, "bot")).FullName;
        await File.WriteAllTextAsync(Path.Combine(bot, "bot.py"), "import time\nprint('I am here', flush=True)\nwhile True: time.sleep(60)\n");
        await Task.Delay(Young);
        nodes.Run(0, "deploy", "friends", bot);

        var kills = new List<double>();
        var downs = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            kills.Add(await MoveAsync(nodes, hosts, kill: true));
            downs.Add(await MoveAsync(nodes, hosts, kill: false));
        }
        Say($"{hosts} hosts, kill -9 of the daemon", kills);
        Say($"{hosts} hosts, pc down", downs);
        Console.WriteLine($"goals: p95 under 6 s after kill -9 ({Verdict(RealNodes.Percentile(kills, 0.95) < 6)}), under 1 s in order ({Verdict(RealNodes.Percentile(downs, 0.95) < 1)})");
        return RealNodes.Percentile(kills, 0.5);
    }

    private static async Task<double?> SwarmAsync(int rounds)
    {
        if (Dockerd.Obstacle is { } obstacle)
        {
            Console.WriteLine($"Docker Swarm: not measured, {obstacle}");
            return null;
        }
        await using var swarm = await DockerSwarm.StartAsync(3);
        var moves = new List<double>();
        for (var round = 0; round < rounds; round++) moves.Add(await swarm.MoveAsync());
        Say("Docker Swarm, kill -9", moves);
        return RealNodes.Percentile(moves, 0.5);
    }

    private static async Task<double> MoveAsync(RealNodes nodes, int hosts, bool kill)
    {
        var host = HostOf(nodes);
        var before = Enumerable.Range(1, hosts).ToDictionary(node => node, node => Starts(nodes, node));
        using var daemon = Process.GetProcessById(nodes.PidOf(host));
        var clock = Stopwatch.StartNew();
        using var down = kill ? null : nodes.Start(host, "down");
        if (kill) daemon.Kill();
        while (!before.Any(one => one.Key != host && Starts(nodes, one.Key) > one.Value))
        {
            if (clock.Elapsed > Patience) throw new InvalidOperationException("nobody took the program over");
            await Task.Delay(2);
        }
        var time = clock.Elapsed.TotalSeconds;
        await daemon.WaitForExitAsync();
        if (down is not null) await down.WaitForExitAsync();
        nodes.Up(host);
        await Task.Delay(Young);
        return time;
    }

    private static int HostOf(RealNodes nodes)
    {
        var program = nodes.Run(0, "list", "friends", "--json").GetProperty("swarms")[0].GetProperty("programs")[0];
        return RealNodes.Names.ToList().IndexOf(program.GetProperty("host").GetString()!);
    }

    // Each start of the program prints one line, which its host writes down at once.
    private static int Starts(RealNodes nodes, int node)
    {
        var folder = new DirectoryInfo(Path.Combine(nodes.Home(node), "programs"));
        return !folder.Exists ? 0 : folder.EnumerateFiles("log", SearchOption.AllDirectories).Sum(Count);

        static int Count(FileInfo log)
        {
            using var file = new FileStream(log.FullName, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file);
            return reader.ReadToEnd().Split("I am here").Length - 1;
        }
    }

    private static void Say(string what, List<double> samples) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{what,-32} {samples.Count} times: p50 {RealNodes.Percentile(samples, 0.5):0.00} s, p95 {RealNodes.Percentile(samples, 0.95):0.00} s, longest {samples.Max():0.00} s"));

    private static string Verdict(bool reached) => reached ? "reached" : "missed";
}
