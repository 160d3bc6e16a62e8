namespace PeoplesCloud.Daemon.Configuration;

/// <summary>
/// Which engine a node uses, as its owner sets it: <c>off</c>, <c>auto</c>, or <c>unix:///path</c>. Whoever may use an engine is root on its machine, in
/// effect, so nothing is looked for unless the owner says so. Engines beyond this machine (tcp, ssh) are none of a host's own.
/// </summary>
internal static class DockerSocket
{
    /// <summary>No engine; the default.</summary>
    public const string Off = "off";

    /// <summary>The first engine that is found.</summary>
    public const string Auto = "auto";

    /// <summary>What a setting may be, for people.</summary>
    public const string Range = "off, auto, or unix:///run/docker.sock";

    private const string Scheme = "unix://";

    /// <summary>Whether a text is a setting.</summary>
    public static bool IsSetting(string text) => text is Off or Auto || PathOf(text) is not null;

    /// <summary>The engine's socket; null when there is none to use.</summary>
    /// <param name="setting">A setting.</param>
    /// <param name="environment">The environment, for <c>auto</c>: DOCKER_HOST and XDG_RUNTIME_DIR.</param>
    /// <param name="exists">Whether there is a file of this path.</param>
    public static string? Find(string setting, IReadOnlyDictionary<string, string?> environment, Func<string, bool> exists) =>
        setting switch
        {
            Off => null,
            Auto => All(environment).FirstOrDefault(exists),
            _ => PathOf(setting),
        };

    /// <summary>Where <c>auto</c> looks, in this order.</summary>
    public static IEnumerable<string> All(IReadOnlyDictionary<string, string?> environment)
    {
        if (environment.GetValueOrDefault("DOCKER_HOST") is { } named && PathOf(named) is { } path) yield return path;
        // The user's own engine before the machine's: it needs no rights.
        if (environment.GetValueOrDefault("XDG_RUNTIME_DIR") is { } folder && Path.IsPathRooted(folder))
        {
            yield return Path.Combine(folder, "docker.sock");
            yield return Path.Combine(folder, "podman", "podman.sock");
        }
        yield return "/run/docker.sock";
        yield return "/var/run/docker.sock";
        yield return "/run/podman/podman.sock";
    }

    private static string? PathOf(string text) =>
        text.StartsWith(Scheme, StringComparison.Ordinal) && text[Scheme.Length..] is { Length: > 1 and <= Home.HomePaths.MaxSocketPathBytes } path && path[0] == '/' && !path.Any(char.IsControl)
            ? path
            : null;
}
