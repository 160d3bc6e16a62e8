using System.Globalization;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Names the runtime of one living process, so that another can tell what a dead one left behind: process number, its start in clock ticks
/// since boot (numbers are used again, the pair is not) and a count within the process. Written as <c>4711.88012.1</c>.
/// </summary>
internal sealed record SandboxOwner(int Pid, long Started, int Instance)
{
    private static int _instances;

    /// <summary>A new name for a runtime of this process.</summary>
    public static SandboxOwner Create() => new(Environment.ProcessId, StartOf(Environment.ProcessId) ?? 0, Interlocked.Increment(ref _instances));

    /// <summary>Reads a name; null when it is none of ours.</summary>
    public static SandboxOwner? Parse(string text)
    {
        var parts = text.Split('.');
        return parts.Length == 3
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var started)
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var instance)
            ? new SandboxOwner(pid, started, instance)
            : null;
    }

    /// <summary>Whether the process that made this name still runs.</summary>
    public bool IsAlive => StartOf(Pid) == Started;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Pid}.{Started}.{Instance}");

    /// <summary>When a process started, in clock ticks since boot; null when there is none of this number.</summary>
    internal static long? StartOf(int pid)
    {
        try
        {
            // Field 22 of proc(5)/stat; the name in field 2 may hold blanks and parentheses, so count from its last one.
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // A zombie has ended already, whoever has not collected it yet.
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
