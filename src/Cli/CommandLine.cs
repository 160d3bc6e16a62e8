using System.CommandLine;
using System.CommandLine.Help;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Help;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>The tree of commands, and one run of it.</summary>
internal static class CommandLine
{
    private static readonly (string Name, Func<PcCommand> Create)[] Commands =
    [
        ("try", TryCommand.Create),
        ("daemon", DaemonCommand.Create),
        ("up", UpCommand.Create),
        ("down", DownCommand.Create),
        ("create", CreateCommand.Create),
        ("invite", InviteCommand.Create),
        ("join", JoinCommand.Create),
        ("secret", SecretCommand.Create),
        ("leave", LeaveCommand.Create),
        ("remove", RemoveCommand.Create),
        ("list", ListCommand.Create),
        ("network", NetworkCommand.Create),
        ("deploy", DeployCommand.Create),
        ("update", VersionCommands.Update),
        ("rollback", VersionCommands.Rollback),
        ("history", VersionCommands.History),
        ("logs", LogsCommand.Create),
        ("stats", StatsCommand.Create),
        ("favours", FavoursCommand.Create),
        ("data", DataCommand.Create),
        ("sessions", SessionsCommand.Create),
        ("exec", ExecCommand.Create),
        ("restart", RestartCommand.Create),
        ("open", OpenCommand.Create),
        ("stop", StopCommand.Create),
        ("drain", DrainCommand.Create),
        ("host", HostCommand.Create),
        ("pause", PauseCommand.Create),
        ("resume", ResumeCommand.Create),
        ("audit", AuditCommand.Create),
        ("add", AddCommand.Create),
        ("get", GetCommand.Create),
        ("cat", CatCommand.Create),
        ("pin", PinCommand.Create),
        ("gc", CollectCommand.Create),
        ("version", VersionCommand.Create),
        ("doctor", DoctorCommand.Create),
        ("export", TransferCommands.Export),
        ("import", TransferCommands.Import),
    ];

    private static readonly InvocationConfiguration Configuration = new()
    {
        // Commands report their errors themselves, and those that must end in order watch for signals themselves.
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = null,
    };

    // @FILE is what --secret makes of it: the library would put the file's words into the command line instead.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    private static readonly Dictionary<Type, string> Numbers = new()
    {
        [typeof(int)] = $"a whole number up to {int.MaxValue}",
        [typeof(int?)] = $"a whole number up to {int.MaxValue}",
        [typeof(double)] = "a number",
        [typeof(double?)] = "a number",
    };

    /// <summary>Runs a command line and returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        var only = arguments is [var first, ..] && Array.Exists(Commands, command => command.Name == first) ? first : null;
        var parsed = Root(only).Parse(arguments, Parsing);
        return Refusal(parsed, arguments) is { } refusal ? Ending.Of(Terminal.OfProcess(), arguments.Contains("--json"), () => throw refusal) : parsed.Invoke(Configuration);
    }

    /// <summary>Why a command line is not run; null when it is.</summary>
    public static PcException? Refusal(string[] arguments) => Refusal(Root().Parse(arguments, Parsing), arguments);

    // Who asks for help is not told what is missing.
    private static PcException? Refusal(ParseResult parsed, string[] arguments) =>
        parsed.Action is ManualPage || (parsed.Errors.Count == 0 && UnknownOption(parsed, arguments) is null) ? null : UsageError(parsed, arguments);

    // A misspelt option would be taken for the value of an argument. What follows -- is meant as it is.
    private static string? UnknownOption(ParseResult parsed, string[] arguments)
    {
        var options = arguments.TakeWhile(argument => argument != "--").Where(argument => argument.Length > 1 && argument[0] == '-').ToHashSet(StringComparer.Ordinal);
        return parsed.CommandResult.Children.OfType<System.CommandLine.Parsing.ArgumentResult>().SelectMany(argument => argument.Tokens).Select(token => token.Value).FirstOrDefault(options.Contains);
    }

    /// <summary>All commands, or the one that is run: making the others too takes as long as running it.</summary>
    public static RootCommand Root(string? only = null)
    {
        var root = new RootCommand("the computers of people who trust each other, as one cloud");
        foreach (var (name, create) in Commands)
            if (only is null || name == only) root.Subcommands.Add(create());
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
        var hint = $"{ManualPage.PathOf(command)} --help";
        if (command is RootCommand && parsed.UnmatchedTokens is [var word, ..] && Spelling.Nearest(word, command.Subcommands.Select(known => known.Name), most: 2) is { } near)
            return new PcException(ErrorCode.Usage, $"there is no command '{word}'", $"pc {near}");
        if ((UnknownOption(parsed, arguments) ?? parsed.UnmatchedTokens.FirstOrDefault(token => token.Length > 1 && token[0] == '-')) is not { } option)
            return new PcException(ErrorCode.Usage, Sentence(parsed, command), hint);
        // What follows the words of pc exec is not pc's own.
        if (command.Name == "exec") return new PcException(ErrorCode.Usage, $"exec has no option '{option}'; options of the command that it runs stand behind --", "pc exec SWARM PROGRAM -- COMMAND");
        var known = Spelling.Nearest(option, command.Options.Where(own => !own.Hidden).SelectMany(own => own.Aliases.Prepend(own.Name)), most: 2);
        return new PcException(ErrorCode.Usage, $"{command.Name} has no option '{option}'{(known is null ? "" : $"; did you mean {known}?")}", hint);
    }

    // In this program's words where they say more than the library's.
    private static string Sentence(ParseResult parsed, Command command)
    {
        if (parsed.CommandResult.Children.OfType<System.CommandLine.Parsing.OptionResult>().FirstOrDefault(option => option.Errors.Any() && Numbers.ContainsKey(option.Option.ValueType)) is { Tokens: [var value] } number)
            return $"{number.Option.Name} takes {Numbers[number.Option.ValueType]}, not '{value.Value}'";
        var path = ManualPage.PathOf(command);
        var known = string.Join(" or ", command.Subcommands.Select(sub => sub.Name));
        if (parsed.UnmatchedTokens is [var extra, ..])
        {
            if (command is RootCommand) return $"there is no command '{extra}'";
            return known.Length > 0 ? $"{path} has no command '{extra}', but {known}" : $"{command.Name} takes no further word: '{extra}'";
        }
        if (known.Length > 0 && command is PcCommand { Action: null }) return $"{path} needs a command: {known}";
        return parsed.CommandResult.Children.OfType<System.CommandLine.Parsing.ArgumentResult>().FirstOrDefault(argument => argument.Errors.Any()) is null && parsed.Errors is [var first, ..] && !first.Message.StartsWith("Required argument", StringComparison.Ordinal)
            ? first.Message
            : $"{command.Name} needs {string.Join(' ', command.Arguments.Select(argument => argument.HelpName ?? argument.Name))}";
    }
}
