using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Hosting;

public sealed class LogRightsTests
{
    private const string Bot = "import time\nwhile True:\n    print('alive', flush=True)\n    time.sleep(0.05)\n";

    // oak (admin) and elm (admin) both read the log of oak's program on fir; ash, a member, may not. Then elm is removed while it reads.
    [Fact]
    public async Task Owner_and_admins_read_and_stop_others_do_not_and_a_removed_admin_is_cut_off_while_it_reads()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var fir = await TestNode.StartAsync("fir", hosts: true);
        await using var ash = await TestNode.StartAsync("ash");
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        await fir.JoinAsync(ticket);
        await ash.JoinAsync(ticket);
        var admin = await oak.Client.PostAsync("/v1/swarms/friends/invite", new InviteRequest("admin", 1, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);
        await elm.JoinAsync(admin.Ticket);
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        await elm.WaitForAsync("friends", swarm => swarm.Programs.Count == 1);
        await ash.WaitForAsync("friends", swarm => swarm.Programs.Count == 1);
        await fir.WaitForAsync("friends", swarm => swarm.Members.Count == 4);

        var refused = await Assert.ThrowsAsync<ApiException>(async () => await ash.LogsAsync("friends", "bot").FirstAsync(TestContext.Current.CancellationToken));
        Assert.Equal($"PC{(int)ErrorCode.NotPermitted}", refused.Reply.Code);
        refused = await Assert.ThrowsAsync<ApiException>(() => ash.StopProgramAsync("friends", "bot"));
        Assert.Equal($"PC{(int)ErrorCode.NotPermitted}", refused.Reply.Code);

        var lines = 0;
        var cut = await Assert.ThrowsAsync<ApiException>(async () =>
        {
            await foreach (var line in elm.LogsAsync("friends", "bot"))
            {
                if (++lines == 2) await oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("elm"), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);
            }
        });
        // Whoever follows asks again after a cut, and is told.
        Assert.Contains(cut.Reply.Code, new[] { $"PC{(int)ErrorCode.NotAMember}", $"PC{(int)ErrorCode.NotPermitted}" });
        Assert.True(lines >= 2);
        Assert.Equal("fir", (await oak.StopProgramAsync("friends", "bot")).Host);
    }

    [Fact]
    public async Task A_log_that_is_followed_ends_with_a_reason_when_the_daemon_stops()
    {
        var oak = await TestNode.StartAsync("oak", hosts: true);
        await oak.CreateAsync("friends");
        using var bot = new ProgramFolder(Bot);
        await oak.DeployAsync("friends", bot.Path, "bot");
        Task? stopping = null;
        var ended = await Assert.ThrowsAsync<ApiException>(async () =>
        {
            await foreach (var line in oak.LogsAsync("friends", "bot")) stopping ??= oak.Node.DisposeAsync().AsTask();
        });
        Assert.Equal($"PC{(int)ErrorCode.Stopping}", ended.Reply.Code);
        await stopping!;
        Directory.Delete(oak.Home, recursive: true);
    }
}
