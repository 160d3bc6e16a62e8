using System.CommandLine;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>A command with what its manual page says besides its options.</summary>
internal sealed class PcCommand : Command
{
    private Func<Invocation, int> _handle = _ => throw new InvalidOperationException("this command only has subcommands");

    public PcCommand(string name, string summary)
        : base(name, summary)
    {
    }

    /// <summary>The line after SYNOPSIS, without "pc" and the command's name.</summary>
    public string Synopsis { get; init; } = "";

    /// <summary>Paragraphs of the description; a line that starts with two spaces is kept as it is.</summary>
    public string Details { get; init; } = "";

    /// <summary>Command lines and what each does.</summary>
    public IReadOnlyList<(string Line, string Meaning)> Examples { get; init; } = [];

    /// <summary>Lets the command run with <paramref name="handle"/>, which returns the exit code.</summary>
    public PcCommand Runs(Func<Invocation, int> handle)
    {
        _handle = handle;
        SetAction(parsed => Run(parsed, Terminal.OfProcess()));
        return this;
    }

    /// <summary>Lets the command run with <paramref name="handle"/>, which returns the exit code.</summary>
    public PcCommand Runs(Func<Invocation, Task<int>> handle) => Runs(invocation => handle(invocation).GetAwaiter().GetResult());

    /// <summary>Runs it with what was parsed and returns the exit code.</summary>
    public int Run(ParseResult parsed, Terminal terminal) => Ending.Of(terminal, parsed.GetValue(CommonOptions.Json), () => _handle(new Invocation(parsed, terminal)));
}
