using System.CommandLine;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc list: swarms, members, programs.</summary>
internal static class ListCommand
{
    private static readonly Argument<string?> Swarm = new("swarm") { Description = "Show this swarm only.", HelpName = "SWARM", Arity = ArgumentArity.ZeroOrOne };

    public static PcCommand Create()
    {
        var command = new PcCommand("list", "Show swarms, their members and programs.")
        {
            Synopsis = "[SWARM]",
            Details = """
                Members are here (this node), awake, suspect (did not answer for a while) or asleep. A host's rank says how busy it is: running programs plus the mean of processor and memory use; the lowest is chosen first.

                Programs are starting, running, restarting, stopped, failed, waiting (no host may run it now) or unknown (its host is not awake).
                """,
            Examples = [("pc list", "All swarms of this node."), ("pc list friends --json", "One swarm for a script.")],
        };
        command.Arguments.Add(Swarm);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var swarm = invocation.Parsed.GetValue(Swarm);
        var path = swarm is null ? "/v1/list" : $"/v1/list?swarm={DaemonClient.Escape(swarm)}";
        var answer = invocation.Client.GetBytes(path);
        if (invocation.Json) invocation.Terminal.Line(System.Text.Encoding.UTF8.GetString(answer));
        else Write(Read(answer), invocation.Terminal, invocation.Home);
        return 0;
    }

    /// <summary>Writes the list for people.</summary>
    public static void Write(ListReply list, Terminal terminal, string home)
    {
        if (list.Swarms.Count == 0)
        {
            terminal.Line("this node is in no swarm");
            terminal.Line($"  make one:   {Launcher.Line(home, "create --name NAME")}");
            terminal.Line($"  join one:   {Launcher.Line(home, "join TICKET")}");
            return;
        }

        foreach (var (swarm, index) in list.Swarms.Select((swarm, index) => (swarm, index)))
        {
            if (index > 0) terminal.Line();
            WriteSwarm(swarm, terminal);
        }
    }

    private static ListReply Read(byte[] answer)
    {
        try
        {
            using var document = JsonDocument.Parse(answer);
            return ListReader.Read(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new PcException(ErrorCode.DaemonAnswer, "the daemon's answer could not be understood", inner: exception);
        }
    }

    private static void WriteSwarm(SwarmInfo swarm, Terminal terminal)
    {
        terminal.Line($"{terminal.Bold(terminal.Safe(swarm.Name))}  {terminal.Dim($"{swarm.Id}, you are {swarm.Role}")}");
        var members = new Table("MEMBER", "STATE", "ROLE", "RANK", "PEER ID");
        foreach (var member in swarm.Members)
            members.Add(terminal.Safe(member.Name), member.State, member.Role, member.Hosts ? member.Rank is { } rank ? $"{rank:0.00}" : "-" : "no host", member.PeerId);
        members.Write(terminal, "  ");
        if (swarm.Programs.Count == 0) return;
        terminal.Line();
        var programs = new Table("PROGRAM", "STATE", "HOST", "OWNER", "LANGUAGE", "HASH", "");
        foreach (var program in swarm.Programs)
            programs.Add(terminal.Safe(program.Name), program.State, terminal.Safe(program.Host ?? "-"), terminal.Safe(program.Owner), program.Language, program.Hash, terminal.Safe(Detail(program)));
        programs.Write(terminal, "  ");
    }

    private static string Detail(ProgramInfo program) =>
        program.Restarts > 0 ? $"{Words.Count(program.Restarts, "restart")}{(program.Detail is null ? "" : ", ")}{program.Detail}" : program.Detail ?? "";
}
