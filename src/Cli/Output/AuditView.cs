using System.Globalization;
using System.Text.Json.Serialization;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Cli.Output;

/// <summary>Which entries pc audit shows.</summary>
/// <param name="Program">A program's name or the start of its hash; null: all.</param>
/// <param name="Member">A member's name or peer id, as author or as whom it concerns; null: all.</param>
/// <param name="Since">Not what is older, by the authors' clocks; null: all.</param>
internal sealed record AuditFilter(string? Program, string? Member, DateTimeOffset? Since);

/// <summary>What pc audit --json writes.</summary>
internal sealed record AuditReply(string Swarm, string? Name, IReadOnlyList<AuditEntry> Entries, IReadOnlyList<AuditUse> Use, bool Verified, IReadOnlyList<AuditFinding> Problems);

/// <summary>One entry. Standing: counts, noRight, revoked, forked, unknown.</summary>
internal sealed record AuditEntry(string Hash, DateTimeOffset Time, string Author, string AuthorId, ulong Number, string Kind, string? Program, string Text, string Standing);

/// <summary>What a program took on one host, over all its runs that are shown.</summary>
internal sealed record AuditUse(string Program, string Hash, string Host, int Runs, double Seconds, double CpuSeconds, long MemoryMebibyteSeconds, long Bytes);

/// <summary>Something that is wrong with the copy.</summary>
internal sealed record AuditFinding(string Entry, string What, bool IsCause);

/// <summary>Serialization of what pc audit says.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuditReply))]
internal sealed partial class AuditJson : JsonSerializerContext;

/// <summary>pc audit for people and scripts.</summary>
internal static class AuditView
{
    /// <summary>Makes the answer.</summary>
    public static AuditReply Of(SwarmAudit audit, AuditFilter filter, bool verified)
    {
        var text = new AuditText(audit.State);
        var lines = audit.Lines.Where(line => Matches(line.Entry, audit, text, filter)).ToList();
        return new AuditReply(
            audit.Swarm.ToString(),
            audit.State?.Name,
            [.. lines.Select(line => EntryOf(line, text))],
            UseOf(lines, text),
            verified,
            [.. audit.Problems.Select(problem => new AuditFinding(NameOf(problem, text), problem.What, problem.IsCause))]);
    }

    /// <summary>Writes it for people.</summary>
    public static void Write(AuditReply reply, Terminal terminal)
    {
        foreach (var entry in reply.Entries)
        {
            var time = entry.Time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            var standing = entry.Standing == "counts" ? "" : terminal.Warn($" [without effect: {entry.Standing}]");
            terminal.Line($"{terminal.Dim(time)}  {terminal.Bold(terminal.Safe(entry.Author))} {terminal.Safe(entry.Text)}{standing}");
        }
        foreach (var use in reply.Use)
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{terminal.Safe(use.Program)} on {terminal.Safe(use.Host)}: {Words.Count(use.Runs, "run")}, {use.Seconds:0} s, {use.CpuSeconds:0.0} CPU-seconds, {use.MemoryMebibyteSeconds} MiB-seconds, {Words.Bytes(use.Bytes)}"));
        if (reply.Verified && reply.Problems.Count == 0) terminal.Line($"verified: every signature and every chain holds");
    }

    private static bool Matches(StoredEntry entry, SwarmAudit audit, AuditText text, AuditFilter filter)
    {
        if (filter.Since is { } since && entry.Clock.Time < since) return false;
        if (filter.Member is { } member && !IsCalled(entry.Author) && !(AuditText.MemberOf(entry.Body) is { } other && IsCalled(other))) return false;
        return filter.Program is not { } program || (AuditText.ProgramOf(entry) is { } id && IsMeant(id));

        bool IsCalled(PeerId peer) => string.Equals(text.NameOf(peer), filter.Member, StringComparison.Ordinal) || peer.ToString() == filter.Member;

        bool IsMeant(EntryHash id) =>
            audit.State?.Programs.GetValueOrDefault(id)?.Deployed.Name == filter.Program || (filter.Program.Length >= 4 && id.ToString().StartsWith(filter.Program, StringComparison.Ordinal));
    }

    private static AuditEntry EntryOf(AuditLine line, AuditText text)
    {
        var (entry, standing) = (line.Entry, line.Standing.ToString());
        return new AuditEntry(
            entry.Hash.ToString(), entry.Clock.Time, text.NameOf(entry.Author), entry.Author.ToString(), entry.Sequence, entry.Body is UnknownBody unknown ? $"{unknown.Number}" : entry.Body.Kind.ToString(),
            AuditText.ProgramOf(entry)?.ToString(), text.Of(entry), char.ToLowerInvariant(standing[0]) + standing[1..]);
    }

    // Sums of what hosts said; an end without its beginning has no time.
    private static List<AuditUse> UseOf(List<AuditLine> lines, AuditText text)
    {
        var runs = lines.Where(line => line.Standing == AuditStanding.Counts).Select(line => (line.Entry.Author, Run: line.Entry.Body as RunRecorded)).Where(line => line.Run is not null).ToList();
        var began = runs.Where(run => run.Run!.End is null).GroupBy(run => (run.Author, run.Run!.Program, run.Run.Epoch)).ToDictionary(group => group.Key, group => group.Min(run => run.Run!.Time));
        return [.. runs.Where(run => run.Run!.End is not null).GroupBy(run => (run.Run!.Program, run.Author)).OrderBy(group => group.Key).Select(group => new AuditUse(
            text.ProgramName(group.Key.Program),
            group.Key.Program.ToString(),
            text.NameOf(group.Key.Author),
            group.Count(),
            group.Sum(run => began.TryGetValue((run.Author, run.Run!.Program, run.Run.Epoch), out var start) && run.Run.Time > start ? (run.Run.Time - start).TotalSeconds : 0),
            group.Sum(run => run.Run!.Use.Processor.TotalSeconds),
            group.Aggregate(0L, (sum, run) => Sum(sum, run.Run!.Use.MemoryMebibyteSeconds)),
            group.Aggregate(0L, (sum, run) => Sum(sum, run.Run!.Use.Bytes))))];
    }

    // Hosts say what they like; a sum does not overflow for it.
    private static long Sum(long one, long other) => other > long.MaxValue - one ? long.MaxValue : one + other;

    private static string NameOf(AuditProblem problem, AuditText text) => problem.Author is { } author ? $"entry {problem.Sequence} of {text.NameOf(author)}" : $"the entry at place {problem.Place}";
}
