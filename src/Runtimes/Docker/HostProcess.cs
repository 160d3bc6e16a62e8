using System.Globalization;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// The first process of a container as this machine sees it, named so that a number that was used again is not taken for it. It can be
/// killed when the engine does not answer, by root and by who runs the engine.
/// </summary>
/// <param name="Pid">Its number.</param>
/// <param name="Started">Its start in clock ticks since boot.</param>
internal sealed record HostProcess(int Pid, long Started)
{
    /// <summary>The process of a container; null when this machine's processes are not those that the engine speaks of.</summary>
    public static HostProcess? Of(int pid, string container)
    {
        if (pid <= 0) return null;
        try
        {
            // Groups are named by the container, with every engine and version of groups.
            if (!File.ReadAllText($"/proc/{pid}/cgroup").Contains(container, StringComparison.Ordinal)) return null;
            return SandboxOwner.StartOf(pid) is { } started ? new HostProcess(pid, started) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The most that this process may have of something, as the kernel names it; null when that has no limit.</summary>
    public static long? OwnLimit(string name)
    {
        // Max open files            1024                 4096                 files
        var line = File.ReadLines("/proc/self/limits").FirstOrDefault(line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return line is not null && line[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var most, ..] && long.TryParse(most, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    /// <summary>Reads what <see cref="ToString"/> wrote; null when it is something else.</summary>
    public static HostProcess? Parse(string text)
    {
        var words = text.Trim().Split(' ');
        return words.Length == 2
            && int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var started)
            && pid > 1
            ? new HostProcess(pid, started)
            : null;
    }

    /// <summary>Whether it still runs.</summary>
    public bool IsAlive => SandboxOwner.StartOf(Pid) == Started;

    /// <summary>Sends KILL; the kernel ends a container's processes with its first. Whether that was allowed or it has ended.</summary>
    public bool Kill()
    {
        var descriptor = LibC.OpenPidFd(Pid);
        if (descriptor < 0) return !IsAlive;
        try
        {
            // Looked at after the descriptor was opened: what is alive by now is what the descriptor names.
            return !IsAlive || LibC.SignalPidFd(descriptor, LibC.Kill);
        }
        finally
        {
            _ = LibC.close(descriptor);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Pid} {Started}");
}
