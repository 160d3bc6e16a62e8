using System.CommandLine;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc drain: gives this node's programs to other hosts.</summary>
internal static class DrainCommand
{
    private static readonly Option<bool> End = new("--end") { Description = "Take programs again." };

    public static PcCommand Create()
    {
        var command = new PcCommand("drain", "Give this node's programs to other hosts, and take none.")
        {
            Synopsis = "[--end]",
            Details = """
                Ends each program that this node runs and gives it to another of its guardians, which starts it at once. From then on this node takes no programs; it still
                votes on the leases of others. Use it before you work on a machine. It holds until --end or until the daemon starts again.

                A program that nobody else can run now stays here, and is named. pc down ends those too: they go on when this node is back.
                pc down and a signal to the daemon give programs away by themselves; pc drain lets you see that it worked before you go.
                """,
            Examples = [("pc drain", "Give all programs away."), ("pc drain --end", "Take programs again.")],
        };
        command.Options.Add(End);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        var reply = invocation.Client.Post("/v1/drain", new DrainRequest(invocation.Value(End)), LocalApiJson.Default.DrainRequest, LocalApiJson.Default.DrainReply);
        if (invocation.Json)
        {
            invocation.WriteJson(reply, LocalApiJson.Default.DrainReply);
            return 0;
        }
        var terminal = invocation.Terminal;
        foreach (var program in reply.Programs)
            terminal.Line($"{terminal.Bold(terminal.Safe(program.Program))} of {terminal.Safe(program.Swarm)}: {(program.To is { } to ? $"goes to {terminal.Safe(to)}" : "stays, since nobody else can run it now")}");
        terminal.Line(reply.Draining ? "this node takes no programs until: pc drain --end" : "this node takes programs again");
        return 0;
    }
}
