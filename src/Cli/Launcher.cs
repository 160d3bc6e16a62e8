namespace PeoplesCloud.Cli;

/// <summary>How this program is called, for lines that people copy and for processes that it starts.</summary>
internal static class Launcher
{
    /// <summary>The repository's ./pc that this program was started by, null when it was started directly.</summary>
    public static string? Script => Environment.GetEnvironmentVariable("PC_LAUNCHER") is { Length: > 0 } script && File.Exists(script) ? script : null;

    /// <summary>What to type: ./pc in the repository's folder, else its full path, else pc.</summary>
    public static string Name
    {
        get
        {
            if (Script is not { } script) return "pc";
            return Path.GetDirectoryName(script) == Directory.GetCurrentDirectory() ? "./pc" : Quote(script);
        }
    }

    /// <summary>The program itself; started directly, so that a signal reaches it.</summary>
    public static string Program => Environment.ProcessPath ?? throw new InvalidOperationException("this process has no path");

    /// <summary>A line that works by copy and paste against a home; the default home is not named.</summary>
    public static string Line(string home, string command) =>
        home == HomeFolder.Resolve(null) ? $"{Name} {command}" : $"{Name} --home {Quote(home)} {command}";

    /// <summary>A word of a shell line.</summary>
    public static string Quote(string word) =>
        word.Length > 0 && word.All(character => char.IsAsciiLetterOrDigit(character) || "-_./:@%+=,".Contains(character, StringComparison.Ordinal))
            ? word
            : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
