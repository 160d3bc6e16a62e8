using PeoplesCloud.Base;

namespace PeoplesCloud.Daemon.Home;

/// <summary>Where things are in a home folder (docs/layouts/home.md).</summary>
public sealed class HomePaths(string home)
{
    /// <summary>The longest path of a Unix socket on Linux, in bytes (108 with its terminating zero).</summary>
    public const int MaxSocketPathBytes = 107;

    /// <summary>The folder itself.</summary>
    public string Home { get; } = home;

    /// <summary>The private key of this node.</summary>
    public string Identity => Path.Combine(Home, "identity.key");

    /// <summary>Held by the running daemon.</summary>
    public string Lock => Path.Combine(Home, "pc.lock");

    /// <summary>Feeds and settings that the daemon makes.</summary>
    public string Database => Path.Combine(Home, "pc.db");

    /// <summary>The local API's Unix socket.</summary>
    public string Socket => Path.Combine(Home, "pc.sock");

    /// <summary>The block store.</summary>
    public string Blocks => Path.Combine(Home, "blocks");

    /// <summary>Pinned CIDs.</summary>
    public string Pins => Path.Combine(Home, "pins");

    /// <summary>Wrong secrets that strangers showed lately.</summary>
    public string Guesses => Path.Combine(Home, "guesses");

    /// <summary>CIDs that the gateway serves to the world.</summary>
    public string Public => Path.Combine(Home, "public");

    /// <summary>What the owner said by pc host set and pc pause.</summary>
    public string HostPolicy => Path.Combine(Home, "host.toml");

    /// <summary>Programs that run here.</summary>
    public string Programs => Path.Combine(Home, "programs");

    /// <summary>Sessions that run here.</summary>
    public string Sessions => Path.Combine(Home, "sessions");

    /// <summary>Notes on containers that run here.</summary>
    public string Docker => Path.Combine(Home, "docker");

    /// <summary>What programs of others took here and no receipt says yet.</summary>
    public string Favours => Path.Combine(Home, "favours");

    /// <summary>Data of programs that run here or that this node guards.</summary>
    public string ProgramsData => Path.Combine(Home, "programs-data");

    /// <summary>Times of scheduled programs that this node granted or heard of.</summary>
    public string Schedules => Path.Combine(Home, "schedules");

    /// <summary>Logs of the daemon.</summary>
    public string Logs => Path.Combine(Home, "logs");

    /// <summary>The daemon's log.</summary>
    public string DaemonLog => Path.Combine(Logs, "daemon.log");

    /// <summary>The home named by a flag, else PC_HOME, else peoples-cloud in the user's data folder; absolute.</summary>
    public static string Resolve(string? flag, IReadOnlyDictionary<string, string?> environment)
    {
        if (flag is { Length: > 0 }) return Path.GetFullPath(flag);
        if (environment.GetValueOrDefault("PC_HOME") is { Length: > 0 } home) return Path.GetFullPath(home);
        // A relative XDG path is ignored, as its specification asks.
        var data = environment.GetValueOrDefault("XDG_DATA_HOME") is { } xdg && Path.IsPathRooted(xdg) ? xdg : Path.Combine(UserFolder(environment), ".local", "share");
        return Path.Combine(Path.GetFullPath(data), "peoples-cloud");
    }

    /// <summary>The user's own folder.</summary>
    internal static string UserFolder(IReadOnlyDictionary<string, string?> environment) =>
        environment.GetValueOrDefault("HOME") is { Length: > 0 } home ? home : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
}
