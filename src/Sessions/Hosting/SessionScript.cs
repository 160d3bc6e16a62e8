using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>The files of a session that a shell or an interpreter runs, and how they are run.</summary>
internal static class SessionScript
{
    /// <summary>The script's file.</summary>
    public const string InitFile = "pycloud.init";

    /// <summary>What tells a script its port.</summary>
    public const string SettingsFile = "pycloud.json";

    // What the kernel reads of a first line.
    private const int MaxFirstLine = 255;
    private const string Inside = "/app/" + InitFile;

    // The sandbox shows /usr, and the root's links into it.
    private static readonly string[] Roots = ["/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 4 };

    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    // As root a sandbox has a user of its own, who is neither a file's owner nor in its group.
    private static readonly UnixFileMode Executable = Environment.IsPrivilegedProcess ? UnixFileMode.OtherExecute : UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Writes both files into a folder that is made.</summary>
    public static void Write(string folder, string script, string hostname, int port, int sessions)
    {
        Directory.CreateDirectory(folder);
        var init = Path.Combine(folder, InitFile);
        File.WriteAllText(init, script.EndsWith('\n') ? script : script + "\n");
        File.SetUnixFileMode(init, Everybody);
        File.WriteAllText(Path.Combine(folder, SettingsFile), JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal) { ["hostname"] = hostname, ["port"] = port, ["sessions"] = sessions }, Indented) + "\n");
    }

    /// <summary>The command that runs a script: itself when its first line names what reads it, else the shell.</summary>
    /// <param name="script">The script.</param>
    /// <param name="readOnly">Further folders that are seen inside.</param>
    /// <exception cref="PcException"><see cref="ErrorCode.SessionScriptRefused"/>: what its first line names is not there, so it could not begin.</exception>
    public static IReadOnlyList<string> CommandOf(string script, IReadOnlyList<string> readOnly)
    {
        if (!script.StartsWith("#!", StringComparison.Ordinal)) return ["/bin/sh", Inside];
        var end = script.IndexOf('\n', StringComparison.Ordinal);
        var line = end < 0 ? script : script[..end];
        if (Encoding.UTF8.GetByteCount(line) > MaxFirstLine) throw Refused($"its first line is longer than {MaxFirstLine} bytes");
        var program = ProgramOf(line);
        if (!IsSeen(program, readOnly)) throw Refused($"its first line names {Named(program)}, which a session does not see");
        if (!IsExecutable(program)) throw Refused($"its first line names {Named(program)}, which is no program on this host");
        return [Inside];
    }

    /// <summary>The kernel could not begin it: what its first line names is a program of another kind, or lacks what it needs itself.</summary>
    /// <param name="script">The script.</param>
    /// <param name="why">What the kernel said.</param>
    public static PcException NotBegun(string script, string why) => Refused($"{Named(ProgramOf(script))} in its first line cannot be begun on this host: {why}");

    private static string ProgramOf(string script) => script.Split('\n', 2)[0][2..].Trim(' ', '\t').Split([' ', '\t'], 2)[0];

    private static bool IsSeen(string program, IReadOnlyList<string> readOnly) =>
        Path.IsPathFullyQualified(program) && program.Split('/').All(part => part is not ("." or "..")) &&
        (Roots.Any(root => program.StartsWith(root, StringComparison.Ordinal))
            || readOnly.Any(folder => program.StartsWith(folder.TrimEnd('/') + "/", StringComparison.Ordinal)));

    private static bool IsExecutable(string program)
    {
        try
        {
            return File.Exists(program) && (File.GetUnixFileMode(program) & Executable) != UnixFileMode.None;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string Named(string program) => program.Length == 0 ? "nothing" : $"'{string.Concat(program.Select(character => char.IsControl(character) ? '?' : character))}'";

    private static PcException Refused(string why) => new(ErrorCode.SessionScriptRefused, $"this script cannot be run: {why}");
}
