using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Runtimes.Tests.Docker;

namespace PeoplesCloud.Bench;

/// <summary>
/// Three nodes on loopback, each a process of its own: the time from asking oak's daemon to deploy samples/hello-bot until oak has the
/// bot's first log line, and then to deploy it again unchanged, small and with 8 MiB beside it. The peer of the first is Python starting the same
/// file by itself, since nothing can be faster; the peer of the second is the first deploy of the same folder. All are measured in the same run.
/// </summary>
internal static class DeployBenchmark
{
    /// <summary>Options: deploys (30), docker.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var runs = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 30;
        await using var docker = args is [_, "docker", ..] ? await Dockerd.StartAsync() : null;
        if (docker is not null) Environment.SetEnvironmentVariable("PC_HOST_DOCKER", $"unix://{docker.Socket}");
        var settings = docker is null ? "" : $$""","settings":{"runtime":["docker"],"image":["{{Dockerd.Image}}"],"network":["none"]}""";
        var root = FindRoot();
        var bot = Path.Combine(root, "samples", "hello-bot");
        var folder = Directory.CreateTempSubdirectory("pc-bench-deploy-").FullName;
        var nodes = new List<Node>();
        try
        {
            foreach (var name in new[] { "oak", "elm", "fir" }) nodes.Add(await Node.StartAsync(root, Path.Combine(folder, name), name, hosts: name != "oak"));
            var oak = nodes[0];
            var ticket = (await oak.PostAsync("/v1/swarms", """{"name":"bench"}""")).GetProperty("ticket").GetString();
            foreach (var node in nodes.Skip(1)) await node.PostAsync("/v1/swarms/join", $$"""{"ticket":"{{ticket}}"}""");
            await oak.UntilAllAreAwakeAsync();

            var (alone, asked, seen) = (new List<double>(), new List<double>(), new List<double>());
            for (var run = -2; run < runs; run++)
            {
                var python = docker is null
                    ? await AloneAsync("/usr/bin/python3", ["-u", "bot.py"], bot)
                    : await AloneAsync("docker", ["--host", $"unix://{docker.Socket}", "run", "--rm", "--init", "--network", "none", "--volume", $"{bot}:/app", "--workdir", "/app", Dockerd.Image, "python3", "-u", "bot.py"], bot);
                var started = Stopwatch.GetTimestamp();
                await oak.LastLineAsync(HttpMethod.Post, "/v1/swarms/bench/deploy", $$"""{"path":"{{bot}}","name":"hello-{{run + 2}}"{{settings}}}""");
                var deployed = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                await oak.FirstOutputAsync($"/v1/swarms/bench/programs/hello-{run + 2}/logs?follow=true&tail=-1");
                var first = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                await oak.PostAsync($"/v1/swarms/bench/programs/hello-{run + 2}/stop", "{}");
                if (run < 0) continue; // The first ones compile.
                alone.Add(python);
                asked.Add(deployed);
                seen.Add(first);
            }
            Console.WriteLine($"{runs} deploys of hello-bot, 3 nodes on loopback, {Environment.ProcessorCount} cores; p50 and p90 in ms");
            Console.WriteLine($"{(docker is null ? "python3 bot.py alone, to its first line" : "docker run of it, to its first line    ")}: {Show(alone)}");
            Console.WriteLine($"deploy, to the answer that it runs:      {Show(asked)}");
            Console.WriteLine($"deploy, to the first line seen on oak:   {Show(seen)}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"deploy: p50 {Percentile(seen, 0.5):0} ms ({(docker is null ? "goal under 150" : "goal under 1.2 times docker run")}), {Percentile(seen, 0.5) / Percentile(alone, 0.5):0.00} times {(docker is null ? "Python alone" : "docker run")}"));
            if (docker is not null) return 0;
            await RedeployAsync(oak, bot, runs, "hello-bot");
            await RedeployAsync(oak, Heavy(bot, folder), runs, "the same with 8 MiB of data");
            return 0;
        }
        finally
        {
            foreach (var node in nodes) node.Dispose();
            Directory.Delete(folder, recursive: true);
        }
    }

    // Deploys under a new name, then under the same name again: the second ends the first.
    private static async Task RedeployAsync(Node oak, string bot, int runs, string what)
    {
        var (firsts, agains) = (new List<double>(), new List<double>());
        for (var run = -2; run < runs; run++)
        {
            var name = $"again-{Path.GetFileName(bot)}-{run + 2}";
            var body = $$"""{"path":"{{bot}}","name":"{{name}}"}""";
            var first = await DeployedAsync();
            // Nobody changes nothing within a quarter of a second; by then the host has prepared its next sandbox.
            await Task.Delay(TimeSpan.FromSeconds(1));
            var again = await DeployedAsync();
            await oak.PostAsync($"/v1/swarms/bench/programs/{name}/stop", "{}");
            if (run < 0) continue;
            firsts.Add(first);
            agains.Add(again);

            async Task<double> DeployedAsync()
            {
                var started = Stopwatch.GetTimestamp();
                await oak.LastLineAsync(HttpMethod.Post, "/v1/swarms/bench/deploy", body);
                return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            }
        }
        Console.WriteLine($"{what}: first deploy {Show(firsts)}, again unchanged {Show(agains)}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"redeploy: p50 {Percentile(agains, 0.5):0} ms (goal under 80), {Percentile(agains, 0.5) / Percentile(firsts, 0.5):0.00} times the first deploy"));
    }

    private static string Heavy(string bot, string folder)
    {
        var heavy = Directory.CreateDirectory(Path.Combine(folder, "heavy-bot")).FullName;
        File.Copy(Path.Combine(bot, "bot.py"), Path.Combine(heavy, "bot.py"));
        var data = new byte[8 << 20];
        new Random(1).NextBytes(data);
        File.WriteAllBytes(Path.Combine(heavy, "data.bin"), data);
        return heavy;
    }

    private static async Task<double> AloneAsync(string program, IEnumerable<string> words, string bot)
    {
        var started = Stopwatch.GetTimestamp();
        using var alone = Process.Start(new ProcessStartInfo(program, words) { WorkingDirectory = bot, UseShellExecute = false, RedirectStandardOutput = true })!;
        await alone.StandardOutput.ReadLineAsync();
        var first = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        // TERM, which docker passes on: its container would outlive a KILL.
        _ = LibC.kill(alone.Id, LibC.Terminate);
        await alone.WaitForExitAsync();
        return first;
    }

    private static string Show(List<double> times) => string.Create(CultureInfo.InvariantCulture, $"{Percentile(times, 0.5),6:0.0} {Percentile(times, 0.9),6:0.0}");

    private static double Percentile(List<double> times, double share) => times.Order().ElementAt(Math.Min(times.Count - 1, (int)(times.Count * share)));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "PeoplesCloud.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }

    /// <summary>A daemon in a process of its own, and its local API.</summary>
    private sealed class Node : IDisposable
    {
        private readonly Process _process;
        private readonly HttpClient _client;

        private Node(Process process, string home)
        {
            _process = process;
            _client = new HttpClient(new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellationToken) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(home, "pc.sock")), cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            })
            { BaseAddress = new Uri("http://localhost") };
        }

        public static async Task<Node> StartAsync(string root, string home, string name, bool hosts)
        {
            List<string> arguments = ["daemon", "--home", home, $"--name={name}", "--port=0", "--listen=127.0.0.1", "--until-stdin-ends"];
            if (!hosts) arguments.Add("--no-host");
            var start = new ProcessStartInfo(Path.Combine(root, "artifacts", "pc", "current", "pc"), arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
            var process = Process.Start(start)!;
            if (await process.StandardOutput.ReadLineAsync() is not { } line) throw new InvalidOperationException($"{name} did not start; its log is in {home}/logs");
            Console.Error.WriteLine($"{name}: {line}");
            return new Node(process, home);
        }

        public async Task<JsonElement> PostAsync(string path, string body)
        {
            using var answer = await _client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
            return Checked(answer, await answer.Content.ReadAsStringAsync());
        }

        public async Task LastLineAsync(HttpMethod method, string path, string body)
        {
            using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            using var answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
            var last = "";
            while (await lines.ReadLineAsync() is { } line) last = line;
            if (Checked(answer, last).GetProperty("kind").GetString() != "result") throw new InvalidOperationException(last);
        }

        public async Task FirstOutputAsync(string path)
        {
            using var answer = await _client.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
            while (await lines.ReadLineAsync() is { } line)
                if (Checked(answer, line).GetProperty("result").GetProperty("stream").GetString() == "out") return;
            throw new InvalidOperationException("the log ended without a line of the program");
        }

        public async Task UntilAllAreAwakeAsync()
        {
            for (var tries = 0; tries < 600; tries++)
            {
                var list = Checked(null, await _client.GetStringAsync("/v1/list"));
                var members = list.GetProperty("swarms")[0].GetProperty("members").EnumerateArray().ToList();
                if (members.Count == 3 && members.All(member => member.GetProperty("state").GetString() is "here" or "awake")) return;
                await Task.Delay(100);
            }
            throw new InvalidOperationException("the members did not meet within a minute");
        }

        public void Dispose()
        {
            _client.Dispose();
            _process.StandardInput.Close();
            if (!_process.WaitForExit(TimeSpan.FromSeconds(20))) _process.Kill(entireProcessTree: true);
            _process.Dispose();
        }

        private static JsonElement Checked(HttpResponseMessage? answer, string text)
        {
            if (answer is { IsSuccessStatusCode: false }) throw new InvalidOperationException(text);
            return JsonDocument.Parse(text).RootElement;
        }
    }
}
