using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Sessions;
using PeoplesCloud.Daemon.Tests.Crash;
using PeoplesCloud.Daemon.Tests.Mesh;
using PeoplesCloud.Runtimes.Tests.Docker;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Sessions;

public sealed class SessionNodeTests
{
    private const string Server = """
        #!/usr/bin/env python3
        import os, socket
        tcp = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))
        print('ready', flush=True)
        while True:
          c, _ = tcp.accept()
          c.sendall(b'hello ' + c.recv(100)); c.close()
        """;

    private static SessionsApiJson Json => SessionsApiJson.Default;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_of_one_member_gets_a_session_on_the_member_that_hosts_and_people_see_and_end_it()
    {
        // 1. oak serves the client and hosts nothing; elm hosts.
        await using var oak = await StartAsync("oak", hosts: false);
        await using var elm = await StartAsync("elm", hosts: true);
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        await TestNode.UntilAsync(() => oak.Node.Channels!.Channels.Connected.Count == 1 && elm.Node.Channels!.Channels.Connected.Count == 1);

        // 2. As a client of Redis: the answer says where the server is, and it is there.
        using var client = new RedisLine(oak.Node.Channels!.Endpoint.Address);
        using var publisher = new RedisLine(oak.Node.Channels!.Endpoint.Address);
        await client.AskAsync("PSUBSCRIBE", "year4000.pycloud.create.*");
        JsonElement answer;
        var attempt = 0;
        do
        {
            // On a busy machine the ranks of elm may not be heard for a while: then oak says why it takes none, and a client asks again.
            await publisher.AskAsync("PUBLISH", "year4000.pycloud.create", JsonSerializer.Serialize(new { id = $"a{++attempt}", script = Server }));
            answer = JsonDocument.Parse(await client.JsonAsync()).RootElement;
        }
        while (answer.TryGetProperty("error", out _) && attempt < 40);
        Assert.Equal(elm.Node.Sessions!.List().Cloud, answer.GetProperty("cloud").GetString());
        Assert.Equal("hello you", await SayAsync(answer.GetProperty("port").GetInt32(), "you"));

        // 3. As people: a second one by the local API of oak, seen on elm.
        var created = await Asking.AgainAsync(() => oak.Client.PostAsync("/v1/sessions", new SessionCreateRequest(Server), Json.SessionCreateRequest, Json.SessionCreatedReply));
        Assert.Equal("hello you", await SayAsync(created.Port!.Value, "you"));
        var list = await elm.Client.GetAsync("/v1/sessions", Json.SessionsReply);
        Assert.Equal(new[] { answer.GetProperty("id").GetString(), created.Id }.Order(StringComparer.Ordinal), list.Sessions.Select(session => session.Id));
        Assert.Equal("ready\n", await (await elm.Client.SendAsync(HttpMethod.Get, $"/v1/sessions/{created.Id}/log")).Content.ReadAsStringAsync(Token));
        // 4. Over the mesh too: oak asks who has it. A member of another swarm of elm is told nothing.
        Assert.Equal("ready\n", await Asking.AgainAsync(async () => await (await oak.Client.SendAsync(HttpMethod.Get, $"/v1/sessions/{created.Id}/log")).Content.ReadAsStringAsync(Token), text => text == "ready\n"));
        _ = await elm.CreateAsync("others");
        var others = elm.Node.Swarms.Require("others");
        await using var ash = await new MeshPeer("ash", elm).AdmittedAsync(others, Role.Member);
        Assert.Equal($"PC{(int)ErrorCode.SessionNotFound}", (await ash.AskAsync("POST", $"/mesh/v1/swarms/{others.Id}/sessions/{created.Id}/log")).Error!.Code);
        var unknown = await oak.Client.SendAsync(HttpMethod.Get, "/v1/sessions/abcdef/log");
        Assert.Contains($"PC{(int)ErrorCode.SessionNotFound}", await unknown.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);

        // 5. The end.
        Assert.Equal(created.Id, (await Asking.AgainAsync(() => oak.Client.PostAsync($"/v1/sessions/{created.Id}/remove", Json.SessionRemovedReply))).Id);
        var gone = await Assert.ThrowsAsync<ApiException>(() => oak.Client.PostAsync($"/v1/sessions/{created.Id}/remove", Json.SessionRemovedReply));
        Assert.Equal($"PC{(int)ErrorCode.SessionNotFound}", gone.Reply.Code);
        Assert.Single((await elm.Client.GetAsync("/v1/sessions", Json.SessionsReply)).Sessions);
    }

    [Fact]
    public async Task Sessions_in_Docker_go_on_when_the_daemon_is_killed_or_stopped()
    {
        // Goal: the same process, on the same port and with a network, in three lives of its node; none in later ones, that run sandboxes or have no engine. It counts who came, and says how many routes it has.
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        var counting = Server.Replace("b'hello ' + c.recv(100)", "b'%d %d ' % (n := n + 1, open('/proc/net/route').read().count('eth0')) + c.recv(100)", StringComparison.Ordinal).Replace("print(", "n = 0; print(", StringComparison.Ordinal);
        var script = $"{Dockerd.Image}\n{{\"port\": 8000, \"environment\": {{\"PORT\": 8000}}, \"command\": {JsonSerializer.Serialize(new[] { "python3", "-c", counting })}}}";
        var home = TestNode.NewHome();
        await using var engine = await Dockerd.StartAsync();
        SessionCreatedReply created;
        string routes;
        // 1. A first life, that is killed.
        await using (var first = await DaemonProcess.StartWithSessionsAsync(home, "elm", engine.Socket))
        {
            using var client = new LocalClient(Path.Combine(home, "pc.sock"));
            _ = await client.PostAsync("/v1/swarms", new CreateRequest("friends"), TestNode.Json.CreateRequest, TestNode.Json.SwarmReply);
            created = await client.PostAsync("/v1/sessions", new SessionCreateRequest(script), Json.SessionCreateRequest, Json.SessionCreatedReply);
            routes = (await SayAsync(created.Port!.Value, "you")).Split(' ')[1];
            Assert.NotEqual("0", routes);
            var refused = await Assert.ThrowsAsync<ApiException>(() => client.PostAsync("/v1/sessions", new SessionCreateRequest("none-of-this-name:1\n{'port': 1}"), Json.SessionCreateRequest, Json.SessionCreatedReply));
            Assert.Equal($"PC{(int)ErrorCode.DockerImageMissing}", refused.Reply.Code);
            await first.KillAsync();
        }
        // 2. A second and a third, that are stopped.
        await using (var elm = await TestNode.StartAsync("elm", hosts: true, home, configure: config => DaemonProcess.WithSessions(config, engine.Socket)))
        {
            for (var life = 2; life <= 3; life++)
            {
                SessionInfo? session = null;
                await TestNode.UntilAsync(() => (session = elm.Node.Sessions!.List().Sessions.SingleOrDefault()) is not null);
                Assert.Equal(new SessionInfo(created.Id, "running", null, created.Port.Value, 0), session);
                Assert.Equal($"{life} {routes} you", await SayAsync(created.Port.Value, "you"));
                Assert.Equal("ready\n", await (await elm.Client.SendAsync(HttpMethod.Get, $"/v1/sessions/{created.Id}/log")).Content.ReadAsStringAsync(Token));
                if (life == 3) break;
                await elm.StopAsync();
                await elm.StartAgainAsync(hosts: true);
            }
            Assert.Equal(created.Id, (await elm.Client.PostAsync($"/v1/sessions/{created.Id}/remove", Json.SessionRemovedReply)).Id);
            Assert.Equal("", await engine.RunAsync("ps", "--all", "--quiet"));
            created = await elm.Client.PostAsync("/v1/sessions", new SessionCreateRequest(script), Json.SessionCreateRequest, Json.SessionCreatedReply);
        }
        // 3. A fourth, whose sessions run in sandboxes: it removes what the others left.
        await using (var elm = await TestNode.StartAsync("elm", hosts: true, home, configure: config =>
        {
            var before = DaemonProcess.WithSessions(config, engine.Socket);
            return before with { Sessions = before.Sessions with { Mode = "sandbox" } };
        }))
        {
            Assert.Equal("", await engine.RunAsync("ps", "--all", "--quiet"));
            await TestNode.UntilAsync(() => elm.Node.Sessions!.List().Sessions.Count == 1);
            Assert.Equal(new SessionInfo(created.Id, "ended", null, 0, 0), elm.Node.Sessions!.List().Sessions[0]);
        }
        // 4. A fifth, without the engine: it says so.
        await using (var elm = await TestNode.StartAsync("elm", hosts: true, home, configure: config => DaemonProcess.WithSessions(config, engine.Socket)))
        {
            await engine.KillAsync();
            await TestNode.UntilAsync(() => elm.Node.Sessions!.Obstacle is not null);
            var away = await Assert.ThrowsAsync<ApiException>(() => elm.Client.PostAsync("/v1/sessions", new SessionCreateRequest(script), Json.SessionCreateRequest, Json.SessionCreatedReply));
            Assert.Equal($"PC{(int)ErrorCode.DockerUnreachable}", away.Reply.Code);
        }
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public async Task Doctor_says_when_no_engine_answers_that_sessions_are_to_run_in()
    {
        var home = TestNode.NewHome();
        try
        {
            var config = $"[host]\ndocker = \"unix://{home}/none.sock\"\n[sessions]\nswarm = \"friends\"\nmode = \"docker\"\n";
            await File.WriteAllTextAsync(Path.Combine(home, "config.toml"), config, Token);
            var report = (await SessionsCheck.ProbeDockerAsync(home, Token))!;
            Assert.False(report.Holds);
            Assert.Contains($"no Docker answers at {home}/none.sock", report.How, StringComparison.Ordinal);
            Assert.Contains("try: ", report.How, StringComparison.Ordinal);
            await File.WriteAllTextAsync(Path.Combine(home, "config.toml"), config.Replace("mode = \"docker\"", "mode = \"sandbox\"", StringComparison.Ordinal), Token);
            Assert.Null(await SessionsCheck.ProbeDockerAsync(home, Token));
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    [Fact]
    public async Task A_node_without_sessions_says_how_to_have_them()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var off = await Assert.ThrowsAsync<ApiException>(() => oak.Client.GetAsync("/v1/sessions", Json.SessionsReply));
        Assert.Equal($"PC{(int)ErrorCode.SessionsOff}", off.Reply.Code);
    }

    private static Task<TestNode> StartAsync(string name, bool hosts) => TestNode.StartAsync(name, hosts, configure: config => config with
    {
        Sessions = new SessionsConfig { Swarm = "friends", Listen = new IPEndPoint(IPAddress.Loopback, 0), Hostname = "localhost" },
        HostRules = new Dictionary<string, string>(StringComparer.Ordinal) { ["network"] = "none" },
    });

    private static async Task<string> SayAsync(int port, string word)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, Token);
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(word), Token);
        using var reader = new StreamReader(client.GetStream());
        return await reader.ReadToEndAsync(Token).WaitAsync(TestNode.Patience, Token);
    }

    /// <summary>A connection of a client of Redis.</summary>
    private sealed class RedisLine : IDisposable
    {
        private readonly TcpClient _client = new();

        public RedisLine(EndPoint address) => _client.Connect((IPEndPoint)address);

        public async Task AskAsync(params string[] words)
        {
            var text = $"*{words.Length}\r\n" + string.Concat(words.Select(word => $"${Encoding.UTF8.GetByteCount(word)}\r\n{word}\r\n"));
            await _client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(text), Token);
            Assert.NotEqual("", await ReadAsync(text => text.EndsWith("\r\n", StringComparison.Ordinal)));
        }

        public async Task<string> JsonAsync()
        {
            var text = await ReadAsync(text => text.Contains('}', StringComparison.Ordinal));
            return text[text.IndexOf('{', StringComparison.Ordinal)..(text.LastIndexOf('}') + 1)];
        }

        public void Dispose() => _client.Dispose();

        private async Task<string> ReadAsync(Func<string, bool> isEnough)
        {
            var (text, buffer) = ("", new byte[64 << 10]);
            while (!isEnough(text))
            {
                var read = await _client.GetStream().ReadAsync(buffer, Token).AsTask().WaitAsync(TestNode.Patience, Token);
                Assert.True(read > 0, $"the connection ended after {text}");
                text += Encoding.UTF8.GetString(buffer, 0, read);
            }
            return text;
        }
    }
}
