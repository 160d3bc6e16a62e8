namespace PeoplesCloud.Cli;

/// <summary>Where a node's home is: --home, else PC_HOME, else peoples-cloud in XDG_DATA_HOME or ~/.local/share.</summary>
internal static class HomeFolder
{
    /// <summary>The absolute path of the home.</summary>
    public static string Resolve(string? option)
    {
        if (option is { Length: > 0 }) return Path.GetFullPath(option);
        if (Environment.GetEnvironmentVariable("PC_HOME") is { Length: > 0 } home) return Path.GetFullPath(home);
        // A relative XDG path is ignored, as its specification asks.
        var data = Environment.GetEnvironmentVariable("XDG_DATA_HOME");
        if (!Path.IsPathRooted(data)) data = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share");
        return Path.Combine(data!, "peoples-cloud");
    }

    /// <summary>The socket of the local API.</summary>
    public static string SocketOf(string home) => Path.Combine(home, "pc.sock");
}
