using System.CommandLine;

namespace PeoplesCloud.Cli;

/// <summary>Options of every command.</summary>
internal static class CommonOptions
{
    /// <summary>--json.</summary>
    public static Option<bool> Json { get; } = new("--json") { Description = "Write JSON: one document, or one a line where a command writes many. Errors too.", Recursive = true };

    /// <summary>--home.</summary>
    public static Option<string?> Home { get; } = new("--home")
    {
        Description = "The node's folder. Default: $PC_HOME, else peoples-cloud below $XDG_DATA_HOME or ~/.local/share.",
        HelpName = "FOLDER",
        Recursive = true,
    };
}
