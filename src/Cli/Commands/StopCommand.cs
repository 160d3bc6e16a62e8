using System.CommandLine;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc stop: ends a program for good.</summary>
internal static class StopCommand
{
    private static readonly Argument<string[]> WordsGiven = new("words") { Description = "The swarm (may be left out when this node is in one only) and the program's name or hash.", HelpName = "[SWARM] PROGRAM|HASH", Arity = new ArgumentArity(1, 2) };

    public static PcCommand Create()
    {
        var command = new PcCommand("stop", "Stop a program.")
        {
            Synopsis = "<SWARM> <PROGRAM|HASH>",
            Details = "Writes to the swarm that the program is stopped; its host ends it, also when that host is asleep now and wakes later. For the program's owner and for admins.",
            Examples = [("pc stop friends my-bot", "Stop the program my-bot of the swarm friends.")],
        };
        command.Arguments.Add(WordsGiven);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var words = invocation.Value(WordsGiven);
        var swarm = invocation.SwarmOr(words.Length == 2 ? words[0] : null);
        var reply = invocation.Client.Send("POST", Invocation.SwarmPath(swarm, $"programs/{DaemonClient.Escape(words[^1])}/stop"), LocalApiJson.Default.StopReply);
        var terminal = invocation.Terminal;
        if (invocation.Json) invocation.WriteJson(reply, LocalApiJson.Default.StopReply);
        else terminal.Line($"stopped {terminal.Bold(terminal.Safe(reply.Program))}{(reply.Host is null ? "" : $" on {terminal.Safe(reply.Host)}")}");
        return 0;
    }
}
