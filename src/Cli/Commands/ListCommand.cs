using System.CommandLine;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Commands;

/// <summary>pc list: swarms, members, programs. Its usual form is run by <see cref="QuickList"/>.</summary>
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

                Programs are starting, running, restarting, stopped, failed, waiting (no host may run it now), scheduled (it waits for its next time, which is shown with what became of the last one, by this machine's clock) or unknown (its host is not awake). When somebody who is out of the swarm held a program's key, that is said below: its owner deploys it again and changes the secrets in it.
                """,
            Examples = [("pc list", "All swarms of this node."), ("pc list friends --json", "One swarm for a script.")],
        };
        command.Arguments.Add(Swarm);
        return command.Runs(Run);
    }

    private static int Run(Invocation invocation)
    {
        ListView.Show(invocation.Client, invocation.Parsed.GetValue(Swarm), invocation.Json, invocation.Terminal);
        return 0;
    }
}
