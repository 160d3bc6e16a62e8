using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace PeoplesCloud.Bench;

/// <summary>
/// Sessions over three daemons, with a real Redis and with the daemons' own endpoint, against round trips through a bare redis-server in the same run:
/// one request after another, then many creates published at once, then the same while one daemon is killed half-way. After each burst all
/// ports are connected to, and what a session takes is measured.
/// With "out" each session sends a datagram first, as programs that are no mere servers do.
/// <code>bench sessions [redis|own|both] [rounds 200] [creates 1000] [network internet] [out]</code>
/// </summary>
internal static class SessionsBenchmark
{
    private const string Prefix = "year4000.pycloud.";

    // A server that costs as little as one can: what is measured is ours.
    private const string Serves = "exec busybox nc -ll -p \"$PORT\" -e echo \"session $PORT\"\n";
    private const string GoesOut = "#!/bin/bash\necho hello >/dev/udp/203.0.113.1/9\n" + Serves;
    private static readonly string[] Verbs = ["create", "status", "remove"];
    private static readonly TimeSpan NowAndThen = TimeSpan.FromMilliseconds(600);

    private static string _script = "#!/bin/sh\n" + Serves;
    private static int _ids;

    public static async Task<int> RunAsync(string[] arguments)
    {
        var which = arguments.Length > 0 ? arguments[0] : "both";
        var rounds = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 200;
        var creates = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 1000;
        var network = arguments.Length > 3 ? arguments[3] : "internet";
        if (arguments is [_, _, _, _, "out", ..]) _script = GoesOut;
        Environment.SetEnvironmentVariable("PC_LIMITS_PROGRAMS", "1000");
        // As ./pc starts a daemon.
        Environment.SetEnvironmentVariable("DOTNET_TieredCompilation", "0");
        Environment.SetEnvironmentVariable("MALLOC_ARENA_MAX", "1");
        foreach (var own in new[] { false, true }.Where(own => which == "both" || which == (own ? "own" : "redis"))) await RunAsync(own, rounds, creates, network);
        return 0;
    }

    private static async Task RunAsync(bool own, int rounds, int creates, string network)
    {
        var redisPort = FreePort();
        int[] ports = [FreePort(), FreePort(), FreePort()];
        using var redis = Process.Start(new ProcessStartInfo("redis-server", ["--port", $"{redisPort}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        _ = redis.StandardOutput.ReadToEndAsync();
        try
        {
            using var nodes = new RealNodes(3, (node, home) =>
            {
                Directory.CreateDirectory(home);
                var carrier = own ? $"swarm = \"friends\"\nlisten = \"127.0.0.1:{ports[node]}\"" : $"redis = \"redis://127.0.0.1:{redisPort}\"";
                File.WriteAllText(Path.Combine(home, "config.toml"), $"[sessions]\n{carrier}\nhostname = \"localhost\"\n[host]\nnetwork = \"{network}\"\n");
            }, firstHosts: true);
            var daemons = Enumerable.Range(0, 3).Select(nodes.PidOf).ToList();
            var port = own ? ports[0] : redisPort;
            using var client = await Client.ConnectAsync(port);
            await client.WaitForNodesAsync(3);

            Console.WriteLine($"\n## {(own ? "The endpoint of one of three daemons" : "Three daemons on a redis-server")}, network {network}{(_script == GoesOut ? ", each session goes out" : "")}\n");
            await OneByOneAsync(client, redisPort, rounds);
            var first = await BurstAsync(client, daemons, creates, victim: null);
            await RemoveAllAsync(client, first);
            await client.WaitForNodesAsync(3);
            // On our own endpoint the one that coordinates is not the one that dies: its clients would be gone with it.
            var second = await BurstAsync(client, daemons, creates, victim: daemons[2]);
            await RemoveAllAsync(client, second);
            nodes.Up(2); // it can be asked to end, as the others
        }
        finally
        {
            redis.Kill();
        }
    }

    private static async Task OneByOneAsync(Client client, int redisPort, int rounds)
    {
        using var echo = await EchoAsync(redisPort);
        using var bare = await Client.ConnectAsync(redisPort);
        var times = new SortedDictionary<string, List<double>>(StringComparer.Ordinal);
        void Add(string name, double milliseconds, bool counts)
        {
            if (!times.TryGetValue(name, out var all)) times[name] = all = [];
            if (counts) all.Add(milliseconds);
        }
        for (var round = -20; round < rounds; round++)
        {
            // The first ones: until the program is compiled for good. One of four comes when nothing came for a while, as most do.
            var rests = round % 4 == 0;
            if (rests) await Task.Delay(NowAndThen);
            Add("0 a bare redis-server: publish to its subscriber", bare.Hop(), round >= 0);
            Add("1 a bare redis-server: request, responder, response", bare.Ask("bare", "{}").Milliseconds, round >= 0);
            var (created, milliseconds) = client.Ask("create", JsonSerializer.Serialize(new { script = _script }));
            var session = created.TryGetProperty("error", out var error) ? throw new InvalidOperationException(error.ToString()) : created.GetProperty("id").GetString()!;
            Add(rests ? "2 create, after a rest of 0.6 s" : "3 create, at once after the last", milliseconds, round >= 0);
            var about = JsonSerializer.Serialize(new { session });
            Add("4 status", client.Ask("status", about).Milliseconds, round >= 0);
            Add("5 status again", client.Ask("status", about).Milliseconds, round >= 0);
            var (removed, removing) = client.Ask("remove", about);
            if (!removed.GetProperty("status").GetBoolean()) throw new InvalidOperationException("it was not there any more");
            Add("6 remove", removing, round >= 0);
        }
        var peer = RealNodes.Percentile(times.Values.ElementAt(1), 0.5);
        Console.WriteLine("| what | times | fastest ms | p50 ms | p95 ms | ratio of p50 to the request through a bare Redis |\n|---|---|---|---|---|---|");
        foreach (var (name, all) in times)
            Console.WriteLine($"| {name[2..]} | {all.Count} | {all.Min():0.00} | {RealNodes.Percentile(all, 0.5):0.00} | {RealNodes.Percentile(all, 0.95):0.00} | {RealNodes.Percentile(all, 0.5) / peer:0.0} |");
    }

    private static async Task<List<Session>> BurstAsync(Client client, List<int> daemons, int creates, int? victim)
    {
        var memory = AvailableMebibytes();
        var kernel = Processes.KernelKibibytes();
        var cpu = daemons.Sum(IdleBenchmark.CpuMilliseconds);
        var below = daemons.Sum(BelowMilliseconds);
        var answers = new ConcurrentDictionary<string, ConcurrentQueue<string>>(StringComparer.Ordinal);
        var half = new TaskCompletionSource();
        var all = new TaskCompletionSource();
        var asked = new HashSet<string>(StringComparer.Ordinal);
        using var publisher = await RedisLine.ConnectAsync(client.Port);
        var commands = new MemoryStream();
        for (var i = 0; i < creates; i++)
        {
            var id = NewId();
            asked.Add(id);
            commands.Write(RedisLine.Command("PUBLISH", Prefix + "create", JsonSerializer.Serialize(new { id, script = _script })));
        }
        client.Heard = (channel, payload) =>
        {
            var id = channel[(channel.LastIndexOf('.') + 1)..];
            if (!asked.Contains(id)) return;
            answers.GetOrAdd(id, _ => []).Enqueue(payload);
            if (answers.Count >= creates / 2) half.TrySetResult();
            if (answers.Count >= creates) all.TrySetResult();
        };
        // 1. All at once.
        var clock = Stopwatch.StartNew();
        var sending = Task.Run(() => publisher.Send(commands.ToArray()));
        var reading = Task.Run(() =>
        {
            for (var i = 0; i < creates; i++) publisher.ReadValue();
        });
        List<(int Pid, string? Start)> left = [];
        if (victim is { } pid)
        {
            await half.Task.WaitAsync(TimeSpan.FromSeconds(120));
            left = [.. Processes.Descendants(pid).Select(one => (one, Processes.StartOf(one)))];
            Process.GetProcessById(pid).Kill();
        }
        await Task.WhenAny(all.Task, Task.Delay(TimeSpan.FromSeconds(60)));
        var seconds = clock.Elapsed.TotalSeconds;
        cpu = daemons.Where(daemon => daemon != victim).Sum(IdleBenchmark.CpuMilliseconds) - cpu;
        below = victim is null ? daemons.Sum(BelowMilliseconds) - below : 0;
        await Task.WhenAll(sending, reading);
        // 2. Whether any comes twice is known when nothing comes any more.
        await Task.Delay(TimeSpan.FromSeconds(3));
        client.Heard = null;
        var sessions = new List<Session>();
        var errors = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (id, payloads) in answers)
        {
            var answer = JsonDocument.Parse(payloads.First()).RootElement;
            if (answer.TryGetProperty("error", out var error)) errors[error.GetProperty("code").GetString()!] = errors.GetValueOrDefault(error.GetProperty("code").GetString()!) + 1;
            else sessions.Add(new Session(answer.GetProperty("id").GetString()!, answer.GetProperty("cloud").GetString()!, answer.GetProperty("port").GetInt32()));
        }
        var twice = answers.Values.Count(payloads => payloads.Count > 1);
        var different = answers.Values.Count(payloads => payloads.Distinct(StringComparer.Ordinal).Count() > 1);
        Console.WriteLine($"\n{creates} creates at once{(victim is null ? "" : ", one of three daemons killed after half of the answers")}: {answers.Count} answered in {seconds:0.0} s, {answers.Count / seconds:0} a second; {twice} twice, {different} with different answers, {creates - answers.Count} lost; errors: {string.Join(", ", errors.Select(error => $"{error.Value} {error.Key}").DefaultIfEmpty("none"))}; by node: {string.Join(", ", sessions.GroupBy(session => session.Cloud, StringComparer.Ordinal).Select(node => node.Count()))}");
        // 3. Every port, but those of the dead.
        var gone = victim is null ? 0 : left.Count(IsThere);
        for (var wait = Stopwatch.StartNew(); victim is not null && gone > 0 && wait.Elapsed < TimeSpan.FromSeconds(10); gone = left.Count(IsThere)) await Task.Delay(50);
        clock.Restart();
        var reached = await ReachAllAsync(sessions);
        var dead = victim is null ? [] : reached.Where(one => !one.Value).Select(one => one.Key.Cloud).Distinct(StringComparer.Ordinal).ToList();
        Console.WriteLine($"connected to {sessions.Count} ports in {clock.Elapsed.TotalSeconds:0.0} s: {reached.Count(one => one.Value)} serve, {reached.Count(one => !one.Value)} do not{(victim is null ? "" : $" (of {dead.Count} node; {left.Count} processes were below it, {gone} are left)")}");
        var alive = daemons.Where(daemon => daemon != victim).ToList();
        if (victim is null)
        {
            Console.WriteLine($"a session takes {(memory - AvailableMebibytes()) * 1024 / Math.Max(1, sessions.Count):0} KiB of the machine, and until its answer {cpu / creates:0.0} ms of processor in the daemons and {below / creates:0.0} ms in processes below them");
            Console.WriteLine("\n| each session | processes | PSS KiB |\n|---|---|---|");
            foreach (var kind in alive.SelectMany(Processes.Descendants).GroupBy(Processes.NameOf, StringComparer.Ordinal).Select(kind => (kind.Key, Count: kind.Count(), Pss: kind.Sum(Processes.PssKibibytes))).OrderByDescending(kind => kind.Pss))
                Console.WriteLine($"| {kind.Key} | {(double)kind.Count / sessions.Count:0.0} | {kind.Pss / sessions.Count:0} |");
            Console.WriteLine($"| the daemons, in all {alive.Sum(IdleBenchmark.RssMebibytes):0} MiB | | |");
            Console.WriteLine($"| the kernel, whole machine | | {(Processes.KernelKibibytes() - kernel) / sessions.Count:0} |");
        }
        return [.. sessions.Where(session => reached[session])];
    }

    private static async Task<IReadOnlyDictionary<Session, bool>> ReachAllAsync(List<Session> sessions)
    {
        var reached = new ConcurrentDictionary<Session, bool>();
        await Parallel.ForEachAsync(sessions, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (session, cancellationToken) =>
        {
            try
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
                using var socket = new TcpClient();
                await socket.ConnectAsync(IPAddress.Loopback, session.Port, limit.Token);
                using var reader = new StreamReader(socket.GetStream());
                reached[session] = await reader.ReadLineAsync(limit.Token) == $"session {session.Port}";
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
            {
                reached[session] = false;
            }
        });
        return reached;
    }

    private static async Task RemoveAllAsync(Client client, List<Session> sessions)
    {
        var removed = 0;
        var all = new TaskCompletionSource();
        client.Heard = (channel, payload) =>
        {
            if (channel.StartsWith(Prefix + "remove.", StringComparison.Ordinal) && Interlocked.Increment(ref removed) == sessions.Count) all.TrySetResult();
        };
        using var publisher = await RedisLine.ConnectAsync(client.Port);
        var clock = Stopwatch.StartNew();
        foreach (var session in sessions) publisher.Publish(Prefix + "remove", JsonSerializer.Serialize(new { id = NewId(), session = session.Id }));
        await Task.WhenAny(all.Task, Task.Delay(TimeSpan.FromSeconds(120)));
        client.Heard = null;
        Console.WriteLine($"removed {removed} of {sessions.Count} in {clock.Elapsed.TotalSeconds:0.0} s");
    }

    // What the control groups of a daemon's sandboxes took, those that are gone included; processes that live for 5 ms have none by /proc.
    private static double BelowMilliseconds(int daemon)
    {
        const string tree = "/sys/fs/cgroup/cpuacct";
        if (!Directory.Exists(tree)) return double.NaN;
        return Directory.EnumerateDirectories(tree, $"peoples-cloud.{daemon}.*", SearchOption.AllDirectories)
            .Sum(group => double.Parse(File.ReadAllText(Path.Combine(group, "cpuacct.usage")), CultureInfo.InvariantCulture) / 1e6);
    }

    // Its number may be another's by now.
    private static bool IsThere((int Pid, string? Start) process) => process.Start is not null && Processes.StartOf(process.Pid) == process.Start;

    private static double AvailableMebibytes() =>
        double.Parse(File.ReadLines("/proc/meminfo").First(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    // A responder as small as one can be: what a request costs through the Redis alone.
    private static async Task<RedisLine> EchoAsync(int port)
    {
        var (hears, says) = (await RedisLine.ConnectAsync(port), await RedisLine.ConnectAsync(port));
        hears.Hear(Prefix + "bare");
        new Thread(() =>
        {
            try
            {
                while (true)
                {
                    var id = JsonDocument.Parse(hears.Next().Payload).RootElement.GetProperty("id").GetString();
                    says.Publish($"{Prefix}bare.{id}", $$"""{"id": "{{id}}"}""");
                }
            }
            catch (IOException)
            {
                says.Dispose(); // it is over
            }
        }) { IsBackground = true }.Start();
        return hears;
    }

    private static string NewId() => Interlocked.Increment(ref _ids).ToString("x8", CultureInfo.InvariantCulture);

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private sealed record Session(string Id, string Cloud, int Port);

    /// <summary>Publishes on one connection and hears answers on another.</summary>
    private sealed class Client : IDisposable
    {
        private readonly RedisLine _says;
        private readonly RedisLine _hears;
        private readonly BlockingCollection<(string Channel, string Payload, long At)> _heard = [];

        private Client(int port, RedisLine says, RedisLine hears)
        {
            (Port, _says, _hears) = (port, says, hears);
            hears.Hear([.. Verbs.Select(verb => $"{Prefix}{verb}.*"), Prefix + "bare.*", Prefix + "hop", Prefix + "rank"]);
            new Thread(Read) { IsBackground = true }.Start();
        }

        public int Port { get; }

        /// <summary>Takes the messages while it is set.</summary>
        public Action<string, string>? Heard { get; set; }

        public static async Task<Client> ConnectAsync(int port) => new(port, await RedisLine.ConnectAsync(port), await RedisLine.ConnectAsync(port));

        /// <summary>Until so many nodes said twice how busy they are.</summary>
        public async Task WaitForNodesAsync(int count)
        {
            var ranks = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
            var all = new TaskCompletionSource();
            Heard = (channel, payload) =>
            {
                if (channel != Prefix + "rank") return;
                ranks.AddOrUpdate(JsonDocument.Parse(payload).RootElement.GetProperty("id").GetString()!, 1, (_, times) => times + 1);
                if (ranks.Count >= count && ranks.Values.All(times => times > 3)) all.TrySetResult();
            };
            await all.Task.WaitAsync(TimeSpan.FromSeconds(120));
            Heard = null;
        }

        public double Hop()
        {
            var start = Stopwatch.GetTimestamp();
            _says.Send("PUBLISH", Prefix + "hop", "x");
            var at = Await(Prefix + "hop").At;
            _says.ReadValue();
            return Stopwatch.GetElapsedTime(start, at).TotalMilliseconds;
        }

        public (JsonElement Answer, double Milliseconds) Ask(string verb, string fields)
        {
            var id = NewId();
            var request = $$"""{"id": "{{id}}"{{(fields.Length > 2 ? ", " : "")}}{{fields[1..]}}""";
            var start = Stopwatch.GetTimestamp();
            _says.Send("PUBLISH", Prefix + verb, request);
            var (_, payload, at) = Await($"{Prefix}{verb}.{id}");
            _says.ReadValue();
            return (JsonDocument.Parse(payload).RootElement, Stopwatch.GetElapsedTime(start, at).TotalMilliseconds);
        }

        public void Dispose()
        {
            _says.Dispose();
            _hears.Dispose();
        }

        private (string Channel, string Payload, long At) Await(string channel)
        {
            while (_heard.TryTake(out var heard, TimeSpan.FromSeconds(30)))
                if (heard.Channel == channel) return heard;
            throw new InvalidOperationException($"nothing came on {channel}");
        }

        private void Read()
        {
            try
            {
                while (true)
                {
                    var (channel, payload) = _hears.Next();
                    var at = Stopwatch.GetTimestamp();
                    if (Heard is { } heard) heard(channel, payload);
                    else if (channel != Prefix + "rank") _heard.Add((channel, payload, at));
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // It is over.
            }
        }
    }
}
