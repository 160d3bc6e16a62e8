using System.CommandLine;
using System.CommandLine.Invocation;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Help;

/// <summary>Writes the manual page of a command: name, synopsis, description, arguments, options, examples.</summary>
internal sealed class ManualPage : SynchronousCommandLineAction
{
    private const int MaxWidth = 100;

    public override int Invoke(ParseResult parseResult)
    {
        var terminal = Terminal.OfProcess();
        return Ending.Of(terminal, json: false, () =>
        {
            Write(parseResult.CommandResult.Command, terminal);
            return 0;
        });
    }

    /// <summary>Writes the page of a command.</summary>
    public static void Write(Command command, Terminal terminal)
    {
        if (command is RootCommand) RootPage.Write(command, terminal);
        else WritePage(command, terminal);
    }

    /// <summary>Writes a heading.</summary>
    public static void Heading(Terminal terminal, string text)
    {
        terminal.Line();
        terminal.Line(terminal.Bold(text));
    }

    /// <summary>Writes a paragraph in lines that fit.</summary>
    public static void Paragraph(Terminal terminal, string text, string indent = "  ")
    {
        var width = Math.Min(terminal.Width, MaxWidth) - indent.Length;
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("  ", StringComparison.Ordinal)) terminal.Line(indent + line);
            else foreach (var part in Wrap(line, width)) terminal.Line((indent + part).TrimEnd());
        }
    }

    /// <summary>Writes names in a column and what they mean beside it.</summary>
    public static void Columns(Terminal terminal, IReadOnlyList<(string Name, string Meaning)> rows)
    {
        var column = Math.Min(30, rows.Max(row => row.Name.Length)) + 4;
        var width = Math.Max(30, Math.Min(terminal.Width, MaxWidth) - column);
        foreach (var (name, meaning) in rows)
        {
            var first = "  " + name;
            foreach (var part in Wrap(meaning, width))
            {
                if (first.Length > column - 1)
                {
                    terminal.Line(first);
                    first = "";
                }

                terminal.Line((first.PadRight(column) + part).TrimEnd());
                first = "";
            }
        }
    }

    private static void WritePage(Command command, Terminal terminal)
    {
        var path = PathOf(command);
        var page = command as PcCommand;
        terminal.Line($"{terminal.Bold(path)}: {command.Description}");
        Heading(terminal, "Usage");
        terminal.Line($"  {path} {page?.Synopsis}".TrimEnd());
        if (page?.Details is { Length: > 0 } details)
        {
            Heading(terminal, "Description");
            Paragraph(terminal, details);
        }

        if (command.Subcommands.Count > 0)
        {
            Heading(terminal, "Commands");
            Columns(terminal, [.. command.Subcommands.Select(sub => (sub.Name, sub.Description ?? ""))]);
        }

        if (command.Arguments.Any(argument => !argument.Hidden))
        {
            Heading(terminal, "Arguments");
            Columns(terminal, [.. command.Arguments.Where(argument => !argument.Hidden).Select(argument => (argument.HelpName ?? argument.Name.ToUpperInvariant(), argument.Description ?? ""))]);
        }

        Heading(terminal, "Options");
        Columns(terminal, [.. command.Options.Where(option => !option.Hidden).Concat([CommonOptions.Json, CommonOptions.Home]).Select(option => (NameOf(option), option.Description ?? ""))]);
        if (page is { Examples.Count: > 0 })
        {
            Heading(terminal, "Examples");
            foreach (var (line, meaning) in page.Examples)
            {
                terminal.Line($"  {line}");
                Paragraph(terminal, meaning, "      ");
            }
        }
    }

    private static string NameOf(Option option)
    {
        var names = string.Join(", ", option.Aliases.Append(option.Name).Distinct(StringComparer.Ordinal).OrderBy(name => name.Length));
        return option.ValueType == typeof(bool) ? names : $"{names} {option.HelpName ?? option.Name.TrimStart('-').ToUpperInvariant()}";
    }

    /// <summary>The words that a command is typed with, pc first.</summary>
    public static string PathOf(Command command)
    {
        var names = new List<string>();
        for (Symbol? symbol = command; symbol is not null; symbol = symbol.Parents.FirstOrDefault())
            names.Add(symbol is RootCommand ? "pc" : symbol.Name);
        names.Reverse();
        return string.Join(' ', names);
    }

    private static IEnumerable<string> Wrap(string text, int width)
    {
        if (text.Length <= width)
        {
            yield return text;
            yield break;
        }

        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        yield return line;
    }
}
