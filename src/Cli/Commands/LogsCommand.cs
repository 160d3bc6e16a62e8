using System.CommandLine;
using System.Globalization;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc logs: what a program printed.</summary>
internal static class LogsCommand
{
    private static readonly Argument<string[]> WordsGiven = new("words") { Description = "The swarm (may be left out when this node is in one only) and the program's name or hash.", HelpName = "[SWARM] PROGRAM", Arity = new ArgumentArity(1, 2) };

    private static readonly Option<bool> FollowOption = new("--follow", "-f") { Description = "Go on as the program prints more, until Ctrl-C." };

    private static readonly Option<int> Tail = new("--tail") { Description = "Start with at most this many of the last lines. Default: 100.", HelpName = "LINES", DefaultValueFactory = _ => 100 };

    private static readonly Option<bool> Times = new("--times", "-t") { Description = "Show when each line was printed." };

    public static PcCommand Create()
    {
        var command = new PcCommand("logs", "Show what a program printed.")
        {
            Synopsis = "[-f] [--tail LINES] [-t] <SWARM> <PROGRAM>",
            Details = "Shows the program's standard output and standard error as its host keeps them, and what the host says about it (started, ended, restarted) in lines that start with --. With -f it goes on wherever the program goes: over restarts, to other hosts, to newer versions of the name; where lines may be missing, it says so. For the program's owner and for admins.",
            Examples = [("pc logs friends my-bot", "The last hundred lines."), ("pc logs -f friends my-bot", "The same, and on.")],
        };
        command.Arguments.Add(WordsGiven);
        command.Options.Add(FollowOption);
        command.Options.Add(Tail);
        command.Options.Add(Times);
        return command.Runs(Run);
    }

    /// <summary>The path of a program's log.</summary>
    public static string PathOf(string swarm, string program, bool follow, int tail) =>
        Invocation.SwarmPath(swarm, $"programs/{DaemonClient.Escape(program)}/logs?follow={(follow ? "true" : "false")}&tail={tail.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>A line for people.</summary>
    public static string Text(LogLine line, Terminal terminal)
    {
        var text = terminal.Safe(line.Text);
        return line.Stream switch
        {
            "pc" => terminal.Dim($"-- {text}"),
            "err" => terminal.Warn(text),
            _ => text,
        };
    }

    private static int Run(Invocation invocation)
    {
        var words = invocation.Value(WordsGiven);
        var swarm = invocation.SwarmOr(words.Length == 2 ? words[0] : null);
        var follow = invocation.Value(FollowOption);
        var times = invocation.Value(Times);
        var terminal = invocation.Terminal;
        using var body = invocation.Client.Open("GET", PathOf(swarm, words[^1], follow, invocation.Value(Tail)), null);
        foreach (var happened in DaemonClient.Events(body, LocalApiJson.Default.EventLogLine))
        {
            if (happened.Result is not { } line) continue;
            if (invocation.Json) invocation.WriteJson(line, LocalApiJson.Default.LogLine);
            else terminal.Line(times ? $"{terminal.Dim(line.Time.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture))} {Text(line, terminal)}" : Text(line, terminal));
            // Whoever follows sees each line at once, through a pipe too.
            if (follow) terminal.Out.Flush();
        }

        return 0;
    }
}
