using System.Globalization;
using System.Text.Json;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Tests.Hosting;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Whole;

/// <summary>
/// Goal: the promise of docs/protocols/sessions.md on whole nodes, in processes of their own on Debian's redis-server: never two different answers,
/// one when a node that heard the request stays up, and nothing runs that no answer names. Each session is one process that a test can count.
/// </summary>
public sealed class PromiseTests
{
    private static readonly string Mark = $"7{Environment.ProcessId.ToString("000000", CultureInfo.InvariantCulture)}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_redis_that_is_killed_in_the_middle_of_creates_and_messages_that_are_lost_make_no_second_answer_and_no_orphan()
    {
        var script = $"exec sleep {Mark}1";
        await using var redis = await RedisServer.StartAsync();
        await using var one = await WholeNode.StartAsync(redis);
        await using var two = await WholeNode.StartAsync(redis);
        await using var three = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, one, two, three);
        var ids = Enumerable.Range(0, 36).Select(i => $"a{i:x2}").ToList();

        // 1. While requests come, the nodes' ears are cut off, then the Redis dies and forgets everything, twice. Clients ask again what nobody answered.
        var asked = ids.Select((id, i) => Task.Run(async () =>
        {
            await TestVillage.UntilAsync(() => i < 12 || client.All(SessionVerb.Create).Count > i - 12);
            return await client.CreateAsync(id, script);
        }, Token)).ToList();
        await TestVillage.UntilAsync(() => client.All(SessionVerb.Create).Count >= 3);
        for (var i = 0; i < 3; i++) await client.CommandAsync("CLIENT", "KILL", "TYPE", "pubsub");
        foreach (var enough in new[] { 10, 20 })
        {
            await TestVillage.UntilAsync(() => client.All(SessionVerb.Create).Count >= enough);
            await redis.KillAsync();
            await redis.RunAsync();
        }
        var answers = await Task.WhenAll(asked);

        // 2. One answer each; again for who asks again; and just what was answered runs.
        foreach (var id in ids) await client.TryPublishAsync(SessionVerb.Create, JsonSerializer.Serialize(new { id, script }));
        await TestVillage.UntilAsync(() => ids.All(id => client.AnswersTo(SessionVerb.Create, id).Count >= 2));
        foreach (var (channel, given) in client.All(SessionVerb.Create)) Assert.True(given.Distinct(StringComparer.Ordinal).Count() == 1, $"{channel}: {string.Join(" | ", given)}");
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "1") == ids.Count);
        var clouds = answers.Select(answer => answer.GetProperty("cloud").GetString()).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(3, clouds.Count);

        // 3. Killed nodes leave no process.
        await one.KillAsync();
        await two.KillAsync();
        var left = answers.Count(answer => answer.GetProperty("cloud").GetString() == three.Cloud);
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "1") == left);
    }

    [Fact]
    public async Task A_node_that_freezes_with_the_claim_is_overtaken_and_gives_back_what_it_started()
    {
        var script = $"exec sleep {Mark}2";
        await using var redis = await RedisServer.StartAsync("--client-output-buffer-limit", "pubsub 256kb 128kb 1");
        await using var one = await WholeNode.StartAsync(redis);
        await using var two = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, one, two);
        WholeNode[] nodes = [one, two];
        foreach (var node in nodes) node.HoldStarts();

        // 1. One has claimed the request and is just starting it when it freezes.
        await client.TryPublishAsync(SessionVerb.Create, JsonSerializer.Serialize(new { id = "f1", script }));
        string? holder = null;
        for (var clock = System.Diagnostics.Stopwatch.StartNew(); holder is null; await Task.Delay(2, Token))
        {
            Assert.True(clock.Elapsed < RedisServer.Patience, "nobody claimed it");
            holder = (await client.CommandAsync("GET", "year4000.pycloud.answer.create.f1")).Text is { Length: > 0 } text ? text : null;
        }
        var frozen = nodes.Single(node => node.Cloud == holder);
        frozen.Freeze();
        foreach (var node in nodes) node.Release();

        // 2. The other one answers, although its ears are cut off too when they are full.
        var answer = await client.CreateAsync("f1", script);
        Assert.Equal(nodes.Single(node => node != frozen).Cloud, answer.GetProperty("cloud").GetString());
        for (var i = 0; i < 60; i++) await client.TryPublishAsync("year4000.pycloud.create.ffffff", new byte[60_000]);

        // 3. Thawed, it finds that its claim has ended; it takes part again, and nothing else was ever said of the request.
        frozen.Thaw();
        await client.UntilHeardAsync(nodes);
        await client.TryPublishAsync(SessionVerb.Create, JsonSerializer.Serialize(new { id = "f1", script }));
        await TestVillage.UntilAsync(() => client.AnswersTo(SessionVerb.Create, "f1").Count >= 2);
        var by = "";
        for (var i = 0; by != frozen.Cloud; i++)
        {
            Assert.True(i < 100, "it never answered again");
            by = (await client.CreateAsync($"f{i + 16:x}", "true")).GetProperty("cloud").GetString();
        }
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "2") == 1);
        Assert.Single(client.AnswersTo(SessionVerb.Create, "f1").Distinct(StringComparer.Ordinal));
        Assert.True((await client.AskAsync(SessionVerb.Status, "f2", answer)).GetProperty("status").GetBoolean());
    }

    [Fact]
    public async Task A_node_that_is_killed_in_the_middle_of_starting_leaves_no_process_and_another_answers()
    {
        var script = $"sleep {Mark}3 & sleep {Mark}3 & wait";
        await using var redis = await RedisServer.StartAsync();
        await using var one = await WholeNode.StartAsync(redis);
        await using var two = await WholeNode.StartAsync(redis);
        await using var client = await WholeClient.StartAsync(redis, one, two);
        WholeNode[] nodes = [one, two];
        var asked = Enumerable.Range(0, 24).Select(i => client.CreateAsync($"b{i:x2}", script)).ToList();
        await TestVillage.UntilAsync(() => client.All(SessionVerb.Create).Count >= 4);
        await one.KillAsync();
        var answers = await Task.WhenAll(asked);
        Assert.All(client.All(SessionVerb.Create), created => Assert.Single(created.Answers.Distinct(StringComparer.Ordinal))); // again for who asked again
        var living = answers.Count(answer => answer.GetProperty("cloud").GetString() == two.Cloud);
        Assert.True(living >= 12, $"{living} of the living node");
        await TestVillage.UntilAsync(() => SandboxFolder.ProcessesWith(Mark + "3") == living * 2);
        foreach (var (answer, i) in answers.Select((answer, i) => (answer, i)).Where(one => one.answer.GetProperty("cloud").GetString() != two.Cloud).Take(2))
            Assert.False((await client.AskAsync(SessionVerb.Status, $"c{i:x2}", answer)).GetProperty("status").GetBoolean());
    }
}
