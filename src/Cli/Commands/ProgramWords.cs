using System.CommandLine;
using PeoplesCloud.Cli.Api;

namespace PeoplesCloud.Cli.Commands;

/// <summary>The words [SWARM] PROGRAM that commands about one program take.</summary>
internal static class ProgramWords
{
    /// <summary>The argument; one a command, since each belongs to one.</summary>
    public static Argument<string[]> Argument() => new("words")
    {
        Description = "The swarm (may be left out when this node is in one only) and the program's name or hash.",
        HelpName = "[SWARM] PROGRAM",
        Arity = new ArgumentArity(1, 2),
    };

    /// <summary>What was given, with the node's only swarm when none was named.</summary>
    public static (string Swarm, string Program) Of(Invocation invocation, Argument<string[]> words)
    {
        var given = invocation.Value(words);
        return (invocation.SwarmOr(given.Length == 2 ? given[0] : null), given[^1]);
    }

    /// <summary>The path of a route about a program.</summary>
    public static string Path(string swarm, string program, string what) => Invocation.SwarmPath(swarm, $"programs/{DaemonClient.Escape(program)}/{what}");
}
