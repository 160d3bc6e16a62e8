using System.Globalization;

namespace PeoplesCloud.Bench;

/// <summary>Processes of this machine and what they take.</summary>
internal static class Processes
{
    /// <summary>All that a process started, and what those started.</summary>
    public static List<int> Descendants(int daemon)
    {
        var children = new Dictionary<int, List<int>>();
        foreach (var folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) || Read(pid, "stat") is not { } stat) continue;
            var parent = int.Parse(stat[(stat.LastIndexOf(')') + 4)..].Split(' ')[0], CultureInfo.InvariantCulture);
            if (!children.TryGetValue(parent, out var list)) children[parent] = list = [];
            list.Add(pid);
        }
        var found = new List<int> { daemon };
        for (var i = 0; i < found.Count; i++) found.AddRange(children.GetValueOrDefault(found[i], []));
        return found[1..];
    }

    /// <summary>The name of a process's program.</summary>
    public static string NameOf(int pid) => Read(pid, "comm")?.Trim() ?? "(ended)";

    /// <summary>When a process began, in ticks of the kernel: with its number the process and no later one of that number. Null when it has ended.</summary>
    public static string? StartOf(int pid) => Read(pid, "stat") is { } stat && stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is [not "Z", ..] fields ? fields[19] : null;

    /// <summary>The memory of a process; what it shares with others is divided between them.</summary>
    public static double PssKibibytes(int pid) => Read(pid, "smaps_rollup") is { } text ? Kibibytes(text, "Pss:") : 0;

    /// <summary>What the kernel takes for processes, namespaces and the like on the whole machine.</summary>
    public static double KernelKibibytes()
    {
        var text = File.ReadAllText("/proc/meminfo");
        return new[] { "Slab:", "KernelStack:", "PageTables:", "Percpu:" }.Sum(name => Kibibytes(text, name));
    }

    private static double Kibibytes(string text, string name) =>
        double.Parse(text.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    private static string? Read(int pid, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{file}");
        }
        catch (IOException)
        {
            return null; // it has just ended
        }
    }
}
