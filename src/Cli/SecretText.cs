using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>The secret that --secret means: - reads it, @FILE is a file's, anything else is the secret itself.</summary>
internal static class SecretText
{
    /// <summary>What the help says of the option.</summary>
    public const string Help = "The swarm's secret: - asks for it (or reads a line of standard input), @FILE reads a file. Anything else is the secret itself, with a warning: every user of this machine can see it in the process list.";

    // More than any secret; what is too long is refused by the daemon.
    private const int MaxBytes = 64 << 10;

    /// <summary>Reads the secret.</summary>
    /// <param name="option">The option's value.</param>
    /// <param name="terminal">Where to ask.</param>
    /// <param name="twice">Whether somebody who types it types it again: a new one that was mistyped lets nobody in.</param>
    /// <exception cref="PcException">Nothing could be read, or the two differ.</exception>
    public static string Read(string option, Terminal terminal, bool twice)
    {
        if (option.StartsWith('@')) return FromFile(option[1..]);
        if (option != "-")
        {
            SecretValues.Warn("the secret", "--secret - or --secret @FILE", terminal);
            return option;
        }
        if (Console.IsInputRedirected) return FirstLine(Console.In) ?? throw Empty("standard input");
        var secret = Ask(terminal.Error, "Secret: ", ReadKey);
        if (twice && Ask(terminal.Error, "Again:  ", ReadKey) != secret) throw new PcException(ErrorCode.JoinSecretInvalid, "the two are not the same", "type the same secret twice");
        return secret;
    }

    /// <summary>Asks on a terminal, without showing what is typed.</summary>
    internal static string Ask(TextWriter prompt, string text, Func<ConsoleKeyInfo> readKey)
    {
        prompt.Write(text);
        prompt.Flush();
        var typed = new StringBuilder();
        while (true)
        {
            var key = readKey();
            if (key.Key == ConsoleKey.Enter) break;
            if (key.Key == ConsoleKey.Backspace)
            {
                if (typed.Length > 0) typed.Length -= typed.Length > 1 && char.IsLowSurrogate(typed[^1]) ? 2 : 1;
            }
            else if (key.KeyChar != '\0')
            {
                typed.Append(key.KeyChar);
            }
        }
        prompt.WriteLine();
        return typed.ToString();
    }

    /// <summary>A line, or what there is of it; null when there is none.</summary>
    internal static string? FirstLine(TextReader reader)
    {
        var line = new StringBuilder();
        for (var next = reader.Read(); next >= 0 && line.Length < MaxBytes; next = reader.Read())
        {
            if (next == '\n') return line.ToString().TrimEnd('\r');
            line.Append((char)next);
        }
        return line.Length == 0 ? null : line.ToString();
    }

    private static string FromFile(string path)
    {
        if (!Path.Exists(path)) throw new PcException(ErrorCode.PathNotFound, $"{path} does not exist");
        if (Directory.Exists(path)) throw new PcException(ErrorCode.JoinSecretInvalid, $"{path} is a folder, no file with a secret", "name a file whose first line is the secret");
        using var file = new StreamReader(path, Encoding.UTF8);
        return FirstLine(file) ?? throw Empty(path);
    }

    private static ConsoleKeyInfo ReadKey() => Console.ReadKey(intercept: true);

    private static PcException Empty(string where) => new(ErrorCode.JoinSecretInvalid, $"{where} holds no secret");
}
