using System.Globalization;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>What a container uses, from the kernel's files: asking the engine takes it a second of work.</summary>
internal static class ContainerUsage
{
    /// <summary>What the processes below a container's first one use; that one is Docker's own, and the keeper is ours.</summary>
    /// <param name="pid">The first one.</param>
    /// <param name="container">The container's id, which its groups are named by.</param>
    public static RunUsage Of(int pid, string container)
    {
        var measured = ProcessTree.Measure(pid, IsKeeper);
        try
        {
            var layout = CgroupLayout.Parse(File.ReadAllLines("/proc/self/mountinfo"), File.ReadAllLines($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/cgroup"), Directory.Exists);
            // Processes that have ended used time too; only the group knows.
            return layout.V1.TryGetValue("cpuacct", out var accounting) && IsOwn(accounting) && Number(Path.Combine(accounting, "cpuacct.usage")) is { } nanoseconds
                ? measured with { CpuTime = TimeSpan.FromTicks(nanoseconds / 100) }
                : layout.V2 is { } group && IsOwn(group) && Word(Path.Combine(group, "cpu.stat"), "usage_usec ") is { } microseconds
                ? measured with { CpuTime = TimeSpan.FromMicroseconds(microseconds) }
                : measured;
        }
        catch (IOException)
        {
            return measured;
        }

        // Where its group is not to be seen, the layout names the whole machine's.
        bool IsOwn(string folder) => folder.Contains(container, StringComparison.Ordinal);
    }

    // Whoever runs this program without being told to has begun nothing with it.
    private static bool IsKeeper(int pid)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/exe", returnFinalTarget: false) is { } program && program.FullName == InitImage.Inside;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long? Number(string file) => File.Exists(file) && long.TryParse(File.ReadAllText(file).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static long? Word(string file, string word) =>
        File.Exists(file) && File.ReadLines(file).FirstOrDefault(line => line.StartsWith(word, StringComparison.Ordinal)) is { } line
        && long.TryParse(line.AsSpan(word.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
