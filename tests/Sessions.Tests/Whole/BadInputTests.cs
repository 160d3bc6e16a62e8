using System.Globalization;
using System.Text;
using System.Text.Json;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Tests.Hosting;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Whole;

/// <summary>What anybody may publish, at a whole node on Debian's redis-server: each is answered as the protocol says, or by nothing, and the node goes on.</summary>
public sealed class BadInputTests
{
    private const string Invalid = "PC7100";
    private const string Refused = "PC7101";
    private static readonly string Mark = $"6{Environment.ProcessId.ToString("000000", CultureInfo.InvariantCulture)}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_no_request_is_answered_by_an_error_when_its_id_can_be_read_and_by_nothing_otherwise()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var node = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, node);
        var expected = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (payload, id, code) in NoRequests())
        {
            foreach (var verb in Enum.GetValues<SessionVerb>())
            {
                await client.TryPublishAsync(SessionNames.ChannelOf(verb), payload);
                if (id is not null) expected[new RequestKey(verb, id).AnswerChannel] = code!;
            }
        }
        foreach (var (payload, id, code) in NoCreates())
        {
            await client.TryPublishAsync(SessionVerb.Create, payload);
            expected[new RequestKey(SessionVerb.Create, id).AnswerChannel] = code;
        }
        foreach (var session in new[] { "null", "5", "\"\"", "\"../etc\"", "\"A1\"", "[]", $"\"{new string('a', 1 << 20)}\"" })
        {
            foreach (var verb in new[] { SessionVerb.Status, SessionVerb.Remove })
            {
                var id = $"dd{expected.Count:x4}";
                await client.TryPublishAsync(verb, $$"""{"id": "{{id}}", "session": {{session}}}""");
                expected[new RequestKey(verb, id).AnswerChannel] = Invalid;
            }
        }

        // What was published before this has been read by the time that this is answered; errors may still be on their way.
        var good = await client.CreateAsync("99", $"exec sleep {Mark}1");
        Assert.True(good.TryGetProperty("port", out _), good.ToString());
        expected[new RequestKey(SessionVerb.Create, "99").AnswerChannel] = "";
        await TestVillage.UntilAsync(() => Answered(client).Count() >= expected.Count);
        Assert.Equal(expected.Select(one => $"{one.Key} {one.Value}"), Answered(client).Order(StringComparer.Ordinal));
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "1") == 1);
    }

    [Fact]
    public async Task Scripts_that_cannot_begin_are_refused_and_those_that_fail_at_once_are_told_as_ended()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var node = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, node);
        string[] cannot = ["#!/no/such\necho", "#!/usr/share/dict/none\n", "#!/etc/hostname\necho", "#!/bin/sh\r\necho\r\n", "#!\n", $"#!/bin/{new string('x', 4000)}\n", "#!/usr/lib\n", "#!../bin/sh\n"];
        foreach (var (script, i) in cannot.Select((script, i) => (script, i)))
        {
            var answer = await client.CreateAsync($"a{i:x2}", script);
            Assert.Equal(Refused, answer.GetProperty("error").GetProperty("code").GetString());
        }
        foreach (var (script, code, id) in new[] { ("exit 3", 3, "b1"), ("#!/bin/sh\nkill -9 $$", 137, "b2"), ("no-such-program-anywhere", 127, "b3"), ("if", 2, "b4"), ("\u0001\u0002\u0003", 127, "b5") })
        {
            var created = await client.CreateAsync(id, script);
            JsonElement status;
            var attempt = 0;
            do status = await client.AskAsync(SessionVerb.Status, $"{id}{attempt++:x4}", created);
            while (status.GetProperty("status").GetBoolean());
            Assert.Equal(("exited", code), (status.GetProperty("state").GetString(), status.GetProperty("exit").GetInt32()));
        }
    }

    [Fact]
    public async Task Ranks_of_nonsense_or_from_the_future_starve_nobody()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var node = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, node);
        var ours = SessionNames.CloudId([1, 2, 3, 4, 5, 6]);
        string[] nonsense =
        [
            """{"id": "6b5f271b", "score": NaN, "time": 1, "sessions": []}""", """{"id": "6b5f271b", "score": 1e999, "time": 1e999, "sessions": []}""",
            """{"id": "6b5f271b", "score": "0", "time": 99999999999, "sessions": []}""", """{"id": 5, "score": 0, "time": 99999999999, "sessions": []}""",
            """{"id": "6b5f271b", "score": -1e300, "time": 99999999999, "sessions": []}""", $$"""{"id": "{{ours}}", "score": -1e300, "time": 99999999999, "sessions": ["99"]}""",
            """{"id": "6b5f271b", "score": 0, "time": 99999999999, "sessions": {"a": [[]]}}""", "[", "", $$"""{"id": "{{node.Cloud}}", "score": 1e300, "time": 99999999999, "sessions": []}""",
        ];
        using var stop = new CancellationTokenSource();
        var shouting = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var rank in nonsense) await client.TryPublishAsync(SessionNames.Rank, Encoding.UTF8.GetBytes(rank));
                await Task.Delay(200, Token);
            }
        }, Token);
        // Each published once: whoever shouts louder takes none of them away.
        for (var i = 0; i < 4; i++)
        {
            await client.TryPublishAsync(SessionVerb.Create, $$"""{"id": "a{{i}}", "script": "exit 0"}""");
            await TestVillage.UntilAsync(() => client.AnswersTo(SessionVerb.Create, $"a{i}").Count == 1);
            Assert.Contains(node.Cloud, client.AnswersTo(SessionVerb.Create, $"a{i}")[0], StringComparison.Ordinal);
        }
        await stop.CancelAsync();
        await shouting;
    }

    [Fact]
    public async Task Ten_thousand_requests_at_once_are_answered_once_each_by_a_session_or_a_clear_error()
    {
        const int count = 10_000;
        await using var redis = await RedisServer.StartAsync();
        await using var node = await WholeNode.StartAsync(redis, sessions: 16, requests: 40);
        await using var client = await WholeClient.StartAsync(redis, node);
        using var raw = new RawClient(redis.Port);
        var commands = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            var payload = $$"""{"id": "{{i:x}}", "script": "exit 0"}""";
            commands.Append(CultureInfo.InvariantCulture, $"*3\r\n$7\r\nPUBLISH\r\n$23\r\n{SessionNames.ChannelOf(SessionVerb.Create)}\r\n${payload.Length}\r\n{payload}\r\n");
        }
        await raw.SendAsync(commands.ToString());
        await TestVillage.UntilAsync(() => client.All(SessionVerb.Create).Count == count);
        var codes = client.All(SessionVerb.Create).GroupBy(one => CodeOf(Assert.Single(one.Answers)), StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        Assert.True(codes[""] >= 40, $"{codes[""]} sessions were started");
        Assert.True(codes["PC7102"] > count / 2, $"{codes["PC7102"]} were refused");
        Assert.Subset(new HashSet<string>(["", "PC7102", "PC7103"]), codes.Keys.ToHashSet(StringComparer.Ordinal));
        Assert.True((await client.CreateAsync("fffff", "exit 0")).TryGetProperty("port", out _));
    }

    [Fact]
    public async Task A_redis_that_goes_in_the_middle_of_a_create_and_stays_away_leaves_no_orphan()
    {
        var script = $"exec sleep {Mark}5";
        await using var redis = await RedisServer.StartAsync();
        await using var node = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, node);
        node.HoldStarts();
        await client.TryPublishAsync(SessionVerb.Create, JsonSerializer.Serialize(new { id = "a1", script }));
        await TestVillage.UntilAsync(() => client.CommandAsync("GET", "year4000.pycloud.answer.create.a1").GetAwaiter().GetResult().Text == node.Cloud);
        await redis.KillAsync();
        node.Release();

        // It begins, nobody can be told, and after a while it ends.
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "5") == 1);
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "5") == 0);

        // Who asks again when the Redis is back gets one.
        await redis.RunAsync();
        Assert.True((await client.CreateAsync("a1", script)).TryGetProperty("port", out _));
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "5") == 1);
        Assert.Single(client.AnswersTo(SessionVerb.Create, "a1").Distinct(StringComparer.Ordinal));
    }

    private static IEnumerable<(byte[] Payload, string? Id, string? Code)> NoRequests()
    {
        foreach (var text in new[] { "", "not json", "[1, 2]", "[]", "\"text\"", "5", "null", "\0", "{", "{\"id\"", "{}", "{\"script\": \"true\", \"session\": \"aa\"}", "{\"id\": null, \"script\": \"true\"}", "{\"id\": [\"aa\"], \"script\": \"true\"}", "{\"id\": {\"a\": 1}}", "{\"id\": \"\"}", "{\"id\": \"a\\nb\", \"script\": \"true\"}" })
            yield return (Encoding.UTF8.GetBytes(text), null, null);
        yield return ([0xff, 0xfe, 0x7b], null, null);
        yield return (Encoding.UTF8.GetBytes($$"""{"id": "{{new string('a', 1 << 20)}}", "script": "true"}"""), null, null);
        foreach (var id in new[] { "a b", "a.b", "ABC", "xyz", "..", "*" }) yield return (Encoding.UTF8.GetBytes($$"""{"id": "{{id}}", "script": "true", "session": "aa"}"""), id, Invalid);
        yield return ("""{"id": 5, "script": "true", "session": "aa"}"""u8.ToArray(), "5", Invalid);
        yield return ("""{"id": "e0", "script": """u8.ToArray(), "e0", Invalid);
        yield return ("""{"id": "e1", "script": "true", "session": "aa"} {}"""u8.ToArray(), "e1", Invalid);
        yield return (Encoding.UTF8.GetBytes($$"""{"id": "e2", "x": {{new string('[', 1000)}}{{new string(']', 1000)}}, "script": "true", "session": "aa"}"""), "e2", Invalid);
    }

    private static IEnumerable<(string Payload, string Id, string Code)> NoCreates()
    {
        foreach (var (script, i) in new[] { "null", "5", "[]", "{}", "\"\"", "\"  \\n\"", "\"a\\u0000b\"", "\"true\", \"idle\": 5", "\"true\", \"idle\": \"0s\"", "\"true\", \"idle\": \"soon\"" }.Select((script, i) => (script, i)))
            yield return ($$"""{"id": "c{{i:x2}}", "script": {{script}}}""", $"c{i:x2}", Invalid);
        yield return ("""{"id": "cc"}""", "cc", Invalid);
        yield return ($$"""{"id": "cd", "script": "{{new string('#', 10_000_000)}}"}""", "cd", Refused);
        yield return ($$"""{"id": "ce", "script": "{{new string('#', (1 << 20) + 1)}}"}""", "ce", Refused);
    }

    // Each answer as its channel and the code of its error; one that came twice is there twice.
    private static IEnumerable<string> Answered(WholeClient client) =>
        Enum.GetValues<SessionVerb>().SelectMany(client.All).SelectMany(one => one.Answers.Select(answer => $"{one.Channel} {CodeOf(answer)}"));

    private static string CodeOf(string answer) => JsonDocument.Parse(answer).RootElement.TryGetProperty("error", out var error) ? error.GetProperty("code").GetString()! : "";
}
