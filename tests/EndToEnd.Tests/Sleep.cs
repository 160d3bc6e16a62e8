using System.Globalization;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>
/// Hosts of this machine that stand still as a laptop does whose lid is shut: all of their processes at once, and none hears of it. What a real suspend does besides
/// is that CLOCK_MONOTONIC stands still, and with it the timer of the kernel that ends a daemon that does not come round. That timer is kept from such a daemon,
/// by a soft limit at its start under which the kernel makes no timers.
/// </summary>
internal static class Sleep
{
    /// <summary>What goes before the command that starts a daemon that is to sleep.</summary>
    public static readonly string[] Able = ["prlimit", "--sigpending=0:"];

    /// <summary>Takes the limit away again: the runtime needs signals for other things.</summary>
    public static void Started(int daemon) => Pc.Run(Pc.Start("", "/usr/bin/env", ["prlimit", "--pid", Number(daemon), "--sigpending=1000:"], null)).Ok();

    /// <summary>Has processes, and all that they have started, stand still; returns them, those that started others first.</summary>
    public static IReadOnlyList<int> Fall(params IEnumerable<int> roots)
    {
        var asleep = new List<int>();
        var open = new Queue<int>(roots);
        while (open.TryDequeue(out var process))
        {
            // First it, then those that it has: it starts none any more.
            Pc.Signal(process, Pc.Stop);
            asleep.Add(process);
            foreach (var child in Children(process)) open.Enqueue(child);
        }
        return asleep;
    }

    /// <summary>Has them go on, the programs before the daemon, which so has the least time to keep them from anything.</summary>
    public static void Wake(IReadOnlyList<int> asleep)
    {
        foreach (var process in asleep.Reverse()) Pc.Signal(process, Pc.Continue);
    }

    /// <summary>The processes that a process has started and that live.</summary>
    public static IEnumerable<int> Children(int process) => Directory.EnumerateDirectories($"/proc/{process}/task").SelectMany(thread =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pid => int.Parse(pid, CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return []; // the thread has ended
        }
    });

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
