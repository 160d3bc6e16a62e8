using System.Globalization;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>A container that is to be ended when its time is up.</summary>
/// <param name="Container">Its id.</param>
/// <param name="Deadline">When, as time since boot.</param>
/// <param name="Process">Its first process; null while that is not known.</param>
internal sealed record GuardedContainer(string Container, TimeSpan Deadline, HostProcess? Process);

/// <summary>
/// What the guard knows: a line in, or the time, and what is due out. The lines are the daemon's:
/// <code>
/// keep CONTAINER MILLISECONDS     it may run until then (since boot); also the first word about it
/// process CONTAINER PID STARTED   its first process
/// drop CONTAINER                  it has ended
/// </code>
/// Anything else is ignored: a newer daemon may say more to an older guard, which it outlives only for seconds.
/// </summary>
internal sealed class GuardTable
{
    private readonly Dictionary<string, GuardedContainer> _containers = new(StringComparer.Ordinal);

    /// <summary>Whether nothing is left to guard.</summary>
    public bool IsEmpty => _containers.Count == 0;

    /// <summary>The line that keeps a container until a time.</summary>
    public static string Keep(string container, TimeSpan deadline) => string.Create(CultureInfo.InvariantCulture, $"keep {container} {(long)deadline.TotalMilliseconds}");

    /// <summary>The line that names a container's first process.</summary>
    public static string Process(string container, HostProcess process) => $"process {container} {process}";

    /// <summary>The line that forgets a container.</summary>
    public static string Drop(string container) => $"drop {container}";

    /// <summary>Takes a line.</summary>
    public void Take(string line)
    {
        var words = line.Split(' ', 3);
        if (words.Length < 2) return;
        var known = _containers.GetValueOrDefault(words[1]);
        switch (words)
        {
            case ["keep", var container, var text] when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds) && Math.Abs(milliseconds) < (long)TimeSpan.MaxValue.TotalMilliseconds:
                _containers[container] = new GuardedContainer(container, TimeSpan.FromMilliseconds(milliseconds), known?.Process);
                break;
            case ["process", var container, var text] when known is not null && HostProcess.Parse(text) is { } process:
                _containers[container] = known with { Process = process };
                break;
            case ["drop", var container]:
                Ended(container);
                break;
        }
    }

    /// <summary>The containers whose time is up; they stay until <see cref="Ended"/>.</summary>
    public IReadOnlyList<GuardedContainer> Due(TimeSpan now) => [.. _containers.Values.Where(container => container.Deadline <= now)];

    /// <summary>A container has ended.</summary>
    public void Ended(string container) => _ = _containers.Remove(container);
}
