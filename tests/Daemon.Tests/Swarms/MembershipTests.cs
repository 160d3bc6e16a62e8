namespace PeoplesCloud.Daemon.Tests.Swarms;

public sealed class MembershipTests
{
    [Fact]
    public async Task Three_nodes_meet_in_a_swarm()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir");

        var created = await oak.CreateAsync("friends");
        Assert.Equal("admin", created.Role);
        var joined = await elm.JoinAsync(created.Ticket!);
        Assert.Equal(("friends", "member", 2), (joined.Name, joined.Role, joined.Members));
        await fir.JoinAsync(created.Ticket!);

        foreach (var node in new[] { oak, elm, fir })
        {
            var seen = await node.WaitForAsync("friends", swarm => swarm.Members.Count == 3 && swarm.Members.All(member => member.State is "here" or "awake"));
            Assert.Equal(["elm", "fir", "oak"], seen.Members.Select(member => member.Name));
        }
    }

    [Fact]
    public async Task Who_leaves_is_gone_everywhere_and_may_come_back()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket, "people");
        Assert.Equal("people", (await elm.ListAsync("people")).Name);

        using var left = await elm.Client.SendAsync(HttpMethod.Post, "/v1/swarms/people/leave");
        Assert.True(left.IsSuccessStatusCode);
        Assert.Empty((await elm.Client.GetAsync("/v1/list", TestNode.Json.ListReply)).Swarms);
        await oak.WaitForAsync("friends", swarm => swarm.Members is [{ Name: "oak" }]);

        Assert.Equal(2, (await elm.JoinAsync(ticket)).Members);
        await oak.WaitForAsync("friends", swarm => swarm.Members.Count == 2);
    }

    [Fact]
    public async Task A_member_that_stops_in_order_is_asleep_at_once_and_finds_the_others_when_it_comes_back()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        await oak.WaitForAsync("friends", swarm => swarm.Members.All(member => member.State is "here" or "awake"));
        await elm.StopAsync();
        await oak.WaitForAsync("friends", swarm => swarm.Members.Single(member => member.Name == "elm").State == "asleep");
        await elm.StartAgainAsync();
        await oak.WaitForAsync("friends", swarm => swarm.Members.Single(member => member.Name == "elm").State == "awake");
    }

    [Fact]
    public async Task The_network_view_shows_connections_with_names_and_round_trips()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);
        var network = await elm.Client.GetAsync("/v1/network", TestNode.Json.NetworkReply);
        var peer = Assert.Single(network.Peers);
        Assert.Equal(("oak", "out", null), (peer.Name, peer.Direction, peer.Problem));
        Assert.True(peer.RoundTripMs > 0);
    }
}
