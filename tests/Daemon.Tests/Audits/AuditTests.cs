using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Audits;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Audits;

/// <summary>The feeds of a real node, read and verified as pc audit does it.</summary>
public sealed class AuditTests
{
    private static readonly AuditFilter All = new(null, null, null);

    [Fact]
    public void What_runs_took_is_summed_up_and_one_that_goes_on_is_said_to()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        var (signer, now) = (new Ed25519Signer(key), new DateTimeOffset(2044, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var entries = new List<ReadOnlyMemory<byte>>();
        var replica = SwarmReplica.Create(signer, new Ed25519Verifier(), "friends", "oak", new byte[32], new byte[16], now, out var genesis);
        entries.Add(genesis.Bytes);
        StoredEntry Append(EntryBody body)
        {
            var entry = replica.Append(body, now = now.AddSeconds(30));
            entries.Add(entry.Bytes);
            return entry;
        }
        var program = Append(new ProgramDeployed("bot", Cid.V0(new byte[32]), 1, "py3", new ProgramLimits(1 << 28, 1000, 64, 1 << 28, "none"), [new SealedKey(signer.Self, new byte[81])])).Hash;
        foreach (ulong epoch in new[] { 1, 2 })
        {
            Append(new RunRecorded(program, epoch, now, null, null, null, RunUse.None));
            Append(new RunRecorded(program, epoch, now.AddSeconds(60), RunEnd.LeaseLost, null, 137, new RunUse(TimeSpan.FromSeconds(3), 100, 1_000)));
        }
        var one = Assert.Single(Use());
        Assert.Equal(("oak", 2, 180.0, 6.0, 200L, 2_000L, (DateTimeOffset?)null), (one.Host, one.Runs, one.Seconds, one.CpuSeconds, one.MemoryMebibyteSeconds, one.Bytes, one.Since));
        Append(new RunRecorded(program, 3, now.AddSeconds(7), null, null, null, RunUse.None));
        one = Assert.Single(Use());
        Assert.Equal((3, 180.0, 2_000L, now.AddSeconds(-23)), (one.Runs, one.Seconds, one.Bytes, one.Since));

        IReadOnlyList<Daemon.Api.AuditUse> Use() => AuditReports.Of(new AuditCopy(replica.Id, entries).Encode(), "it", All with { Program = "bot" }, verify: true).Use;
    }

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
