using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Hosting;

public sealed class RestartTests
{
    private const string Bot = "import os, time\nprint('born', flush=True)\nwhile True: time.sleep(1)\n";

    // oak owns the program on elm; ash is a member without a right to it.
    [Fact]
    public async Task The_owner_restarts_a_program_on_another_host_and_the_feed_keeps_it()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm", hosts: true);
        await using var ash = await TestNode.StartAsync("ash");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await elm.JoinAsync(ticket);
        await ash.JoinAsync(ticket);
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        await ash.WaitForAsync("friends", swarm => swarm.Programs.Count == 1);
        var refused = await Assert.ThrowsAsync<ApiException>(() => RestartAsync(ash));
        Assert.Equal($"PC{(int)ErrorCode.NotPermitted}", refused.Reply.Code);

        // One that is restarted before it has written leaves one word only.
        await foreach (var line in oak.LogsAsync("friends", "bot"))
            if (line.Text == "born") break;
        var reply = await RestartAsync(oak);
        Assert.Equal(("elm", true, null), (reply.Host, reply.Done, reply.Problem));
        var lines = new List<string>();
        await foreach (var line in oak.LogsAsync("friends", "bot"))
        {
            lines.Add(line.Text);
            if (lines.Count(text => text == "born") == 2) break;
        }
        Assert.Contains("is restarted by oak", lines);
        var control = Assert.Single(elm.Node.Swarms.Require("friends").State.Programs.Values.Single().Controls);
        Assert.Equal((ControlAction.Restart, oak.Node.Self), (control.Action, control.Author));
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running", Restarts: 0 }]);

        // Its host is away: the wish is kept.
        await elm.StopAsync();
        reply = await RestartAsync(oak);
        Assert.False(reply.Done);
        Assert.NotNull(reply.Problem);
        await elm.StartAgainAsync(hosts: true);
        await oak.WaitForAsync("friends", swarm => swarm.Programs is [{ State: "running" }]);
    }

    private static Task<RestartReply> RestartAsync(TestNode node) => node.Client.PostAsync("/v1/swarms/friends/programs/bot/restart", RunningApiJson.Default.RestartReply);
}
