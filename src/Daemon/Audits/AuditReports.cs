using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Audits;

/// <summary>Which entries pc audit shows.</summary>
/// <param name="Program">A program's name or the start of its hash; null: all.</param>
/// <param name="Member">A member's name or peer id, as author or as whom it concerns; null: all.</param>
/// <param name="Since">Not what is older, by the authors' clocks; null: all.</param>
public sealed record AuditFilter(string? Program, string? Member, DateTimeOffset? Since);

/// <summary>What the bytes of a copy of a swarm's feeds say. Needs no daemon and trusts none: signatures are verified here.</summary>
public static class AuditReports
{
    /// <summary>Reads a copy (docs/layouts/audit-copy.md).</summary>
    /// <param name="copy">The bytes; null: longer than a copy may be.</param>
    /// <param name="from">What they are, for the error.</param>
    /// <param name="filter">Which entries are reported; problems always are.</param>
    /// <param name="verify">Whether signatures are verified.</param>
    /// <exception cref="PcException">It is no copy (<see cref="ErrorCode.AuditCopyInvalid"/>).</exception>
    public static AuditReply Of(byte[]? copy, string from, AuditFilter filter, bool verify) =>
        AuditCopy.TryDecode(copy, out var read)
            ? Of(SwarmAudit.Of(read, verify ? new Ed25519Verifier() : null), filter, verify)
            : throw new PcException(ErrorCode.AuditCopyInvalid, $"{from} is no copy that pc audit --save wrote, or it is cut off");

    /// <summary>The longest copy, in bytes.</summary>
    public static int MaxBytes => AuditCopy.MaxBytes;

    /// <summary>A time before now, or a date; UTC unless it says otherwise.</summary>
    /// <param name="text">2h, 7d, or a date; null: none.</param>
    /// <param name="now">The time that it is before.</param>
    /// <exception cref="PcException">It is neither.</exception>
    public static DateTimeOffset? SinceOf(string? text, DateTimeOffset now)
    {
        if (text is null) return null;
        if (Durations.TryParse(text, out var ago)) return now - ago;
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date)
            ? date
            : throw new PcException(ErrorCode.Usage, $"--since: '{text}' is neither a time before now nor a date", "Write it as 2h, 7d, 2026-11-21 or 2026-11-21T10:00Z.");
    }

    private static AuditReply Of(SwarmAudit audit, AuditFilter filter, bool verified)
    {
        var text = new AuditText(audit);
        var lines = audit.Lines.Where(line => Matches(line.Entry, audit, text, filter)).ToList();
        return new AuditReply(
            audit.Swarm.ToString(),
            audit.State?.Name,
            [.. lines.Select(line => EntryOf(line, text))],
            UseOf(lines, text),
            verified,
            [.. audit.Problems.Select(problem => new AuditFinding(NameOf(problem, text), problem.What, problem.IsCause))]);
    }

    private static bool Matches(StoredEntry entry, SwarmAudit audit, AuditText text, AuditFilter filter)
    {
        if (filter.Since is { } since && entry.Clock.Time < since) return false;
        if (filter.Member is { } member && !IsCalled(entry.Author) && !(text.MemberOf(entry.Body) is { } other && IsCalled(other))) return false;
        return filter.Program is not { } program || (text.ProgramOf(entry) is { } id && IsMeant(id)) || text.NameOfPrograms(entry) == program;

        bool IsCalled(PeerId peer) => string.Equals(text.NameOf(peer), filter.Member, StringComparison.Ordinal) || peer.ToString() == filter.Member;

        bool IsMeant(EntryHash id) =>
            audit.State?.Programs.GetValueOrDefault(id)?.Deployed.Name == filter.Program || (filter.Program.Length >= 4 && id.ToString().StartsWith(filter.Program, StringComparison.Ordinal));
    }

    private static AuditEntry EntryOf(AuditLine line, AuditText text)
    {
        var (entry, standing) = (line.Entry, line.Standing.ToString());
        return new AuditEntry(
            entry.Hash.ToString(), entry.Clock.Time, text.NameOf(entry.Author), entry.Author.ToString(), entry.Sequence, entry.Body is UnknownBody unknown ? $"{unknown.Number}" : entry.Body.Kind.ToString(),
            text.ProgramOf(entry)?.ToString(), text.Of(entry), char.ToLowerInvariant(standing[0]) + standing[1..]);
    }

    // Sums of what hosts said; an end without its beginning has no time.
    private static List<AuditUse> UseOf(List<AuditLine> lines, AuditText text)
    {
        var runs = lines.Where(line => line.Standing == AuditStanding.Counts).Select(line => (line.Entry.Author, Run: line.Entry.Body as RunRecorded)).Where(line => line.Run is not null).ToList();
        var began = runs.Where(run => run.Run!.End is null).GroupBy(run => (run.Author, run.Run!.Program, run.Run.Epoch)).ToDictionary(group => group.Key, group => group.Min(run => run.Run!.Time));
        var ended = runs.Where(run => run.Run!.End is not null).Select(run => (run.Author, run.Run!.Program, run.Run.Epoch)).ToHashSet();
        return [.. runs.GroupBy(run => (run.Run!.Program, run.Author)).OrderBy(group => group.Key).Select(group => SumOf(group.Key.Program, group.Key.Author, [.. group.Select(run => run.Run!)]))];

        AuditUse SumOf(EntryHash program, PeerId host, List<RunRecorded> all)
        {
            var over = all.Where(run => run.End is not null).ToList();
            var going = all.Where(run => run.End is null && !ended.Contains((host, program, run.Epoch))).MaxBy(run => run.Epoch);
            return new AuditUse(
                text.ProgramName(program),
                program.ToString(),
                text.NameOf(host),
                over.Count + (going is null ? 0 : 1),
                over.Sum(run => began.TryGetValue((host, program, run.Epoch), out var start) && run.Time > start ? (run.Time - start).TotalSeconds : 0),
                over.Sum(run => run.Use.Processor.TotalSeconds),
                over.Aggregate(0L, (sum, run) => Sum(sum, run.Use.MemoryMebibyteSeconds)),
                over.Aggregate(0L, (sum, run) => Sum(sum, run.Use.Bytes)),
                going?.Time);
        }
    }

    // Hosts say what they like; a sum does not overflow for it.
    private static long Sum(long one, long other) => other > long.MaxValue - one ? long.MaxValue : one + other;

    private static string NameOf(AuditProblem problem, AuditText text) => problem.Author is { } author ? $"entry {problem.Sequence} of {text.NameOf(author)}" : $"the entry at place {problem.Place}";
}
