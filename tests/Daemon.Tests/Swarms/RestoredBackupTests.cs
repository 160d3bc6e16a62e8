using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Swarms;

public sealed class RestoredBackupTests
{
    // Goal: a home that was restored from an old copy must not write a number of its feed twice. Method: elm writes an entry,
    // its home is put back to before that, and it writes again; nobody may see a fork, and both entries must count.
    [Fact]
    public async Task A_restored_home_learns_its_own_last_entries_before_it_writes()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await oak.CreateAsync("friends");
        var invite = await oak.Client.PostAsync("/v1/swarms/friends/invite", new Api.InviteRequest("admin", null, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);
        await elm.JoinAsync(invite.Ticket);
        var backup = Path.Combine(TestNode.NewHome(), "pc.db");
        await elm.StopAsync();
        File.Copy(Path.Combine(elm.Home, "pc.db"), backup);

        await elm.StartAgainAsync();
        await InviteAsync(elm);
        await WaitForTicketsAsync(oak, elm, 1);
        await elm.StopAsync();
        File.Copy(backup, Path.Combine(elm.Home, "pc.db"), overwrite: true);
        foreach (var journal in new[] { "pc.db-wal", "pc.db-shm" }) File.Delete(Path.Combine(elm.Home, journal));

        await elm.StartAgainAsync();
        await InviteAsync(elm);
        await WaitForTicketsAsync(oak, elm, 2);
        Assert.Equal(2, TicketsOf(elm, elm).Count);
        Assert.Empty(oak.Node.Swarms.Require("friends").State.Forked);
        Directory.Delete(Path.GetDirectoryName(backup)!, recursive: true);
    }

    private static async Task InviteAsync(TestNode node) =>
        await node.Client.PostAsync("/v1/swarms/friends/invite", new Api.InviteRequest(null, null, null), TestNode.Json.InviteRequest, TestNode.Json.InviteReply);

    private static List<IssuedTicket> TicketsOf(TestNode seenBy, TestNode issuer) =>
        [.. seenBy.Node.Swarms.Require("friends").State.Tickets.Values.Where(ticket => ticket.Issuer == issuer.Node.Self)];

    private static async Task WaitForTicketsAsync(TestNode seenBy, TestNode issuer, int count)
    {
        var swarm = seenBy.Node.Swarms.Require("friends");
        var reached = new TaskCompletionSource();
        void Look(Daemon.Swarms.LocalSwarm _)
        {
            if (TicketsOf(seenBy, issuer).Count >= count) reached.TrySetResult();
        }
        swarm.Changed += Look;
        Look(swarm);
        await reached.Task.WaitAsync(TestNode.Patience, TestContext.Current.CancellationToken);
        swarm.Changed -= Look;
    }
}
