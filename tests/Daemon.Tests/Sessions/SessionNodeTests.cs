using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Runtimes.Tests.Docker;

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
        var created = await oak.Client.PostAsync("/v1/sessions", new SessionCreateRequest(Server), Json.SessionCreateRequest, Json.SessionCreatedReply);
        Assert.Equal("hello you", await SayAsync(created.Port!.Value, "you"));
        var list = await elm.Client.GetAsync("/v1/sessions", Json.SessionsReply);
        Assert.Equal(new[] { answer.GetProperty("id").GetString(), created.Id }.Order(StringComparer.Ordinal), list.Sessions.Select(session => session.Id));
        Assert.Equal("ready\n", await (await elm.Client.SendAsync(HttpMethod.Get, $"/v1/sessions/{created.Id}/log")).Content.ReadAsStringAsync(Token));
        Assert.Equal(created.Id, (await oak.Client.PostAsync($"/v1/sessions/{created.Id}/remove", Json.SessionRemovedReply)).Id);
        var gone = await Assert.ThrowsAsync<ApiException>(() => oak.Client.PostAsync($"/v1/sessions/{created.Id}/remove", Json.SessionRemovedReply));
        Assert.Equal($"PC{(int)ErrorCode.SessionNotFound}", gone.Reply.Code);
        Assert.Single((await elm.Client.GetAsync("/v1/sessions", Json.SessionsReply)).Sessions);
    }

    [Fact]
    public async Task Sessions_in_Docker_are_the_same_after_the_daemon_was_started_again()
    {
        Assert.SkipWhen(Dockerd.Obstacle is not null, Dockerd.Obstacle ?? "");
        await using var engine = await Dockerd.StartAsync();
        await using var elm = await TestNode.StartAsync("elm", hosts: true, configure: config => config with
        {
            Docker = $"unix://{engine.Socket}",
            Sessions = new SessionsConfig { Swarm = "friends", Listen = new IPEndPoint(IPAddress.Loopback, 0), Hostname = "localhost", Mode = "docker" },
            HostRules = new Dictionary<string, string>(StringComparer.Ordinal) { ["network"] = "none" },
        });
        await elm.CreateAsync("friends");
        var words = JsonSerializer.Serialize(new[] { "python3", "-c", Server });
        var script = $"{Dockerd.Image}\n{{\"port\": 8000, \"environment\": {{\"PORT\": 8000}}, \"command\": {words}}}";
        var created = await elm.Client.PostAsync("/v1/sessions", new SessionCreateRequest(script), Json.SessionCreateRequest, Json.SessionCreatedReply);
        Assert.Equal("hello you", await SayAsync(created.Port!.Value, "you"));
        var refused = await Assert.ThrowsAsync<ApiException>(() => elm.Client.PostAsync("/v1/sessions", new SessionCreateRequest("none-of-this-name:1\n{'port': 1}"), Json.SessionCreateRequest, Json.SessionCreatedReply));
        Assert.Equal($"PC{(int)ErrorCode.DockerImageMissing}", refused.Reply.Code);

        await elm.StopAsync();
        await elm.StartAgainAsync(hosts: true);
        SessionInfo? session = null;
        await TestNode.UntilAsync(() => (session = elm.Node.Sessions!.List().Sessions.SingleOrDefault()) is not null);
        Assert.Equal(new SessionInfo(created.Id, "running", null, created.Port.Value, 0), session);
        Assert.Equal("hello again", await SayAsync(created.Port.Value, "again"));
        Assert.Equal("ready\n", await (await elm.Client.SendAsync(HttpMethod.Get, $"/v1/sessions/{created.Id}/log")).Content.ReadAsStringAsync(Token));
        Assert.Equal(created.Id, (await elm.Client.PostAsync($"/v1/sessions/{created.Id}/remove", Json.SessionRemovedReply)).Id);
        Assert.Equal("", await engine.RunAsync("ps", "--all", "--quiet"));

        // Without the engine the node says so, and doctor does.
        await engine.KillAsync();
        engine.KillContainers();
        await TestNode.UntilAsync(() => elm.Node.Sessions!.Obstacle is not null);
        var away = await Assert.ThrowsAsync<ApiException>(() => elm.Client.PostAsync("/v1/sessions", new SessionCreateRequest(script), Json.SessionCreateRequest, Json.SessionCreatedReply));
        Assert.Equal($"PC{(int)ErrorCode.DockerUnreachable}", away.Reply.Code);
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
