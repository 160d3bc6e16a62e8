using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Cli.Processes;

/// <summary>
/// The systemd unit of a user that starts a node with the machine. The unit's text is tested; that systemd starts it is not proven
/// by a test, since the test machines have no systemd.
/// </summary>
internal static class BootUnit
{
    // What a daemon of ./pc needs from the environment; the rest of the environment is systemd's.
    private static readonly string[] Kept = ["DOTNET_ROOT", "PC_TOOLS", "PC_LAUNCHER", "LD_LIBRARY_PATH", "PATH"];

    /// <summary>The unit's name: peoples-cloud, with a mark of the home when it is not the default one.</summary>
    public static string NameOf(string home) =>
        home == HomeFolder.Resolve(null) ? "peoples-cloud.service" : $"peoples-cloud-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(home)))[..8]}.service";

    /// <summary>The unit's text.</summary>
    /// <param name="program">The program's path.</param>
    /// <param name="home">The node's home.</param>
    /// <param name="arguments">Arguments of pc daemon.</param>
    /// <param name="environment">The environment of now; some of its variables are kept.</param>
    public static string Text(string program, string home, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var text = new StringBuilder();
        text.Append("[Unit]\nDescription=People's Cloud node\nAfter=network-online.target\nWants=network-online.target\n\n[Service]\nType=exec\n");
        foreach (var name in Kept)
            if (environment.TryGetValue(name, out var value) && value.Length > 0) text.Append("Environment=").Append(Quote($"{name}={value}")).Append('\n');
        foreach (var (name, value) in DaemonProcess.Settings) text.Append("Environment=").Append(name).Append('=').Append(value).Append('\n');
        // Programs of the node are processes below it: they are stopped by the daemon in order, so only the daemon gets the signal.
        text.Append("ExecStart=").AppendJoin(' ', new[] { program, "daemon", "--home", home }.Concat(arguments).Select(Quote)).Append('\n');
        text.Append("KillMode=mixed\nTimeoutStopSec=60\nRestart=on-failure\nRestartSec=5\nDelegate=yes\n\n[Install]\nWantedBy=default.target\n");
        return text.ToString();
    }

    /// <summary>Writes the unit, starts it and lets this user's units start without a login.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BootUnavailable"/>.</exception>
    public static void Install(string home, IReadOnlyList<string> arguments)
    {
        Run("systemctl", "--user", "show-environment");
        var config = Environment.GetEnvironmentVariable("XDG_CONFIG_HOME") is { Length: > 0 } xdg ? xdg : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
        var folder = Path.Combine(config, "systemd", "user");
        SystemDisk.Instance.MakeFolder(folder);
        var environment = Kept.ToDictionary(name => name, name => Environment.GetEnvironmentVariable(name) ?? "", StringComparer.Ordinal);
        SystemDisk.Instance.Replace(Path.Combine(folder, NameOf(home)), Encoding.UTF8.GetBytes(Text(Launcher.Program, home, arguments, environment)));
        Run("systemctl", "--user", "daemon-reload");
        Run("systemctl", "--user", "enable", "--now", NameOf(home));
        Run("loginctl", "enable-linger");
    }

    private static void Run(string program, params string[] arguments)
    {
        var line = $"{program} {string.Join(' ', arguments)}";
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var said = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0) throw new PcException(ErrorCode.BootUnavailable, $"{line} failed: {said.Trim()}");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new PcException(ErrorCode.BootUnavailable, $"{line} could not be run: {exception.Message}", inner: exception);
        }
    }

    // systemd.syntax(7): double quotes, C escapes; % starts a specifier, $ a variable.
    private static string Quote(string word)
    {
        var escaped = word.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal).Replace("$", "$$", StringComparison.Ordinal);
        return escaped.Any(character => character is ' ' or '\t' or '"' or '\'' or '\\' or ';') ? $"\"{escaped}\"" : escaped;
    }
}
