using System.CommandLine;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Help;

/// <summary>The page of pc itself: all commands in the order in which people meet them.</summary>
internal static class RootPage
{
    private static readonly (string Title, string[] Commands)[] Groups =
    [
        ("See it work", ["try"]),
        ("Your node", ["up", "down", "drain", "daemon", "doctor", "export", "import", "version"]),
        ("Swarms", ["create", "invite", "join", "secret", "list", "audit", "network", "remove", "leave"]),
        ("Programs", ["deploy", "update", "rollback", "history", "logs", "stats", "data", "exec", "open", "restart", "stop"]),
        ("Sessions", ["sessions"]),
        ("What you give", ["host", "pause", "resume", "favours"]),
        ("Content", ["add", "get", "cat", "pin", "gc"]),
    ];

    /// <summary>Writes the page.</summary>
    public static void Write(Command root, Terminal terminal)
    {
        terminal.Line($"{terminal.Bold("pc")}: {root.Description}");
        ManualPage.Heading(terminal, "Usage");
        terminal.Line("  pc COMMAND [ARGUMENTS] [OPTIONS]");
        terminal.Line("  pc COMMAND --help");
        foreach (var (title, names) in Groups)
        {
            ManualPage.Heading(terminal, title);
            ManualPage.Columns(terminal, [.. names.Select(name => (name, root.Subcommands.First(command => command.Name == name).Description ?? ""))]);
        }

        ManualPage.Heading(terminal, "Options of every command");
        ManualPage.Columns(terminal, [("--json", CommonOptions.Json.Description!), ("--home FOLDER", CommonOptions.Home.Description!), ("-h, --help", "Show the manual page of a command.")]);
        ManualPage.Heading(terminal, "Examples");
        terminal.Line("  pc try                                  three nodes on this machine run a bot");
        terminal.Line("  pc up && pc create --name friends       start this node and a swarm of its own");
        terminal.Line("  pc join pc1...                          become a member with a friend's ticket");
        terminal.Line("  pc deploy friends ./my-bot              run a bot on the member that has most room");
        ManualPage.Heading(terminal, "Exit codes");
        terminal.Line("  0 done   1 failed   2 usage   3 no daemon   4 not found   5 refused");
    }
}
