using System.Diagnostics;
using System.Globalization;
using PeoplesCloud.Swarm;
using PeoplesCloud.Programs.Data;

namespace PeoplesCloud.Bench;

/// <summary>
/// How long it takes from what a program writes into its data/ until each of two guardians has it, flushed: the program writes the time into a file,
/// and the benchmark looks for it in the newest version that each guardian's disk holds. With little data, with 10,000 small files beside it, with a file of
/// 200 MB of which a byte changes with it, and with a file that is rewritten every 10 ms meanwhile. The peer is what an administrator would do each
/// time: cp -a of the folder to two places, then sync.
/// </summary>
internal static class DataBenchmark
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static readonly (string Name, string Prepare, string Beside)[] Cases =
    [
        ("one small file", "", ""),
        ("10,000 small files, one changes", "for i in range(9990): open(f'data/{i}', 'w').write(str(i))", "open('data/7', 'w').write(str(time.time()))"),
        ("200 MB, one byte changes", "f = open('data/large', 'wb')\nfor i in range(200): f.write(os.urandom(1000000))\nf.close()", "f = open('data/large', 'r+b'); f.seek(123456789); f.write(os.urandom(1)); f.close()"),
        ("a file rewritten every 10 ms", "import threading\ndef busy():\n  while True:\n    open('data/busy', 'w').write(str(time.time())); time.sleep(0.01)\nthreading.Thread(target=busy, daemon=True).start()", ""),
    ];

    public static async Task<int> RunAsync(string[] args)
    {
        var rounds = args is [var count, ..] ? int.Parse(count, CultureInfo.InvariantCulture) : 20;
        Range chosen = args is [_, var number, ..] && int.Parse(number, CultureInfo.InvariantCulture) is var place ? (place - 1)..place : ..;
        using var nodes = new RealNodes(4);
        Console.WriteLine($"{"data",-36}{"all of it",11}{"guardian, p50",15}{"p95",10}{"both, p95",12}{"cp -a, sync",14}{"holder's CPU",14}");
        foreach (var one in Cases[chosen]) await MeasureAsync(nodes, rounds, one.Name, one.Prepare, one.Beside);
        return 0;
    }

    private static async Task MeasureAsync(RealNodes nodes, int rounds, string name, string prepare, string beside)
    {
        var bot = Directory.CreateDirectory(Path.Combine(nodes.Folder, "bot")).FullName;
        await File.WriteAllTextAsync(Path.Combine(bot, "pc.toml"), "data = true\ndisk = \"1GB\"\nmemory = \"512MB\"\n");
        // It writes in pauses of which no period of the daemon is a multiple.
        await File.WriteAllTextAsync(Path.Combine(bot, "bot.py"), $"""
            import os, time
            {prepare}
            print("ready", flush=True)
            while True:
                {(beside.Length == 0 ? "pass" : beside)}
                with open("data/at.new", "w") as file: file.write(str(time.time_ns()))
                os.rename("data/at.new", "data/at")
                time.sleep(1.37)
            """);
        nodes.Run(0, "deploy", "friends", bot, "--host", "elm");
        string[] guardians = [nodes.Home(2), nodes.Home(3)];
        var whole = Stopwatch.StartNew();
        await Task.WhenAll(guardians.Select(home => NextAsync(home, 0))); // all of it is there once
        whole.Stop();
        using var daemon = Process.GetProcessById(nodes.PidOf(1));
        var (cpu, clock) = (daemon.TotalProcessorTime, Stopwatch.StartNew());
        // Each by itself: one may skip a version that the other has.
        var seen = await Task.WhenAll(guardians.Select(home => SamplesAsync(home, rounds)));
        daemon.Refresh();
        var used = (daemon.TotalProcessorTime - cpu) / clock.Elapsed;
        var live = Directory.GetDirectories(Path.Combine(nodes.Home(1), "programs-data"), "data-*", SearchOption.AllDirectories).Single();
        var copy = Stopwatch.StartNew();
        foreach (var to in new[] { "one", "two" }) await ShellAsync("cp", "-a", live, Path.Combine(nodes.Folder, to));
        await ShellAsync("sync");
        var peer = copy.Elapsed.TotalSeconds;
        foreach (var to in new[] { "one", "two" }) Directory.Delete(Path.Combine(nodes.Folder, to), recursive: true);
        var each = seen.SelectMany(one => one).Select(sample => sample.Seconds).ToList();
        var both = RealNodes.Percentile([.. seen[0].SelectMany(sample => LaterOf(sample, seen[1]))], 0.95);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-36}{whole.Elapsed.TotalSeconds,9:0.0} s{RealNodes.Percentile(each, 0.5),13:0.00} s{RealNodes.Percentile(each, 0.95),8:0.00} s{both,10:0.00} s{peer,12:0.00} s{used,13:0 %}"));
        nodes.Run(0, "stop", "friends", "bot");
        nodes.Run(0, "data", "drop", "friends", "bot", "--yes");
    }

    private static async Task<List<(long Written, double Seconds)>> SamplesAsync(string home, int count)
    {
        var samples = new List<(long Written, double Seconds)>();
        while (samples.Count < count) samples.Add(await NextAsync(home, samples.Count == 0 ? 0 : samples[^1].Written));
        return samples;
    }

    // How long until another guardian has it too, or something newer; nothing when it was not looked for that long.
    private static IEnumerable<double> LaterOf((long Written, double Seconds) sample, List<(long Written, double Seconds)> others)
    {
        var other = others.Find(other => other.Written >= sample.Written);
        if (other.Written != 0) yield return Math.Max(sample.Seconds, other.Seconds + ((other.Written - sample.Written) / 1e9));
    }

    // The next time that a guardian has, and how long after it: it looks at the disk every 2 ms.
    private static async Task<(long Written, double Seconds)> NextAsync(string home, long after)
    {
        using var patience = new CancellationTokenSource(Patience);
        var known = DateTime.MinValue;
        while (true)
        {
            var newest = Directory.Exists(Path.Combine(home, "programs-data")) ? new DirectoryInfo(Path.Combine(home, "programs-data")).EnumerateFiles("newest", SearchOption.AllDirectories).FirstOrDefault() : null;
            if (newest is not null && newest.LastWriteTimeUtc != known)
            {
                known = newest.LastWriteTimeUtc;
                var now = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;
                if (await WrittenAsync(newest.FullName) is { } written && written > after) return (written, Math.Max(0, now - written) / 1e9);
            }
            await Task.Delay(2, patience.Token);
        }
    }

    private static async Task<long?> WrittenAsync(string newest)
    {
        try
        {
            if (!DataVersionCodec.TryRead(await File.ReadAllBytesAsync(newest), new Ed25519Verifier(), out var version) || version.Entries.FirstOrDefault(entry => entry.Path == "at") is not { Chunks: [var piece] }) return null;
            return long.Parse(await File.ReadAllTextAsync(Path.Combine(Path.GetDirectoryName(newest)!, "objects", piece.ToString())), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null; // a newer one has taken its place
        }
    }

    private static async Task ShellAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(command, arguments);
        await process.WaitForExitAsync();
    }
}
