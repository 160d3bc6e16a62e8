using System.CommandLine;
using System.CommandLine.Help;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Help;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>The tree of commands, and one run of it.</summary>
internal static class CommandLine
{
    private static readonly InvocationConfiguration Configuration = new()
    {
        // Commands report their errors themselves, and those that must end in order watch for signals themselves.
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = null,
    };

    /// <summary>Runs a command line and returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        var parsed = Root().Parse(arguments);
        if (parsed.Errors.Count == 0 && UnknownOption(parsed, arguments) is null) return parsed.Invoke(Configuration);
        return Failure.Report(UsageError(parsed, arguments), Terminal.OfProcess(), arguments.Contains("--json"));
    }

    // A misspelt option would be taken for the value of an argument. What follows -- is meant as it is.
    private static string? UnknownOption(ParseResult parsed, string[] arguments)
    {
        var options = arguments.TakeWhile(argument => argument != "--").Where(argument => argument.Length > 1 && argument[0] == '-').ToHashSet(StringComparer.Ordinal);
        return parsed.CommandResult.Children.OfType<System.CommandLine.Parsing.ArgumentResult>().SelectMany(argument => argument.Tokens).Select(token => token.Value).FirstOrDefault(options.Contains);
    }

    /// <summary>All commands.</summary>
    public static RootCommand Root()
    {
        var root = new RootCommand("the computers of people who trust each other, as one cloud")
        {
            TryCommand.Create(),
            DaemonCommand.Create(),
            UpCommand.Create(),
            DownCommand.Create(),
            CreateCommand.Create(),
            InviteCommand.Create(),
            JoinCommand.Create(),
            LeaveCommand.Create(),
            RemoveCommand.Create(),
            ListCommand.Create(),
            NetworkCommand.Create(),
            DeployCommand.Create(),
            LogsCommand.Create(),
            StopCommand.Create(),
            AddCommand.Create(),
            GetCommand.Create(),
            CatCommand.Create(),
            PinCommand.Create(),
            VersionCommand.Create(),
            DoctorCommand.Create(),
        };
        root.Options.Add(CommonOptions.Json);
        root.Options.Add(CommonOptions.Home);
        foreach (var option in root.Options.ToArray())
        {
            if (option is HelpOption help) help.Action = new ManualPage();
            if (option is VersionOption version) root.Options.Remove(version);
        }

        // pc alone shows the page, as pc --help does.
        root.SetAction(parsed => new ManualPage().Invoke(parsed));
        return root;
    }

    private static PcException UsageError(ParseResult parsed, string[] arguments)
    {
        var command = parsed.CommandResult.Command;
        var hint = command is RootCommand ? "pc --help" : $"pc {command.Name} --help";
        if (command is RootCommand && parsed.UnmatchedTokens is [var word, ..] && Closest(word, command) is { } near)
            return new PcException(ErrorCode.Usage, $"there is no command '{word}'", $"pc {near}");
        return new PcException(ErrorCode.Usage, parsed.Errors is [var first, ..] ? first.Message : $"{command.Name} has no option '{UnknownOption(parsed, arguments)}'", hint);
    }

    private static string? Closest(string word, Command root) =>
        root.Subcommands.Select(command => (command.Name, Distance: Distance(word, command.Name))).Where(pair => pair.Distance <= 2).OrderBy(pair => pair.Distance).Select(pair => pair.Name).FirstOrDefault();

    // Levenshtein, for words of a few letters.
    private static int Distance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (left[i - 1] == right[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }
}
