using System.Diagnostics;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Daemon.Tests.Hosting;
using PeoplesCloud.Daemon.Tests.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Swarms;

// What a removed member tries, against real nodes. What entries that are dated back may do is in Swarm.Tests/Feeds/RemovalTests.
public sealed class RemovalTests
{
    private const string QuietBot = "import time\nprint('alive', flush=True)\ntime.sleep(3600)\n";

    [Fact]
    public async Task A_removal_gives_the_others_a_new_key_that_who_joins_later_gets_as_well()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir");
        await using var ash = await TestNode.StartAsync("ash");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        var first = KeyOf(oak);
        Assert.Equal(first, KeyOf(elm));
        Assert.Equal(first, KeyOf(fir));

        await elm.StopAsync(); // asleep while it happens
        var removed = await RemoveAsync(oak, "fir");
        Assert.Equal(("fir", 0), (removed.Member, removed.Exposed.Count));
        var second = KeyOf(oak);
        Assert.NotEqual(first, second);
        await fir.WaitForAsync("friends", swarm => swarm.Role == "removed");
        Assert.Null(KeyOf(fir));

        await elm.StartAgainAsync();
        await UntilAsync(elm, swarm => swarm.State.Key.Generation == 2);
        Assert.Equal(second, KeyOf(elm));

        var refused = await Assert.ThrowsAsync<ApiException>(() => ash.JoinAsync(ticket)); // fir knows it
        Assert.Equal($"PC{(int)ErrorCode.TicketClosed}", refused.Reply.Code);
        await ash.JoinAsync(await InviteAsync(oak));
        Assert.Equal(second, KeyOf(ash));
        await ash.StopAsync();
        await ash.StartAgainAsync();
        Assert.Equal(second, KeyOf(ash)); // kept: it is in no entry that ash can open
    }

    [Fact]
    public async Task Who_was_asleep_when_it_was_removed_is_told_by_those_who_refuse_it()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var fir = await TestNode.StartAsync("fir");
        await fir.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        await fir.WaitForAsync("friends", swarm => swarm.RefusedBy is null && swarm.Members.Count == 2);
        await fir.StopAsync();
        await RemoveAsync(oak, "fir");

        await fir.StartAgainAsync();

        var told = await fir.WaitForAsync("friends", swarm => swarm.RefusedBy is not null);
        Assert.Equal(["oak"], told.RefusedBy!);
        Assert.Equal("member", told.Role); // what one member says is no entry
    }

    [Fact]
    public async Task When_a_member_leaves_an_admin_makes_a_new_key_by_itself()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        using var left = await fir.Client.SendAsync(HttpMethod.Post, "/v1/swarms/friends/leave");
        Assert.True(left.IsSuccessStatusCode);
        await UntilAsync(elm, swarm => swarm.State.Key is { Generation: 2, IsStale: false });
        Assert.Equal(KeyOf(oak), KeyOf(elm));
        Assert.Equal(2, Require(oak).State.Key.Sealed!.Count);
    }

    // fir shares two swarms with elm, so its connection stays; what it reads of the one that it is removed from ends all the same, at a
    // node that hears of the removal from another, in the middle of a silence.
    [Fact]
    public async Task An_open_stream_is_cut_within_a_second_of_the_entry_even_where_the_connection_stays()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(await InviteAsync(oak, "admin"));
        await fir.JoinAsync((await elm.CreateAsync("others")).Ticket!);
        using var bot = new ProgramFolder(QuietBot);
        await oak.DeployAsync("friends", bot.Path, "bot", "elm");
        await fir.WaitForAsync("friends", swarm => swarm.Programs.Count == 1 && swarm.Members.Count == 3);
        var known = new TaskCompletionSource<long>();
        Require(elm).Changed += swarm =>
        {
            if (swarm.State.Find(fir.Node.Self) is null) known.TrySetResult(Stopwatch.GetTimestamp());
        };

        var lines = fir.LogsAsync("friends", "bot").GetAsyncEnumerator(TestContext.Current.CancellationToken);
        while (await lines.MoveNextAsync() && lines.Current.Text != "alive") { }
        var next = lines.MoveNextAsync().AsTask();
        await RemoveAsync(oak, "fir");
        await Task.WhenAny(next).WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
        var after = Stopwatch.GetElapsedTime(await known.Task.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken));
        // Whoever follows is told of the cut, asks again, and is refused.
        await Assert.ThrowsAsync<ApiException>(async () =>
        {
            for (var more = await next; more; more = await lines.MoveNextAsync().AsTask().WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken)) { }
        });
        // The promise is a second; a loaded machine that runs the other tests as well gets 20.
        Assert.True(after < TimeSpan.FromSeconds(20), $"the stream was open for {after} after the removal was known");
        Assert.Contains(elm.Node.Host.Connections, connection => connection.RemotePeer == fir.Node.Self);
        await lines.DisposeAsync();
    }

    [Fact]
    public async Task Every_member_closes_the_connections_of_who_is_in_no_swarm_of_its_any_more()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        // Streams that nobody asks for a right and nobody ends: each keeps its connection.
        elm.Node.Host.Handle("/held/1", async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
        fir.Node.Host.AddAddresses(elm.Node.Self, elm.Node.Host.ListenAddresses);
        foreach (var use in new[] { StreamUse.Quick, StreamUse.Bulk })
        {
            var stream = await fir.Node.Host.OpenStreamAsync(elm.Node.Self, "/held/1", use);
            await stream.Output.WriteAsync(new byte[1], TestContext.Current.CancellationToken);
            stream.Input.AdvanceTo((await stream.Input.ReadAsync(TestContext.Current.CancellationToken)).Buffer.End);
        }
        var open = elm.Node.Host.Connections.Where(connection => connection.RemotePeer == fir.Node.Self).ToList();
        Assert.Equal([StreamUse.Quick, StreamUse.Bulk], open.Select(connection => connection.Use).Distinct().Order());

        await RemoveAsync(oak, "fir");
        await TestNode.UntilAsync(() => !open.Any(elm.Node.Host.Connections.Contains), () => "a connection of before the removal is open");
    }

    // elm sleeps while fir is removed. When it wakes fir is there first and at once; elm answers nothing but gossip before it has
    // heard from oak, and then it knows.
    [Fact]
    public async Task A_member_that_just_woke_serves_nobody_before_it_has_caught_up()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await using var fir = await new MeshPeer("fir", elm).AdmittedAsync(Require(oak), Role.Admin);
        await elm.WaitForAsync("friends", swarm => swarm.Members.Count == 3);
        var ask = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new { language = "py3", memoryBytes = 1 << 20, cpuMillis = 100, pids = 8, diskBytes = 1 << 20, network = "none" });
        var path = $"/mesh/v1/swarms/{Require(elm).Id}/ask";
        Assert.Equal(200, (await fir.AskAsync("POST", path, ask)).Status);

        await elm.StopAsync();
        await RemoveAsync(oak, "fir");
        await elm.StartAgainAsync();
        await using var again = fir.At(elm);
        try
        {
            var (status, error) = await again.AskAsync("POST", path, ask);
            Assert.Equal((403, $"PC{(int)ErrorCode.NotAMember}"), (status, error?.Code));
        }
        catch (HttpRequestException)
        {
            // Cut off before the answer: elm heard of the removal while fir waited.
        }
        Assert.Null(Require(elm).State.Find(fir.Id));
    }

    [Fact]
    public async Task Whose_secrets_a_removed_guardian_held_is_said_until_they_are_deployed_again()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await fir.JoinAsync(ticket);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count(member => member.Hosts) == 2);
        using var bot = new ProgramFolder(QuietBot);
        await oak.DeployAsync("friends", bot.Path, "bot", "fir");
        Assert.Null((await oak.ListAsync("friends")).Programs.Single().FormerKeyHolders);

        var removed = await RemoveAsync(oak, "fir");
        Assert.Equal(new ExposedProgram("bot", "oak", Yours: true), Assert.Single(removed.Exposed));
        foreach (var node in new[] { oak, elm })
            await node.WaitForAsync("friends", swarm => swarm.Programs is [{ FormerKeyHolders: ["fir"] }]);
        await oak.StopProgramAsync("friends", "bot");
        await oak.DeployAsync("friends", bot.Path, "bot", "elm");
        Assert.Null((await oak.ListAsync("friends")).Programs.Single().FormerKeyHolders);
    }

    [Fact]
    public void A_key_that_this_node_was_not_given_is_not_given_to_a_new_member()
    {
        var village = new byte[16];
        using var key = new Base.Crypto.Ed25519Key(Base.Crypto.Ed25519Key.NewSeed());
        var replica = SwarmReplica.Create(new Ed25519Signer(key), new Ed25519Verifier(), "friends", "oak", new byte[32], village, DateTimeOffset.UtcNow, out _);
        var (ticket, _) = replica.IssueTicket(Role.Member, TimeSpan.FromDays(1), 1, [], village, DateTimeOffset.UtcNow);
        using var other = new Base.Crypto.Ed25519Key(Base.Crypto.Ed25519Key.NewSeed());
        var request = new PeoplesCloud.Swarm.JoinRequest(ticket.Swarm, ticket.Secret, "elm", new byte[32], DateTimeOffset.UtcNow);
        var refused = Assert.Throws<PcException>(() => replica.Redeem(new Ed25519Signer(other).Self, request, default, DateTimeOffset.UtcNow));
        Assert.Equal(ErrorCode.SwarmKeyMissing, refused.Code);
    }

    private static LocalSwarm Require(TestNode node) => node.Node.Swarms.Require("friends");

    private static byte[]? KeyOf(TestNode node) => Require(node).CurrentKey();

    private static Task<RemoveReply> RemoveAsync(TestNode node, string member) =>
        node.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest(member), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);

    private static async Task<string> InviteAsync(TestNode node, string? role = null) =>
        (await node.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest(role, 1, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply)).Ticket;

    private static async Task UntilAsync(TestNode node, Func<LocalSwarm, bool> wanted)
    {
        var swarm = Require(node);
        var reached = new TaskCompletionSource();
        void Look(LocalSwarm changed)
        {
            if (wanted(changed)) reached.TrySetResult();
        }
        swarm.Changed += Look;
        Look(swarm);
        await reached.Task.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
        swarm.Changed -= Look;
    }
}
