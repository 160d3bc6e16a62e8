using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Programs.Bundles;

namespace PeoplesCloud.Programs.Manifests;

/// <summary>
/// A Procfile, as other hosts of programs read it: lines of <c>name: command</c>. One of its processes is run: web, else worker, else the only one.
/// A web process is told its port in PORT.
/// </summary>
/// <param name="Process">The name of the process that is run.</param>
/// <param name="Command">Its command, as a line for the shell.</param>
internal sealed record Procfile(string Process, string Command)
{
    /// <summary>The file's name.</summary>
    public const string Name = "Procfile";

    /// <summary>The port that a web process gets when none is set.</summary>
    public const int WebPort = 8080;

    private const int MaxBytes = 64 << 10;

    // What other hosts run once after a deploy; nothing that stays up.
    private const string Release = "release";

    /// <summary>Whether it is a web process.</summary>
    public bool IsWeb => Process == "web";

    /// <summary>Reads a folder's Procfile; null when there is none. What cannot be understood is a problem.</summary>
    /// <exception cref="PcException">It cannot be read (<see cref="ErrorCode.FileUnreadable"/>).</exception>
    public static Procfile? Read(string folder, ICollection<string> problems)
    {
        var path = Path.Combine(folder, Name);
        if (!FileStatus.TryRead(path, out var status, out _) || status.Kind != FileKind.File) return null;
        if (status.Bytes > MaxBytes)
        {
            problems.Add($"{Name} is larger than {MaxBytes} bytes");
            return null;
        }
        try
        {
            return Parse(File.ReadAllText(path, Encoding.UTF8), problems);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new PcException(ErrorCode.FileUnreadable, $"{Quoted.Text(path)} could not be read: {unreadable.Message}", inner: unreadable);
        }
    }

    /// <summary>Reads the text of a Procfile.</summary>
    internal static Procfile? Parse(string text, ICollection<string> problems)
    {
        var processes = new Dictionary<string, string>(StringComparer.Ordinal);
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var name = colon < 0 ? "" : line[..colon].Trim();
            var command = line[(colon + 1)..].Trim();
            if (name.Length == 0 || command.Length == 0 || !name.All(character => char.IsAsciiLetterOrDigit(character) || character is '_' or '-')) problems.Add($"{Name} line {number}: expected name: command, got {Quoted.Text(line)}");
            else if (!processes.TryAdd(name, command)) problems.Add($"{Name} line {number}: {name} is there twice");
        }
        processes.Remove(Release);
        var chosen = processes.ContainsKey("web") ? "web" : processes.ContainsKey("worker") ? "worker" : processes.Count == 1 ? processes.Keys.Single() : null;
        if (chosen is not null) return new Procfile(chosen, processes[chosen]);
        problems.Add($"{Name} has {(processes.Count == 0 ? "no process" : $"no web or worker among {string.Join(", ", processes.Keys)}")}: set run in {ProgramFile.Name}");
        return null;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (input.Length > MaxBytes) return;
        var problems = new List<string>();
        var read = Parse(Encoding.UTF8.GetString(input), problems);
        Invariant.Check(read is not null || problems.Count > 0, "a Procfile has a process or a problem");
    }
}
