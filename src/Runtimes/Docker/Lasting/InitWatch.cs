using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker.Init;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Docker.Lasting;

/// <summary>
/// Sees from outside how far a container's init is: the kernel shows which program a process runs. So a command that the engine does not know is known
/// to run before anybody is told so.
/// </summary>
/// <param name="first">The container's first process: the engine's own init, whose child ours is.</param>
/// <param name="time">For pauses.</param>
internal sealed class InitWatch(HostProcess first, TimeProvider time)
{
    // An exec takes less than a millisecond; a container some hundred.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);

    /// <summary>Waits until our init runs, and says its process.</summary>
    /// <exception cref="PcException">The container has ended (<see cref="ErrorCode.DockerRefused"/>).</exception>
    public async Task<int> BegunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (!first.IsAlive) throw new PcException(ErrorCode.DockerRefused, "the container ended before its command began, as it does with too little memory");
            if (ProcessTree.Children(first.Pid).Where(IsInit).Cast<int?>().FirstOrDefault() is { } init) return init;
            await Task.Delay(Interval, time, cancellationToken);
        }
    }

    /// <summary>Waits until our init has become the command; false when that, or the init itself, has ended since.</summary>
    public async Task<bool> BecameAsync(int init, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (ProgramOf(init) is not { } program) return false;
            if (program != InitImage.Inside) return true;
            await Task.Delay(Interval, time, cancellationToken);
        }
    }

    /// <summary>The environment that the engine gave it: the image's, and what the engine adds for its user.</summary>
    /// <exception cref="IOException">It has ended.</exception>
    public static IReadOnlyDictionary<string, string> EnvironmentOf(int init)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in File.ReadAllText($"/proc/{init.ToString(CultureInfo.InvariantCulture)}/environ").Split('\0'))
        {
            var pair = line.Split('=', 2);
            if (pair.Length == 2 && pair[0].Length > 0) all[pair[0]] = pair[1];
        }
        return all;
    }

    private static bool IsInit(int pid) => ProgramOf(pid) == InitImage.Inside;

    // Null when it has ended.
    private static string? ProgramOf(int pid)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/exe", returnFinalTarget: false)?.FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
