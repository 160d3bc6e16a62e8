using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Audits;

namespace PeoplesCloud.Daemon.Tests.Audits;

/// <summary>The feeds of a real node, read and verified as pc audit does it.</summary>
public sealed class AuditTests
{
    private static readonly AuditFilter All = new(null, null, null);

    [Fact]
    public async Task A_copy_of_a_node_is_whole_and_a_changed_one_names_the_entry()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await elm.JoinAsync((await oak.CreateAsync("friends")).Ticket!);

        using var answer = await elm.Client.SendAsync(HttpMethod.Get, "/v1/swarms/friends/audit");
        var copy = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        var reply = AuditReports.Of(copy, "it", All, verify: true);
        Assert.Empty(reply.Problems);
        Assert.Equal("friends", reply.Name);
        Assert.Equal(("oak", "created the swarm friends"), (reply.Entries[0].Author, reply.Entries[0].Text));
        Assert.Contains(reply.Entries, entry => entry.Text == "admitted elm as member");
        Assert.All(AuditReports.Of(copy, "it", All with { Member = "elm" }, verify: true).Entries, entry => Assert.Contains("elm", entry.Author + entry.Text, StringComparison.Ordinal));

        copy[^1] ^= 1; // of the last entry's signature
        var changed = AuditReports.Of(copy, "it", All, verify: true).Problems;
        Assert.StartsWith("entry ", changed[0].Entry, StringComparison.Ordinal);
        Assert.Contains("signature does not hold", changed[0].What, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.AuditCopyInvalid, Assert.Throws<PcException>(() => AuditReports.Of(copy[..^1], "it", All, verify: true)).Code);
    }
}
