using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Audits;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc audit: who did what in a swarm, from the signed feeds.</summary>
internal static class AuditCommand
{
    private const int ShownProblems = 20;

    private static readonly Argument<string?> SwarmGiven = new("swarm") { Description = "The swarm; may be left out when this node is in one only.", HelpName = "SWARM", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Option<string?> Program = new("--program") { Description = "Only what concerns this program: its name, or the start of its hash.", HelpName = "PROGRAM" };

    private static readonly Option<string?> Member = new("--member") { Description = "Only what this member did or what was done to it: its name or peer id.", HelpName = "NAME" };

    private static readonly Option<string?> Since = new("--since") { Description = "Only what is not older: a time (2h, 7d) or a date (2026-11-21, 2026-11-21T10:00Z).", HelpName = "TIME" };

    private static readonly Option<bool> Verify = new("--verify") { Description = "Check every signature and every chain." };

    private static readonly Option<string?> From = new("--from") { Description = "Read a copy that --save wrote instead of this node's. Needs no daemon.", HelpName = "FILE" };

    private static readonly Option<string?> Save = new("--save") { Description = "Write a copy of the swarm's feeds; nothing may be there yet.", HelpName = "FILE" };

    public static PcCommand Create()
    {
        var command = new PcCommand("audit", "Show who did what in a swarm, and prove it.")
        {
            Synopsis = "[SWARM] [--program PROGRAM] [--member NAME] [--since TIME] [--verify] [--save FILE | --from FILE]",
            Details = """
                Shows the entries of all members' feeds by time: who deployed what content where, when it ran, on whom, what it used by its hosts' word, who came, went, stopped, restarted or ran a command. Times are those of the authors' clocks. Entries without effect are marked.

                --verify checks the signed bytes themselves, in this command: every signature, that each feed is one chain, that every entry that another builds on is there, and the evidence of accusations. A copy that was changed is refused, and the changed entries are named. What cannot be seen from one copy: the last entries of a feed, when they were cut off and nothing builds on them. Compare with the copy of another member.

                With --save and --from another person, on another machine and without a daemon, comes to the same result.
                """,
            Examples =
            [
                ("pc audit friends --program my-bot", "What happened to my-bot."),
                ("pc audit friends --since 7d --verify", "The last week, verified."),
                ("pc audit friends --save friends.pcaudit", "Keep a copy."),
                ("pc audit --from friends.pcaudit --verify", "Verify a copy, anywhere."),
            ],
        };
        command.Arguments.Add(SwarmGiven);
        foreach (Option option in new Option[] { Program, Member, Since, Verify, From, Save }) command.Options.Add(option);
        return command.Runs(Run);
    }

    /// <summary>Refuses a copy that was changed, naming what.</summary>
    internal static void Check(AuditReply reply)
    {
        var causes = reply.Problems.Where(problem => problem.IsCause).ToList();
        if (causes.Count == 0) causes = [.. reply.Problems];
        if (causes.Count == 0) return;
        var named = string.Join("; ", causes.Take(ShownProblems).Select(problem => $"{problem.Entry} {problem.What}"));
        var more = causes.Count > ShownProblems ? $"; and {causes.Count - ShownProblems} more" : "";
        var built = reply.Problems.Count - causes.Count;
        throw new PcException(ErrorCode.AuditTampered, $"this copy of {reply.Name ?? reply.Swarm} is not whole: {named}{more}{(built > 0 ? $" ({built} more build on them)" : "")}");
    }

    private static int Run(Invocation invocation)
    {
        var verify = invocation.Value(Verify);
        var since = AuditReports.SinceOf(invocation.Value(Since), TimeProvider.System.GetUtcNow());
        var file = invocation.Value(From);
        var copy = file is not null ? Read(file) : invocation.Client.GetBytes(Invocation.SwarmPath(invocation.SwarmOr(invocation.Parsed.GetValue(SwarmGiven)), "audit"));
        var reply = AuditReports.Of(copy, file ?? "the daemon's answer", new AuditFilter(invocation.Value(Program), invocation.Value(Member), since), verify);
        if (invocation.Value(Save) is { } to) Write(to, copy!);
        if (invocation.Json) invocation.WriteJson(reply, AuditJson.Default.AuditReply);
        else AuditView.Write(reply, invocation.Terminal);
        if (verify) Check(reply);
        return 0;
    }

    /// <summary>Reads a file; null when it is longer than any copy.</summary>
    internal static byte[]? Read(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            if (stream.Length > AuditReports.MaxBytes) return null;
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.AuditCopyInvalid, $"{file} cannot be read: {e.Message}");
        }
    }

    private static void Write(string file, byte[] copy)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.CreateNew, FileAccess.Write);
            stream.Write(copy);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.AuditCopyInvalid, $"{file} cannot be written: {e.Message}", "Name a file that is not there yet.");
        }
    }
}
