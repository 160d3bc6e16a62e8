using System.Globalization;
using System.Net.Http.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Daemon.Tests.Hosting;

/// <summary>Programs that mean no good, or know no better, on a real host with a real sandbox: each stays within its limits, and the host goes on serving the others.</summary>
public sealed class BadProgramTests
{
    private const string Forks = """
        import os, time
        count = 0
        while True:
            try:
                if os.fork() == 0:
                    time.sleep(600)
                    os._exit(0)
                count += 1
            except OSError:
                break
        print('refused', count, flush=True)
        time.sleep(600)
        """;

    private const string FillsItsDisk = """
        import time
        count = 0
        with open('/app/big', 'wb', buffering=0) as file:
            try:
                while True:
                    count += file.write(b'x' * 65536)
            except OSError:
                pass
        print('refused', count, flush=True)
        time.sleep(600)
        """;

    private const string FloodsItsLog = """
        import sys, time
        for i in range(300000):
            print('x' * 99)
        print('refused 0', flush=True)
        time.sleep(600)
        """;

    private const string OpensSockets = """
        import socket, time
        held = []
        try:
            for i in range(10000):
                one = socket.socket()
                one.bind(('127.0.0.1', 0))
                held.append(one)
        except OSError:
            pass
        print('refused', len(held), flush=True)
        time.sleep(600)
        """;

    private const string IgnoresTheEnd = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('refused 0', flush=True)
        while True:
            time.sleep(1)
        """;

    private const string ExitsAtOnce = "import sys\nsys.exit(3)\n";

    private const long DiskBytes = 32L << 20;

    [Fact]
    public async Task Each_stays_within_its_limits_and_the_host_goes_on()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);

        Assert.InRange(await RunAsync(oak, "forks", Forks), 1, 127);
        Assert.InRange(await RunAsync(oak, "fills", FillsItsDisk), 1L << 20, DiskBytes);
        await RunAsync(oak, "floods", FloodsItsLog);
        Assert.InRange(await RunAsync(oak, "sockets", OpensSockets), 1, RunLimits.OpenFiles);
        await RunAsync(oak, "ignores", IgnoresTheEnd);
        await DeployAsync(oak, "exits", ExitsAtOnce);

        // The kernel holds them, the host measures them, and the log of 30 MB has two files.
        var hosted = (await elm.Client.GetAsync("/v1/host", HostApiJson.Default.HostReply)).Programs.ToDictionary(program => program.Program, StringComparer.Ordinal);
        foreach (var program in hosted.Values.Where(program => program.PidsUsed is not null))
        {
            Assert.InRange(program.PidsUsed!.Value, 0, program.PidsAllowed);
            Assert.InRange(program.DiskUsed!.Value, 0, program.DiskAllowed);
            Assert.InRange(program.MemoryUsed!.Value, 0, program.MemoryAllowed);
        }
        Assert.InRange(hosted["forks"].PidsUsed!.Value, 100, 128);
        Assert.InRange(hosted["fills"].DiskUsed!.Value, DiskBytes / 2, DiskBytes);
        foreach (var folder in Directory.EnumerateDirectories(Path.Combine(elm.Home, "programs")))
            Assert.InRange(Directory.EnumerateFiles(folder, "log*").Sum(log => new FileInfo(log).Length), 0, 9L << 20);

        // What exits at once is started again, each time later, and says so; nobody waits for it.
        var exits = await oak.WaitForAsync("friends", swarm => swarm.Programs.Any(program => program is { Name: "exits", State: "restarting", Restarts: >= 2 }));
        Assert.Equal("crashed with exit code 3", exits.Programs.Single(program => program.Name == "exits").Detail);

        // All of them end, those too that do not want to; and the host runs the next.
        await Task.WhenAll(new[] { "forks", "fills", "floods", "sockets", "ignores", "exits" }.Select(name => oak.StopProgramAsync("friends", name)));
        await elm.WaitForAsync("friends", swarm => swarm.Programs.Count == 0);
        Assert.Empty((await elm.Client.GetAsync("/v1/host", HostApiJson.Default.HostReply)).Programs);
        Assert.Equal(7, await RunAsync(oak, "good", "import time\nprint('refused 7', flush=True)\ntime.sleep(600)\n"));
    }

    [Fact]
    public async Task Nobody_may_run_it_and_each_says_why_and_a_name_belongs_to_one()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        foreach (var node in new[] { oak, elm, fir }) await node.WaitForAsync("friends", swarm => swarm.Members.Count == 3);
        await SetAsync(elm, "memory", "128MiB");
        await SetAsync(fir, "hours", "00:00-00:01; 00:01-00:02");
        await SetAsync(fir, "languages", "nodejs");

        var none = await Assert.ThrowsAsync<ApiException>(() => DeployAsync(oak, "bot", IgnoresTheEnd));
        Assert.Equal($"PC{(int)ErrorCode.NoHost}", none.Reply.Code);
        Assert.Contains("oak: does not host", none.Reply.Message, StringComparison.Ordinal);
        Assert.Contains("elm: rule memory: allows 128 MiB of memory, 256 MiB were asked for", none.Reply.Message, StringComparison.Ordinal);
        Assert.Contains("fir: rule ", none.Reply.Message, StringComparison.Ordinal);

        await SetAsync(elm, "memory", "default");
        Assert.Equal("elm", (await DeployAsync(oak, "bot", IgnoresTheEnd))!.Host);
        await fir.WaitForAsync("friends", swarm => swarm.Programs.Count == 1);
        Assert.Equal($"PC{(int)ErrorCode.NameTaken}", (await Assert.ThrowsAsync<ApiException>(() => DeployAsync(fir, "bot", IgnoresTheEnd))).Reply.Code);
        Assert.Equal($"PC{(int)ErrorCode.NotPermitted}", (await Assert.ThrowsAsync<ApiException>(() => fir.StopProgramAsync("friends", "bot"))).Reply.Code);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
    }

    // Deploys it and waits for the number that it prints once it was refused more, or has done its worst.
    private static async Task<long> RunAsync(TestNode node, string name, string bot)
    {
        await DeployAsync(node, name, bot);
        await foreach (var line in node.LogsAsync("friends", name))
            if (line.Stream == "out" && line.Text.StartsWith("refused", StringComparison.Ordinal)) return long.Parse(line.Text.AsSpan(8), CultureInfo.InvariantCulture);
        throw new InvalidOperationException($"{name} has ended");
    }

    private static async Task<DeployReply?> DeployAsync(TestNode node, string name, string bot)
    {
        using var folder = new ProgramFolder(bot);
        var settings = new Dictionary<string, IReadOnlyList<string>> { ["disk"] = [DiskBytes.ToString(CultureInfo.InvariantCulture)] };
        DeployReply? reply = null;
        var request = new DeployRequest(folder.Path, null, name, null, settings);
        await foreach (var happened in node.Client.EventsAsync(HttpMethod.Post, "/v1/swarms/friends/deploy", JsonContent.Create(request, TestNode.Json.DeployRequest), TestNode.Json.EventDeployReply)) reply = happened.Result ?? reply;
        return reply;
    }

    private static Task<PolicyReply> SetAsync(TestNode node, string rule, string value) =>
        node.Client.PostAsync("/v1/host", new HostSetRequest(new Dictionary<string, string> { [rule] = value }), HostApiJson.Default.HostSetRequest, HostApiJson.Default.PolicyReply);
}
