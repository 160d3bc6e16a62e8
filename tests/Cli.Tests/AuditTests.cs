using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Audits;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Cli.Tests;

/// <summary>pc audit: what is shown, and what is refused.</summary>
public sealed class AuditTests
{
    private static readonly AuditReply Whole = new(
        "swarm", "friends",
        [
            new AuditEntry("h1", new DateTimeOffset(2044, 1, 2, 3, 4, 5, TimeSpan.Zero), "anna", "id", 1, "ProgramStopped", "p", "stopped bot (abcdefgh)", "counts"),
            new AuditEntry("h2", new DateTimeOffset(2044, 1, 2, 3, 4, 6, TimeSpan.Zero), "ben", "id", 1, "MemberLeft", null, "left", "revoked"),
        ],
        [new AuditUse("bot (abcdefgh)", "p", "elm", 2, 61, 1.25, 640, 2048), new AuditUse("bot (abcdefgh)", "p", "fir", 1, 0, 0, 0, 0, new DateTimeOffset(2044, 1, 2, 3, 4, 7, TimeSpan.Zero))], Verified: true, []);

    [Fact]
    public void Entries_use_and_the_verdict_are_shown()
    {
        using var output = new StringWriter { NewLine = "\n" };
        AuditView.Write(Whole, new Terminal(output, TextWriter.Null, false, false, false));
        var lines = output.ToString().TrimEnd().Split('\n');
        Assert.EndsWith("  anna stopped bot (abcdefgh)", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("  ben left [without effect: revoked]", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("bot (abcdefgh) on elm: 2 runs, 61 s, 1.", lines[2], StringComparison.Ordinal);
        Assert.StartsWith("bot (abcdefgh) on fir: 1 run, 0 s, 0.0 CPU-seconds, 0 MiB-seconds, 0 B; one goes on since 2044-01-0", lines[3], StringComparison.Ordinal);
        Assert.Equal("verified: every signature and every chain holds", lines[4]);
    }

    [Fact]
    public void A_copy_that_was_changed_is_refused_with_the_names_of_its_entries()
    {
        AuditCommand.Check(Whole);
        var thrown = Assert.Throws<PcException>(() => AuditCommand.Check(Whole with { Problems = [new AuditFinding("entry 3 of elm", "was changed: its signature does not hold", true), new AuditFinding("entry 4 of elm", "builds on it", false)] }));
        Assert.Equal(ErrorCode.AuditTampered, thrown.Code);
        Assert.Equal("this copy of friends is not whole: entry 3 of elm was changed: its signature does not hold (1 more build on them)", thrown.Message);
    }

    [Fact]
    public void A_file_that_is_no_copy_is_refused()
    {
        Assert.Equal(ErrorCode.AuditCopyInvalid, Assert.Throws<PcException>(() => AuditCommand.Read("/dev/null/nothing")).Code);
        Assert.Equal(ErrorCode.AuditCopyInvalid, Assert.Throws<PcException>(() => AuditReports.Of(AuditCommand.Read("/dev/null"), "it", new AuditFilter(null, null, null), verify: true)).Code);
    }

    // Goal: whoever has a copy comes to the same result, alone. Method: the command itself, with a home that there is not.
    [Fact]
    public void A_copy_is_shown_in_part_and_verified_without_a_daemon()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        var now = new DateTimeOffset(2044, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var replica = SwarmReplica.Create(new Ed25519Signer(key), new Ed25519Verifier(), "friends", "oak", new byte[32], new byte[16], now, out var genesis);
        var entries = new List<ReadOnlyMemory<byte>> { genesis.Bytes };
        foreach (var name in new[] { "bot", "web" })
            entries.Add(replica.Append(new ProgramDeployed(name, Cid.V0(new byte[32]), 1, "py3", new ProgramLimits(1 << 28, 1000, 64, 1 << 28, "none"), [new SealedKey(replica.Self, new byte[81])]), now = now.AddDays(1)).Bytes);
        var folder = Directory.CreateTempSubdirectory("audit-").FullName;
        try
        {
            var file = Path.Combine(folder, "friends.pcaudit");
            var copy = new AuditCopy(replica.Id, entries).Encode();
            File.WriteAllBytes(file, copy);
            (int, string[]) Shown(string more)
            {
                using var output = new StringWriter { NewLine = "\n" };
                var parsed = CommandLine.Root("audit").Parse(["audit", "--home", Path.Combine(folder, "none"), "--from", file, .. more.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
                Assert.Empty(parsed.Errors);
                var code = ((PcCommand)parsed.CommandResult.Command).Run(parsed, new Terminal(output, output, false, false, false));
                return (code, output.ToString().TrimEnd().Split('\n'));
            }

            var (exit, lines) = Shown("--verify");
            Assert.Equal((0, 4, "verified: every signature and every chain holds"), (exit, lines.Length, lines[^1]));
            Assert.Contains("oak deployed web", Assert.Single(Shown("--program web").Item2), StringComparison.Ordinal);
            Assert.Contains("oak deployed web", Assert.Single(Shown("--since 2044-01-04").Item2), StringComparison.Ordinal);
            Assert.Equal(3, Shown("--member oak").Item2.Length);
            Assert.DoesNotContain("oak", string.Concat(Shown("--member elm").Item2), StringComparison.Ordinal);

            copy[^1] ^= 1;
            File.WriteAllBytes(file, copy);
            (exit, lines) = Shown("--verify");
            Assert.Equal(1, exit);
            Assert.Contains("entry 3 of oak was changed: its signature does not hold", string.Concat(lines), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Since_is_a_time_before_now_or_a_date()
    {
        var now = new DateTimeOffset(2044, 1, 2, 3, 4, 5, TimeSpan.Zero);
        Assert.Equal(now.AddHours(-2), AuditReports.SinceOf("2h", now));
        Assert.Equal(new DateTimeOffset(2044, 1, 1, 0, 0, 0, TimeSpan.Zero), AuditReports.SinceOf("2044-01-01", now));
        Assert.Null(AuditReports.SinceOf(null, now));
        Assert.Equal(ErrorCode.Usage, Assert.Throws<PcException>(() => AuditReports.SinceOf("yesterday evening", now)).Code);
    }
}
