using System.Diagnostics;
using System.Globalization;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>One run of a recorded program: one process, from its first to its last word. Times are CLOCK_BOOTTIME, which all hosts of this machine share.</summary>
internal sealed record RecordedRun(string Program, string Id, string Host, double First, double Last)
{
    /// <summary>When it said each number that it had written into its data; its first is one more than what it began with, and 0 says that what it found was torn.</summary>
    internal SortedDictionary<int, double> Counts { get; } = [];
}

/// <summary>
/// Counts from outside what runs where: the program itself says every 20 ms who it is and when, to an observer that takes no part in the swarm and
/// that no test cuts off. Whatever the daemons believe, two runs whose times overlap are a double run.
/// </summary>
internal sealed class Recorder : IDisposable
{
    private const string Port = "9000";

    private readonly Lan _lan;
    private readonly IReadOnlyList<string> _hosts;
    private readonly Place _place;
    private readonly string _file;
    private readonly Process _listener;

    /// <summary>Adds the observer to a LAN and lets it listen.</summary>
    public Recorder(Lan lan, Place place, params string[] hosts)
    {
        _lan = lan;
        _hosts = hosts;
        lan.Observe(hosts);
        _file = place.File("recorder/heard", "");
        var script = place.File("recorder/listen.py", $"""
            import socket, sys
            heard = open(sys.argv[1], "a", buffering=1)
            door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            door.bind(("{Lan.ObserverAddress}", {Port}))
            print("listens", flush=True)
            while True:
                said, by = door.recvfrom(200)
                heard.write(said.decode() + " " + by[0] + "\n")
            """);
        _listener = Pc.Start("", "/usr/bin/env", [.. lan.On("observer"), "python3", script, _file], null);
        Assert.Equal("listens", _listener.StandardOutput.ReadLine());
        _place = place;
    }

    /// <summary>A folder with a program that says what it is.</summary>
    public string Bot(string name = "recorded-bot") => Path.GetDirectoryName(_place.File($"{name}/bot.py", $"""
        import socket, time, uuid
        me = "{name}/" + uuid.uuid4().hex[:8]
        door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print("I am " + me, flush=True)
        while True:
            try:
                door.sendto(("%s %.3f" % (me, time.clock_gettime(time.CLOCK_BOOTTIME))).encode(), ("{Lan.ObserverAddress}", {Port}))
            except OSError:
                pass
            time.sleep(0.02)
        """))!;

    /// <summary>The same with data: it counts in two files that it writes one after the other, and says how far it is. No moment has a second that is ahead of the first, or behind by more than one.</summary>
    public string DataBot(string name = "recorded-bot")
    {
        _place.File($"{name}/pc.toml", "data = true\n");
        return Path.GetDirectoryName(_place.File($"{name}/bot.py", $"""
            import os, socket, time, uuid
            me = "{name}/" + uuid.uuid4().hex[:8]
            door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            def read(name):
                return int(open("data/" + name).read()) if os.path.exists("data/" + name) else 0
            def write(name, count):
                with open("data/" + name + ".new", "w") as file: file.write(str(count))
                os.rename("data/" + name + ".new", "data/" + name)
            count = read("first")
            torn = count - read("second") not in (0, 1)
            print("I am %s and begin with %d" % (me, count), flush=True)
            while True:
                count += 1
                write("first", count)
                write("second", count)
                try:
                    door.sendto(("%s %.3f %d" % (me, time.clock_gettime(time.CLOCK_BOOTTIME), 0 if torn else count)).encode(), ("{Lan.ObserverAddress}", {Port}))
                except OSError:
                    pass
                time.sleep(0.02)
            """))!;
    }

    /// <summary>CLOCK_BOOTTIME now, in seconds.</summary>
    public static double Now => double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);

    /// <summary>All runs so far, in the order in which they began.</summary>
    public IReadOnlyList<RecordedRun> Runs()
    {
        var runs = new Dictionary<string, RecordedRun>();
        foreach (var line in Lines())
        {
            if (line.Split(' ') is not [var id, var text, .. var count, var by] || !double.TryParse(text, CultureInfo.InvariantCulture, out var time)) continue; // the end of the file, half written
            var now = runs[id] = runs.TryGetValue(id, out var run)
                ? run with { First = Math.Min(run.First, time), Last = Math.Max(run.Last, time) }
                : new RecordedRun(id.Split('/')[0], id, _hosts.FirstOrDefault(host => _lan.ObservedAddressOf(host) == by) ?? by, time, time);
            if (count is [var number]) now.Counts[int.Parse(number, CultureInfo.InvariantCulture)] = time;
        }
        return [.. runs.Values.OrderBy(run => run.First)];
    }

    /// <summary>When a run said something, after a moment.</summary>
    public IReadOnlyList<double> WordsOf(string id, double after) =>
        [.. Lines().Select(line => line.Split(' ')).Where(words => words.Length >= 3 && words[0] == id).Select(words => double.Parse(words[1], CultureInfo.InvariantCulture)).Where(time => time > after)];

    /// <summary>Waits for a run that began after a moment.</summary>
    public RecordedRun WaitForRun(double after, string what)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (Runs().FirstOrDefault(run => run.First > after) is { } found) return found;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(90), $"{what} did not happen; heard of {string.Join(", ", Runs())}");
        }
    }

    /// <summary>Waits until a program is heard at a moment after one, and says by which run.</summary>
    public RecordedRun WaitForRunOf(string program, double after, string what)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (Runs().LastOrDefault(run => run.Program == program && run.Last > after) is { } found) return found;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(90), $"{what} did not happen; heard of {string.Join(", ", Runs())}");
        }
    }

    /// <summary>Waits until a run is heard at a moment after one.</summary>
    public void WaitUntilHeard(string id, double after)
    {
        var clock = Stopwatch.StartNew();
        while (Runs().Single(run => run.Id == id).Last <= after) Assert.True(clock.Elapsed < TimeSpan.FromSeconds(90), $"{id} is not heard any more");
    }

    /// <summary>The longest time for which two runs of one program were heard at once, in seconds; negative: the shortest pause between two.</summary>
    public double LongestOverlap(double since = 0)
    {
        var runs = Runs().Where(run => run.Last >= since).ToList();
        var longest = double.NegativeInfinity;
        for (var i = 0; i < runs.Count; i++)
        {
            foreach (var j in Enumerable.Range(i + 1, runs.Count - i - 1).Where(j => runs[j].Program == runs[i].Program))
                longest = Math.Max(longest, Math.Min(runs[i].Last, runs[j].Last) - Math.Max(runs[i].First, runs[j].First));
        }
        return longest;
    }

    public void Dispose()
    {
        _listener.Kill(entireProcessTree: true);
        _listener.WaitForExit();
        _listener.Dispose();
    }

    private string[] Lines()
    {
        using var file = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd().Split('\n');
    }
}
