using System.CommandLine;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc restart: starts a program again where it runs.</summary>
internal static class RestartCommand
{
    private static readonly Argument<string[]> WordsGiven = ProgramWords.Argument();

    public static PcCommand Create()
    {
        var command = new PcCommand("restart", "Start a program again where it runs.")
        {
            Synopsis = "<SWARM> <PROGRAM|HASH>",
            Details = "Ends the program (TERM, after 10 seconds KILL) and starts it at once on the same host, from the same files. A pause after a crash ends, and a program that has finished starts again. When its host is asleep now, it restarts the program when it wakes. For the program's owner and for admins; the swarm's feed keeps who did it.",
            Examples = [("pc restart friends my-bot", "Start my-bot again.")],
        };
        command.Arguments.Add(WordsGiven);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var (swarm, program) = ProgramWords.Of(invocation, WordsGiven);
        var json = RunningApiJson.Default.RestartReply;
        var reply = invocation.Client.Send("POST", ProgramWords.Path(swarm, program, "restart"), json);
        var terminal = invocation.Terminal;
        if (invocation.Json)
        {
            invocation.WriteJson(reply, json);
            return 0;
        }

        var name = terminal.Bold(terminal.Safe(reply.Program));
        if (reply.Done) terminal.Line($"restarted {name}{(reply.Host is null ? "" : $" on {terminal.Safe(reply.Host)}")}");
        else terminal.Line(terminal.Warn($"{name} is restarted when its host hears of it: {terminal.Safe(reply.Problem ?? "")}"));
        return 0;
    }
}
