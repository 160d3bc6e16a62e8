namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// <see cref="SandboxNetwork.Refused"/>, asked again after a second: reading the host's interfaces takes a millisecond and more, which counts when
/// a hundred sandboxes are started in a second. A program that runs longer than that sees later changes of the host no sooner. Thread-safe.
/// </summary>
internal sealed class RefusedRanges(TimeProvider time)
{
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<NetworkMode, (IReadOnlyList<string> Ranges, long At)> _known = [];

    /// <summary>The ranges of a mode; none for <see cref="NetworkMode.None"/>.</summary>
    public IReadOnlyList<string> Of(NetworkMode mode)
    {
        if (mode == NetworkMode.None) return [];
        lock (_gate)
        {
            if (_known.TryGetValue(mode, out var known) && time.GetElapsedTime(known.At) < Life) return known.Ranges;
            var ranges = SandboxNetwork.Refused(mode);
            _known[mode] = (ranges, time.GetTimestamp());
            return ranges;
        }
    }
}
