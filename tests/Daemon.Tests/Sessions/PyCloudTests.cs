using System.Diagnostics;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Sessions;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Redis;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Daemon.Tests.Sessions;

public sealed class PyCloudTests : IDisposable
{
    private readonly string _home = TestNode.NewHome();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_runs_sessions_of_a_redis_until_it_is_asked_to_end_and_says_what_happens()
    {
        // 1. Two nodes; the Redis comes later, and that is said.
        await using var redis = await RedisServer.StartAsync();
        await redis.KillAsync();
        var file = Path.Combine(_home, "settings.yml");
        File.WriteAllText(file, $"hostname: localhost\nredis:\n  host: 127.0.0.1\n  port: {redis.Port}\n");
        using var stop = new CancellationTokenSource();
        var events = new List<PyCloudEvent>();
        var running = PyCloudNodes.RunAsync(_home, file, 2, Add, TimeProvider.System, stop.Token);
        await SaidAsync(happened => happened.What == "redis away");
        Assert.Equal(2, Said().Count(happened => happened.What == "up"));

        // 2. Who asks finds them; a second start ends without them, also when it had a third node up already.
        var run = PyCloudRun.Read(_home);
        Assert.Equal((Environment.ProcessId, file, 2, "pycloud"), (run!.Pid, run.Settings, run.Nodes, run.Group));
        Assert.Equal(ErrorCode.SessionNodesUp, (await Assert.ThrowsAsync<PcException>(() => PyCloudNodes.RunAsync(_home, file, 3, _ => { }, TimeProvider.System, Token))).Code);
        Assert.NotNull(PyCloudRun.Read(_home));

        // 3. A session begins, and ends with them.
        await redis.RunAsync();
        await SaidAsync(happened => happened.What == "redis");
        using var client = new LocalClient(Path.Combine(PyCloudNodes.HomeOf(_home, 1), "pc.sock"));
        var node = await client.GetAsync("/v1/sessions/node", SessionsApiJson.Default.SessionNodeReply);
        Assert.Equal(($"redis://127.0.0.1:{redis.Port}", true, "pycloud"), (node.Carrier, node.Connected, node.Group));
        var created = await CreateAsync(client);
        await SaidAsync(happened => happened.What == "started" && happened.Session == created.Id && happened.Port == created.Port);

        // 4. Its log is on one of the nodes, which the other names.
        var other = created.Cloud == node.Cloud ? 2 : 1;
        using var there = new LocalClient(Path.Combine(PyCloudNodes.HomeOf(_home, other), "pc.sock"));
        var elsewhere = $"PC{(int)ErrorCode.SessionElsewhere}";
        var said = await Asking.AgainAsync(async () => await (await there.SendAsync(HttpMethod.Get, $"/v1/sessions/{created.Id}/log")).Content.ReadAsStringAsync(Token), text => text.Contains(elsewhere, StringComparison.Ordinal));
        Assert.Contains(elsewhere, said, StringComparison.Ordinal);
        Assert.Contains($"on node {created.Cloud}", said, StringComparison.Ordinal);
        Assert.Contains("2 nodes of pc sessions run", (await SessionsCheck.ProbeAsync(_home, Token)).How, StringComparison.Ordinal);

        // 5. What is set in the home holds for the nodes in it: paused they end what runs.
        var book = new PolicyBook(Path.Combine(_home, "host.toml"), new HostPolicy(), new Dictionary<string, string>(), SystemDisk.Instance, TimeProvider.System, TimeProvider.System);
        book.Pause(null);
        await SaidAsync(happened => happened.What == "removed" && happened.Session == created.Id);
        Assert.Contains("paused", (await client.GetAsync("/v1/sessions/node", SessionsApiJson.Default.SessionNodeReply)).Refusal, StringComparison.Ordinal);
        book.Resume();
        await CreateAsync(client);

        // 6. The end.
        await stop.CancelAsync();
        Assert.Equal(0, await running);
        Assert.Equal(["ending", "ended"], Said().Select(happened => happened.What).TakeLast(2));
        Assert.Equal("1 session is ended", Said().Single(happened => happened.What == "ending").Why);
        Assert.Null(PyCloudRun.Read(_home));

        void Add(PyCloudEvent happened)
        {
            lock (events) events.Add(happened);
        }

        List<PyCloudEvent> Said()
        {
            lock (events) return [.. events];
        }

        Task SaidAsync(Predicate<PyCloudEvent> wanted) => TestNode.UntilAsync(() => Said().Exists(wanted), () => JsonSerializer.Serialize(Said()));
    }

    [Fact]
    public void A_run_file_is_believed_only_about_the_process_that_wrote_it()
    {
        Directory.CreateDirectory(PyCloudNodes.FolderOf(_home));
        var run = PyCloudRun.OfThisProcess(TimeProvider.System) with { Nodes = 1 };
        run.Write(_home);
        Assert.NotNull(PyCloudRun.Read(_home));
        // 1. The number belongs to another process by now, which must not be ended.
        using var other = Process.Start("sleep", "300");
        (run with { Pid = other.Id }).Write(_home);
        Assert.Null(PyCloudRun.Read(_home));
        other.Kill();
        other.WaitForExit();
        // 2. The machine was started again; the process ended; the file was cut off.
        (run with { Boot = "00000000-0000-0000-0000-000000000000" }).Write(_home);
        Assert.Null(PyCloudRun.Read(_home));
        (run with { Pid = other.Id }).Write(_home);
        Assert.Null(PyCloudRun.Read(_home));
        (run with { Nodes = 1_000_000 }).Write(_home);
        Assert.Null(PyCloudRun.Read(_home));
        File.WriteAllText(Path.Combine(PyCloudNodes.FolderOf(_home), "run"), "{\"pid\": 1");
        Assert.Null(PyCloudRun.Read(_home));
    }

    [Fact]
    public void A_node_has_the_rules_of_its_home_and_nothing_of_a_swarm()
    {
        File.WriteAllText(Path.Combine(_home, "config.toml"), "name = \"oak\"\n[host]\nnetwork = \"none\"\n[sessions]\nswarm = \"friends\"\nread-only = [\"/opt/games\"]\nhostname = \"oak.example.org\"\n[gateway]\nlisten = \"0.0.0.0:80\"\n");
        var home = DaemonConfig.Load(null, new Dictionary<string, string?> { ["home"] = _home }, new Dictionary<string, string?> { ["PYCLOUD_USE_DOCKER"] = "", ["PYCLOUD_GROUP"] = "eu-1" });
        var problems = new List<string>();
        var config = PyCloudNodes.ConfigOf(home, PyCloudSettings.Read("redis:\n  host: redis.example.org", problems)!, _home, 2);
        Assert.Empty(problems);
        Assert.Equal(Path.Combine(_home, "pycloud", "2"), config.Home);
        Assert.Equal((0, "127.0.0.1", false, false, null), (config.Port, config.Listen.Single(), config.Mdns, config.Relay.Use, config.Gateway.Listen));
        Assert.Equal("none", config.HostRules["network"]);
        Assert.Equal(Path.Combine(_home, "host.toml"), config.HostRulesAbove);
        Assert.Equal((null, "redis://redis.example.org:6379", "docker", "eu-1", "oak.example.org"), (config.Sessions.Swarm, config.Sessions.Redis!.ToString(), config.Sessions.Mode, config.Sessions.Group, config.Sessions.Hostname));
        Assert.Equal(["/opt/games"], config.Sessions.ReadOnly);
    }

    [Fact]
    public async Task The_id_of_a_node_is_that_of_its_identity_and_survives_a_restart()
    {
        await using var oak = await TestNode.StartAsync("oak", configure: config => config with { Sessions = new SessionsConfig { Swarm = "friends", Listen = new(System.Net.IPAddress.Loopback, 0) } });
        var cloud = oak.Node.Sessions!.Cloud;
        Assert.True(SessionNames.IsId(cloud) && SessionNames.IsOurs(cloud));
        Assert.Equal(SessionNode.CloudOf(oak.Node.Self), cloud);
        await oak.StopAsync();
        await oak.StartAgainAsync();
        Assert.Equal(cloud, oak.Node.Sessions!.Cloud);
        await using var elm = await TestNode.StartAsync("elm");
        Assert.NotEqual(cloud, SessionNode.CloudOf(elm.Node.Self));
    }

    [Theory]
    [InlineData("eu", "eu")]
    [InlineData("Our group: 1.*", "Our group: 1.*")]
    [InlineData("a\u001b[2J", "a?[2J")]
    [InlineData("", "pycloud")]
    public void A_group_of_the_environment_is_shown_and_ends_no_installation(string group, string shown)
    {
        var environment = new Dictionary<string, string?> { ["PYCLOUD_GROUP"] = group };
        Assert.Equal(shown, DaemonConfig.Load(null, new Dictionary<string, string?> { ["home"] = _home }, environment).Sessions.Group);
        File.WriteAllText(Path.Combine(_home, "config.toml"), "[sessions]\ngroup = \"us\"\n");
        Assert.Equal("us", DaemonConfig.Load(null, new Dictionary<string, string?> { ["home"] = _home }, environment).Sessions.Group);
        File.WriteAllText(Path.Combine(_home, "config.toml"), "[sessions]\ngroup = \"\"\n");
        Assert.Contains("sessions.group", Assert.Throws<PcException>(() => DaemonConfig.Load(null, new Dictionary<string, string?> { ["home"] = _home }, environment)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_with_a_group_answers_the_clients_that_know_nothing_of_it()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var oak = await TestNode.StartAsync("oak", hosts: true, configure: config => config with { Sessions = new SessionsConfig { Redis = AddressOf(redis), Group = "eu" } });
        using var client = new RawClient(redis.Port);
        await client.SendAsync("SUBSCRIBE year4000.pycloud.create.a1\r\n"u8.ToArray());
        await client.ReadUntilAsync(text => text.Contains(":1\r\n", StringComparison.Ordinal));
        // A node that is not up yet hears nothing: it is asked until it answers.
        using var asking = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var asked = Task.Run(async () =>
        {
            using var asker = new RawClient(redis.Port);
            var request = "{\"id\": \"a1\", \"script\": \"echo group $PYCLOUD_GROUP\"}";
            while (!asking.IsCancellationRequested)
            {
                await asker.SendAsync(System.Text.Encoding.ASCII.GetBytes($"*3\r\n$7\r\nPUBLISH\r\n$23\r\nyear4000.pycloud.create\r\n${request.Length}\r\n{request}\r\n"));
                await Task.WhenAny(Task.Delay(500, asking.Token));
            }
        }, Token);
        var said = await client.ReadUntilAsync(text => text.Contains("}\r\n", StringComparison.Ordinal));
        await asking.CancelAsync();
        await asked;
        Assert.DoesNotContain("error", said, StringComparison.Ordinal);
        var session = oak.Node.Sessions!.List().Sessions.Single().Id;
        await TestNode.UntilAsync(() => System.Text.Encoding.UTF8.GetString(oak.Node.Sessions.Log(session)) == "group eu\n");
    }

    public void Dispose() => Directory.Delete(_home, recursive: true);

    private static RedisAddress AddressOf(RedisServer redis) => RedisAddress.TryParse($"redis://127.0.0.1:{redis.Port}", out var address) ? address : throw new InvalidOperationException();

    private static Task<SessionCreatedReply> CreateAsync(LocalClient client) =>
        Asking.AgainAsync(() => client.PostAsync("/v1/sessions", new SessionCreateRequest("exec sleep 300"), SessionsApiJson.Default.SessionCreateRequest, SessionsApiJson.Default.SessionCreatedReply));
}
