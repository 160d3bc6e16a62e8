using System.Globalization;

namespace PeoplesCloud.Runtimes.Sandbox.Limits;

/// <summary>Measures a process and all below it from /proc, where no control group counts. Source: proc(5).</summary>
internal static class ProcessTree
{
    private static readonly long PageBytes = Environment.SystemPageSize;

    // Linux tells user space 100 ticks a second on every architecture (USER_HZ).
    private const long TicksPerSecond = 100;

    /// <summary>What the processes below one use, without itself. Pages that they share are counted for each.</summary>
    /// <param name="root">The one.</param>
    /// <param name="isOurs">Tells those that are not counted, with what is below them; null when all are.</param>
    public static RunUsage Measure(int root, Func<int, bool>? isOurs = null)
    {
        long pages = 0, ticks = 0;
        var count = 0;
        var open = new Stack<int>(Children(root));
        while (open.TryPop(out var pid))
        {
            if (isOurs?.Invoke(pid) == true) continue;
            try
            {
                var stat = File.ReadAllText($"/proc/{pid}/stat");
                var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                ticks += Number(fields[11]) + Number(fields[12]);
                pages += Number(fields[21]);
                count += (int)Number(fields[17]);
            }
            catch (IOException)
            {
                continue;
            }
            foreach (var child in Children(pid)) open.Push(child);
        }
        return new RunUsage(pages * PageBytes, TimeSpan.FromSeconds((double)ticks / TicksPerSecond), count);
    }

    /// <summary>Stops a process, which must be a child of ours, so that it starts no more, and says what it has started.</summary>
    public static IReadOnlyList<int> Freeze(int pid)
    {
        _ = LibC.kill(pid, LibC.Stop);
        while (!StandsStill(pid)) _ = Thread.Yield();
        return Descendants(pid);
    }

    /// <summary>Stops everything below a process, or lets it go on; whether nothing below it runs, so that nothing new can come of it either.</summary>
    public static bool Freeze(int root, bool frozen)
    {
        var all = Descendants(root);
        foreach (var pid in all) _ = LibC.kill(pid, frozen ? LibC.Stop : LibC.Continue);
        return all.All(StandsStill) && Descendants(root).Count == all.Count;
    }

    private static bool StandsStill(int pid) => StateOf(pid) is 'T' or 't' or 'Z' or 'X';

    private static List<int> Descendants(int pid)
    {
        var all = new List<int>();
        var open = new Stack<int>(Children(pid));
        while (open.TryPop(out var child))
        {
            all.Add(child);
            foreach (var next in Children(child)) open.Push(next);
        }
        return all;
    }

    private static char StateOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            return 'X';
        }
    }

    /// <summary>The children of a process, oldest first.</summary>
    public static IReadOnlyList<int> Children(int pid)
    {
        try
        {
            return
            [
                .. from thread in Directory.EnumerateDirectories($"/proc/{pid}/task")
                   from child in File.ReadAllText(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries)
                   select int.Parse(child, CultureInfo.InvariantCulture),
            ];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static long Number(string field) => long.Parse(field, CultureInfo.InvariantCulture);
}
