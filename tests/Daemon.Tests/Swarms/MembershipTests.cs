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
}
