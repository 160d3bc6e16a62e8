using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Tests.Hosting;

namespace PeoplesCloud.Sessions.Tests;

/// <summary>Three nodes with real sandboxes, and a client that publishes and hears.</summary>
public sealed class SessionServiceTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(SessionAgreement.Claimed)]
    [InlineData(SessionAgreement.Coordinated)]
    public async Task Sessions_are_created_asked_after_and_removed_over_three_nodes(SessionAgreement agreement)
    {
        await using var club = await Club.StartAsync(agreement, nodes: 3);
        // 1. As many as a burst of a game network, each reached where its answer says.
        var answers = await Task.WhenAll(Enumerable.Range(0, 9).Select(i => club.AskAsync(SessionVerb.Create, $$"""{"id": "a{{i}}", "script": {{JsonSerializer.Serialize(Scripts.Echo)}}}""", $"a{i}")));
        foreach (var answer in answers)
        {
            Assert.False(answer.TryGetProperty("error", out var error), error.ToString());
            Assert.Equal("tcp hi", await TcpAsync(answer.GetProperty("port").GetInt32()));
        }
        Assert.Equal(9, answers.Select(answer => answer.GetProperty("id").GetString()).Distinct(StringComparer.Ordinal).Count());

        // 2. Status tells the truth, and a repeated request its first answer.
        var first = answers[0].GetProperty("id").GetString()!;
        Assert.True((await AskUntilAsync(SessionVerb.Status, first, 'e', answer => answer.GetProperty("status").GetBoolean())).GetProperty("status").GetBoolean());
        var again = await club.AskAsync(SessionVerb.Create, """{"id": "a0", "script": "true"}""", "a0");
        Assert.True(JsonElement.DeepEquals(answers[0], again));
        Assert.False((await club.AskAsync(SessionVerb.Status, """{"id": "b2", "session": "ffff"}""", "b2")).GetProperty("status").GetBoolean());
        Assert.Equal("PC7100", (await club.AskAsync(SessionVerb.Status, """{"id": "b3", "session": 5}""", "b3")).GetProperty("error").GetProperty("code").GetString());

        // 3. What ends by itself is told as it is.
        var short_ = await club.AskAsync(SessionVerb.Create, """{"id": "c1", "script": "exit 3"}""", "c1");
        var exited = await AskUntilAsync(SessionVerb.Status, short_.GetProperty("id").GetString()!, 'c', answer => answer.TryGetProperty("state", out _));
        Assert.Equal(("exited", 3), (exited.GetProperty("state").GetString(), exited.GetProperty("exit").GetInt32()));

        // 4. Removed, it is not reached any more.
        var removed = await AskUntilAsync(SessionVerb.Remove, first, 'd', answer => answer.GetProperty("status").GetBoolean());
        Assert.True(removed.GetProperty("status").GetBoolean());
        await Assert.ThrowsAsync<SocketException>(() => TcpAsync(answers[0].GetProperty("port").GetInt32()));
        Assert.False((await club.AskAsync(SessionVerb.Status, $$"""{"id": "b4", "session": "{{first}}"}""", "b4")).GetProperty("status").GetBoolean());
        Assert.All(club.Answers, answer => Assert.True(answer.Value == 1 || answer.Key.EndsWith(".a0", StringComparison.Ordinal), $"{answer.Key} has {answer.Value} answers"));

        // On a busy machine its node may not be heard for a while: then nobody runs it.
        async Task<JsonElement> AskUntilAsync(SessionVerb verb, string session, char prefix, Func<JsonElement, bool> isEnough)
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            for (var attempt = 16; ; attempt++)
            {
                var id = prefix + attempt.ToString("x", CultureInfo.InvariantCulture);
                var answer = await club.AskAsync(verb, JsonSerializer.Serialize(new { id, session }), id);
                if (isEnough(answer) || clock.Elapsed > Patience) return answer;
                await Task.Delay(20, Token);
            }
        }
    }

    [Fact]
    public async Task The_same_request_at_two_endpoints_of_a_swarm_at_once_has_one_answer_and_one_session()
    {
        await using var club = await Club.StartAsync(SessionAgreement.Coordinated, nodes: 3);
        for (var i = 0; i < 10; i++)
        {
            var payload = Encoding.UTF8.GetBytes($$"""{"id": "e{{i}}", "script": "exec sleep 600"}""");
            await Task.WhenAll(Enumerable.Range(0, 2).Select(at => Task.Run(() => club.PublishAsync(at, "year4000.pycloud.create", payload), Token)));
        }
        await Club.UntilAsync(() => Enumerable.Range(0, 10).All(i => club.Answers.ContainsKey($"year4000.pycloud.create.e{i}")));
        await Club.UntilAsync(() => club.Running == 10);
        for (var i = 0; i < 10; i++) Assert.Equal(1, club.Answers[$"year4000.pycloud.create.e{i}"]);
    }

    [Fact]
    public async Task A_request_of_a_nodes_own_people_that_was_lost_is_made_again()
    {
        var channels = new LosesTheFirst(new LocalChannels(null), SessionNames.ChannelOf(SessionVerb.Status));
        await using var folder = new SandboxFolder();
        var service = new SessionService(
            SessionNames.CloudId([1, 2, 3, 4, 5, 6]), new SessionEngineOptions { Agreement = SessionAgreement.Claimed }, channels, new MemoryClaims(TimeProvider.System, channels.Under), folder.Host,
            () => new SessionLoad(10, 10, null), () => "aa", TimeProvider.System, NullLogger.Instance);
        using var stopping = new CancellationTokenSource();
        var running = service.RunAsync(stopping.Token);
        var answer = await service.AskAsync(SessionVerb.Status, "e1", new Dictionary<string, string>(StringComparer.Ordinal) { ["session"] = "ffff" }, Token).WaitAsync(Patience, Token);
        Assert.True(channels.HasLost);
        Assert.False(JsonDocument.Parse(answer).RootElement.GetProperty("status").GetBoolean());
        await stopping.CancelAsync();
        await running;
    }

    private sealed class LosesTheFirst(LocalChannels under, string channel) : IChannels
    {
        public LocalChannels Under => under;

        public bool HasLost { get; private set; }

        public ValueTask<int> PublishAsync(string to, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
        {
            if (HasLost || to != channel) return under.PublishAsync(to, payload, cancellationToken);
            HasLost = true;
            return ValueTask.FromResult(0);
        }

        public IDisposable Subscribe(string channelOrPattern, Action<ChannelMessage> heard) => under.Subscribe(channelOrPattern, heard);
    }

    private static async Task<string> TcpAsync(int port)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, Token);
        await client.GetStream().WriteAsync("hi"u8.ToArray(), Token);
        var answer = new MemoryStream();
        await client.GetStream().CopyToAsync(answer, Token).WaitAsync(Patience, Token);
        return Encoding.UTF8.GetString(answer.ToArray());
    }

    /// <summary>The nodes and the client.</summary>
    private sealed class Club : IAsyncDisposable
    {
        private readonly List<SandboxFolder> _hosts = [];
        private readonly List<Task> _running = [];
        private readonly CancellationTokenSource _stopping = new();
        private readonly List<LocalChannels> _channels = [];

        /// <summary>How many answers each channel had.</summary>
        public ConcurrentDictionary<string, int> Answers { get; } = new(StringComparer.Ordinal);

        public static async Task<Club> StartAsync(SessionAgreement agreement, int nodes)
        {
            var club = new Club();
            MemoryClaims? claims = null;
            for (var i = 0; i < nodes; i++)
            {
                var channels = new LocalChannels(club._channels.FirstOrDefault());
                club._channels.Add(channels);
                claims ??= agreement == SessionAgreement.Claimed ? new MemoryClaims(TimeProvider.System, channels) : null;
                var host = new SandboxFolder();
                club._hosts.Add(host);
                var cloud = SessionNames.CloudId([1, 2, 3, 4, 5, (byte)i]);
                var counter = 0;
                var service = new SessionService(
                    cloud, new SessionEngineOptions { Agreement = agreement }, channels, claims, host.Host, () => new SessionLoad(10, 10, null),
                    () => cloud[6..14] + Interlocked.Increment(ref counter).ToString("x8", CultureInfo.InvariantCulture), TimeProvider.System, NullLogger.Instance);
                club._running.Add(Task.Run(() => service.RunAsync(club._stopping.Token), Token));
            }
            // A moment until every node has been heard by every other: three ranks each.
            var heard = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
            var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using (club._channels[0].Subscribe(SessionNames.Rank, message =>
            {
                var id = JsonDocument.Parse(message.Payload).RootElement.GetProperty("id").GetString()!;
                heard.AddOrUpdate(id, 1, (_, count) => count + 1);
                if (heard.Count == nodes && heard.Values.All(count => count >= 3)) all.TrySetResult();
            })) await all.Task.WaitAsync(Patience, Token);
            foreach (var verb in new[] { "create", "status", "remove" }) club._channels[^1].Subscribe($"year4000.pycloud.{verb}.*", message => club.Answers.AddOrUpdate(message.Channel, 1, (_, count) => count + 1));
            return club;
        }

        /// <summary>Sessions that run, on all nodes.</summary>
        public int Running => _hosts.Sum(host => host.Host.Sessions.Count(session => session.State == SessionState.Running));

        public Task<int> PublishAsync(int node, string channel, byte[] payload) => _channels[node].PublishAsync(channel, payload, Token).AsTask();

        public static async Task UntilAsync(Func<bool> holds)
        {
            for (var clock = System.Diagnostics.Stopwatch.StartNew(); !holds(); await Task.Delay(10, Token)) Assert.True(clock.Elapsed < Patience, "it never came to that");
        }

        public async Task<JsonElement> AskAsync(SessionVerb verb, string payload, string id)
        {
            var channel = $"{SessionNames.ChannelOf(verb)}.{id}";
            var answered = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var hearing = _channels[0].Subscribe(channel, message => answered.TrySetResult(JsonDocument.Parse(message.Payload).RootElement));
            await _channels[0].PublishAsync(SessionNames.ChannelOf(verb), Encoding.UTF8.GetBytes(payload), Token);
            return await answered.Task.WaitAsync(Patience, Token);
        }

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await Task.WhenAll(_running);
            foreach (var host in _hosts) await host.DisposeAsync();
            _stopping.Dispose();
        }
    }
}
