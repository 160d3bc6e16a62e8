using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc update, pc rollback and pc history: the versions of a program.</summary>
internal static class VersionCommands
{
    private static readonly Argument<string[]> UpdateWords = new("words")
    {
        Description = "The swarm (may be left out when this node is in one only), the program's name, and the folder of its new version.",
        HelpName = "[SWARM] PROGRAM PATH",
        Arity = new ArgumentArity(2, 3),
    };

    private static readonly Option<int?> To = new("--to") { Description = "The version's number in pc history. Default: the last one that differs from the present one.", HelpName = "VERSION" };

    private static readonly Argument<string[]> RollbackWords = ProgramWords.Argument();

    private static readonly Argument<string[]> HistoryWords = ProgramWords.Argument();

    public static PcCommand Update()
    {
        var command = new PcCommand("update", "Let a new version of a program take over, and go back when it is not up.")
        {
            Synopsis = "[SWARM] <PROGRAM> <PATH>",
            Details = """
                Deploys the folder as a new version of a program of yours. What it may use is what its pc.toml and the options say, as with pc deploy.

                A program without ports: the version before is stopped, the new one starts, and if it exits within 10 seconds the version before is started again. The same holds for one with data/, since two versions must not write one folder. A program with ports and without data: the new version starts beside the one before, which keeps the name; when the new one has run for 10 seconds and its TCP ports answer, the one before is stopped, else the new one.

                A new version that ends by itself with exit code 0 is an exit like any other, unless the version before had finished too. For the program's owner.
                """,
            Examples = [("pc update friends my-bot ./my-bot", "The folder as it is now, instead of what runs.")],
        };
        command.Arguments.Add(UpdateWords);
        DeployCommand.AddOptions(command);
        return command.Runs(RunUpdate);
    }

    public static PcCommand Rollback()
    {
        var command = new PcCommand("rollback", "Run an earlier version of a program again.")
        {
            Synopsis = "[--to VERSION] [SWARM] <PROGRAM>",
            Details = "Starts an earlier version's files again, with what that version might use, as a new version. The files of the last five versions are kept while the program lives. For the program's owner.",
            Examples = [("pc rollback friends my-bot", "Back to the version before."), ("pc rollback friends my-bot --to 3", "Back to version 3 of pc history.")],
        };
        command.Arguments.Add(RollbackWords);
        command.Options.Add(To);
        return command.Runs(RunRollback);
    }

    public static PcCommand History()
    {
        var command = new PcCommand("history", "Show the versions of a program, and what was done with it.")
        {
            Synopsis = "[SWARM] <PROGRAM>",
            Details = "All versions that the swarm's feeds know, oldest first: when they were deployed, whether they live, whether their files are kept for pc rollback. Below, restarts and commands run with pc exec: who and when. Of a program with a schedule also what became of its last 16 times, as its guardians kept it: ok (exit code 0), failed, skipped (no host was there in time, or the run before was still going) or lost (a host that is gone had begun it or was about to).",
            Examples = [("pc history friends my-bot", "All of it.")],
        };
        command.Arguments.Add(HistoryWords);
        return command.Runs(RunHistory);
    }

    private static int RunUpdate(Invocation invocation)
    {
        var words = invocation.Value(UpdateWords);
        var swarm = invocation.SwarmOr(words.Length == 3 ? words[0] : null);
        if (words.Length == 2 && words[0] == swarm)
            throw new PcException(ErrorCode.Usage, $"which program of {swarm}?", Launcher.Line(invocation.Home, $"update {Launcher.Quote(swarm)} {Launcher.Quote(Path.GetFileName(Path.GetFullPath(words[1])))} {Launcher.Quote(words[1])}"));
        var request = DeployCommand.RequestOf(invocation, words[^1], null, null);
        return Follow(invocation, swarm, invocation.Client.PostForEvents(ProgramWords.Path(swarm, words[^2], "update"), request, LocalApiJson.Default.DeployRequest, RunningApiJson.Default.EventUpdateReply));
    }

    private static int RunRollback(Invocation invocation)
    {
        var (swarm, program) = ProgramWords.Of(invocation, RollbackWords);
        var request = new RollbackRequest(invocation.Value(To));
        return Follow(invocation, swarm, invocation.Client.PostForEvents(ProgramWords.Path(swarm, program, "rollback"), request, RunningApiJson.Default.RollbackRequest, RunningApiJson.Default.EventUpdateReply));
    }

    private static int Follow(Invocation invocation, string swarm, IEnumerable<Event<UpdateReply>> events)
    {
        var terminal = invocation.Terminal;
        UpdateReply? reply = null;
        foreach (var happened in events)
        {
            if (happened is { Kind: "step", Text: { } text } && !invocation.Json)
            {
                terminal.Line(terminal.Dim(terminal.Safe(text)));
                terminal.Out.Flush();
            }
            reply = happened.Result ?? reply;
        }
        if (reply is null) throw new PcException(ErrorCode.DaemonWentAway, "the daemon's answer has no result");
        if (invocation.Json)
        {
            invocation.WriteJson(reply, RunningApiJson.Default.UpdateReply);
            return 0;
        }

        terminal.Line($"{terminal.Bold(terminal.Safe(reply.Deployed.Program))} version {reply.Version.ToString(CultureInfo.InvariantCulture)} ({reply.Deployed.Language}) runs on {terminal.Bold(terminal.Safe(reply.Deployed.Host))}");
        terminal.Line($"  log   {Launcher.Line(invocation.Home, $"logs -f {Launcher.Quote(swarm)} {Launcher.Quote(reply.Deployed.Program)}")}");
        return 0;
    }

    private static int RunHistory(Invocation invocation)
    {
        var (swarm, program) = ProgramWords.Of(invocation, HistoryWords);
        var reply = invocation.Client.Get(ProgramWords.Path(swarm, program, "history"), RunningApiJson.Default.HistoryReply);
        var terminal = invocation.Terminal;
        if (invocation.Json)
        {
            invocation.WriteJson(reply, RunningApiJson.Default.HistoryReply);
            return 0;
        }

        terminal.Line($"{terminal.Bold(terminal.Safe(reply.Program))}, deployed by {terminal.Safe(reply.Owner)}");
        var versions = new Table("VERSION", "DEPLOYED", "STATE", "HOST", "LANGUAGE", "SIZE", "ID", "");
        foreach (var version in reply.Versions)
        {
            var note = version.SameAs is { } same ? $"same as {same}" : "";
            if (version is { State: "stopped", Kept: true }) note += note.Length == 0 ? "kept" : ", kept";
            versions.Add(
                version.Version.ToString(CultureInfo.InvariantCulture), Time(version.Deployed), version.State, terminal.Safe(version.Host ?? "-"), terminal.Safe(version.Language),
                Words.Bytes(version.BundleBytes), version.Id[..12], note);
        }
        versions.Write(terminal, "  ");
        WriteTimes(reply.Times ?? [], terminal);
        if (reply.Controls.Count == 0) return 0;
        terminal.Line();
        var controls = new Table("TIME", "BY", "WHAT", "");
        foreach (var control in reply.Controls) controls.Add(Time(control.Time), terminal.Safe(control.By), control.Action, terminal.Safe(control.Detail));
        controls.Write(terminal, "  ");
        return 0;
    }

    private static void WriteTimes(IReadOnlyList<HistoryTime> times, Terminal terminal)
    {
        if (times.Count == 0) return;
        terminal.Line();
        var table = new Table("DUE", "RESULT", "HOST", "BEGAN", "TOOK", "");
        foreach (var time in times)
            table.Add(Time(time.Due), time.Result, terminal.Safe(time.Host), time.Began is { } began ? Time(began) : "-", time.Began is null ? "-" : string.Create(CultureInfo.InvariantCulture, $"{time.TookSeconds:0.0} s"), terminal.Safe(time.Detail ?? ""));
        table.Write(terminal, "  ");
    }

    private static string Time(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
