using System.CommandLine;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli;

/// <summary>Values that nobody else should see: how commands take them, and the warning for those that were in the command line.</summary>
internal static class SecretValues
{
    // More than any value may have; what is too long is refused by the daemon.
    private const int MaxBytes = 64 << 10;

    /// <summary>--env, as commands have it.</summary>
    public static Option<string[]> EnvOption { get; } = new("--env", "-e")
    {
        Description = "A secret environment variable: NAME=- asks for it (or reads standard input), NAME=@FILE reads a file, NAME alone takes it from this command's environment. NAME=VALUE works too, but every user of this machine can see it in the process list. May be given more than once.",
        HelpName = "NAME[=-|=@FILE]",
        AllowMultipleArgumentsPerToken = false,
    };

    /// <summary>--env-file, as commands have it.</summary>
    public static Option<string[]> FileOption { get; } = new("--env-file")
    {
        Description = "A file of secret environment variables, one NAME=VALUE a line; - reads standard input. May be given more than once.",
        HelpName = "FILE|-",
        AllowMultipleArgumentsPerToken = false,
    };

    /// <summary>The variables of both options; null when none were given.</summary>
    public static Dictionary<string, string>? Of(Invocation invocation)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in invocation.Value(FileOption) ?? [])
            foreach (var (name, value) in EnvFile.Parse(file == "-" ? All(Console.In) : FromFile(file), file == "-" ? "standard input" : file)) values[name] = value;
        foreach (var word in invocation.Value(EnvOption) ?? [])
        {
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? word : word[..equals];
            values[name] = equals < 0
                ? Environment.GetEnvironmentVariable(name) ?? throw new PcException(ErrorCode.SecretInvalid, $"this command's environment has no {name}", $"--env {name}=-")
                : Read(name, word[(equals + 1)..], invocation.Terminal);
        }
        return values.Count == 0 ? null : values;
    }

    /// <summary>A value: - asks for it or reads standard input, @FILE is a file's, anything else is the value itself, with a warning.</summary>
    public static string Read(string name, string given, Terminal terminal)
    {
        if (given == "-") return Console.IsInputRedirected ? WithoutLastNewline(All(Console.In)) : SecretText.Ask(terminal.Error, $"{name}: ", () => Console.ReadKey(intercept: true));
        if (given.StartsWith('@')) return WithoutLastNewline(FromFile(given[1..]));
        Warn($"the value of {name}", $"{name}=- or {name}=@FILE", terminal);
        return given;
    }

    /// <summary>Says that something was in the command line, and what keeps it out of sight.</summary>
    public static void Warn(string what, string instead, Terminal terminal) =>
        terminal.Error.WriteLine($"{terminal.Warn("warning:")} {terminal.Safe(what)} was in the command line, where every user of this machine could see it; {terminal.Safe(instead)} keeps it out of sight");

    private static string FromFile(string path)
    {
        if (Directory.Exists(path)) throw Unreadable("is a folder");
        try
        {
            using var file = new StreamReader(path, Encoding.UTF8);
            return All(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or ArgumentException)
        {
            throw Unreadable("does not exist");
        }
        catch (UnauthorizedAccessException)
        {
            throw Unreadable("may not be read by you");
        }

        PcException Unreadable(string why) => new(ErrorCode.SecretInvalid, $"the file '{path}' {why}", "Name a file of this machine; a relative path is taken from where the command runs.");
    }

    private static string All(TextReader reader)
    {
        var text = new char[MaxBytes + 1];
        var length = reader.ReadBlock(text, 0, text.Length);
        return length <= MaxBytes ? new string(text, 0, length) : throw new PcException(ErrorCode.SecretTooLarge, $"more than {MaxBytes} characters are no secrets");
    }

    // What an editor or echo puts at the end of a file is not meant.
    private static string WithoutLastNewline(string text) => text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
}
