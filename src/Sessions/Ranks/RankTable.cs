using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Ranks;

/// <summary>
/// The ranks of all nodes, for one second each. A rank counts from when it was heard, never from a time that its sender claims: one in the future
/// ends like all others, and one that was sent more than a second ago by this node's clock is not taken at all. Not thread-safe.
/// </summary>
public sealed class RankTable
{
    /// <summary>How long a rank holds: two intervals.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromSeconds(1);

    // Two outages, one after the other, and what a node may take to be back.
    private static readonly TimeSpan LongOutage = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>Takes a rank that was heard.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="now">The node's time that only moves forward.</param>
    /// <param name="unixSeconds">The node's clock.</param>
    /// <returns>Whether it is taken.</returns>
    public bool Hear(RankMessage rank, TimeSpan now, double unixSeconds)
    {
        if (unixSeconds - rank.Time > Life.TotalSeconds) return false;
        if (_known.TryGetValue(rank.Cloud, out var known))
        {
            // Late and duplicated ones: what the node said last stands. A clock that was set back is believed again when the old word has ended.
            if (rank.Time <= known.Rank.Time && now < known.Until) return false;
        }
        else if (_known.Count >= SessionLimits.MaxRanks)
        {
            Forget(now);
            if (_known.Count >= SessionLimits.MaxRanks) return false;
        }
        _known[rank.Cloud] = new Known(rank, now + Life, 0, [.. rank.Sessions]);
        return true;
    }

    /// <summary>That a node will take a request that its rank does not count yet; forgotten with its next rank.</summary>
    public void Expect(string cloud)
    {
        if (_known.TryGetValue(cloud, out var known)) _known[cloud] = known with { Expected = known.Expected + 1 };
    }

    /// <summary>Whether a node was heard within the last second.</summary>
    public bool IsAlive(string cloud, TimeSpan now) => _known.TryGetValue(cloud, out var known) && now < known.Until;

    /// <summary>The nodes that were there in the seconds before any was heard last, however long ago that is.</summary>
    public IReadOnlyList<string> LastAlive()
    {
        if (_known.Count == 0) return [];
        var last = _known.Values.Max(known => known.Until);
        return [.. _known.Values.Where(known => last - known.Until < LongOutage).Select(known => known.Rank.Cloud).Order(StringComparer.Ordinal)];
    }

    /// <summary>The node that says it runs a session; null when none does.</summary>
    public string? RunnerOf(string session, TimeSpan now) =>
        _known.Values.FirstOrDefault(known => now < known.Until && known.Sessions.Contains(session))?.Rank.Cloud;

    /// <summary>Nodes that were heard within the last second, the least busy first; of two that are as busy the lower id.</summary>
    public IReadOnlyList<string> Order(TimeSpan now) =>
        [.. _known.Values.Where(known => now < known.Until).OrderBy(known => known.Rank.Score + known.Expected).ThenBy(known => known.Rank.Cloud, StringComparer.Ordinal).Select(known => known.Rank.Cloud)];

    /// <summary>The other program compares whole numbers: whether it may take itself for the least busy, as busy as the least busy of ours or less.</summary>
    public bool ForeignIsLowest(TimeSpan now)
    {
        double ours = double.PositiveInfinity, foreign = double.PositiveInfinity;
        foreach (var known in _known.Values)
        {
            if (now >= known.Until) continue;
            if (SessionNames.IsOurs(known.Rank.Cloud)) ours = Math.Min(ours, known.Rank.Score + known.Expected);
            else foreign = Math.Min(foreign, known.Rank.Score);
        }
        return !double.IsPositiveInfinity(foreign) && Math.Truncate(foreign) <= Math.Truncate(ours);
    }

    private void Forget(TimeSpan now)
    {
        foreach (var (cloud, known) in _known)
            if (now >= known.Until) _known.Remove(cloud);
    }

    private sealed record Known(RankMessage Rank, TimeSpan Until, int Expected, HashSet<string> Sessions);
}
