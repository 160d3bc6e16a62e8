using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>
/// pc list [SWARM] [--json], the command that people and scripts repeat: understood by hand, since making the parser of command lines
/// takes longer than all the rest of it (bench list). Every other form of it is ListCommand's, with the same result.
/// </summary>
internal static class QuickList
{
    /// <summary>Whether a command line has this form: then its swarm, if it names one, and whether it asks for JSON.</summary>
    public static bool Understands(string[] arguments, out string? swarm, out bool json)
    {
        swarm = null;
        json = false;
        if (arguments is not ["list", ..]) return false;
        for (var index = 1; index < arguments.Length; index++)
        {
            var word = arguments[index];
            if (word == "--json" && !json) json = true;
            else if (swarm is null && word.Length > 0 && char.IsAsciiLetterOrDigit(word[0])) swarm = word;
            else return false;
        }

        return true;
    }

    /// <summary>Runs it and returns the exit code.</summary>
    public static int Run(string? swarm, bool json)
    {
        var terminal = Terminal.OfProcess();
        return Ending.Of(terminal, json, () =>
        {
            ListView.Show(new DaemonClient(HomeFolder.Resolve(null)), swarm, json, terminal);
            return 0;
        });
    }
}
