using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Whose turn it is to make a new key when the swarm's is stale (somebody left, or two admins changed members at once): the first
/// awake admin in order of ids at once, each other one <see cref="Turn"/> later, so that one of them does it. Two that do it all the
/// same end with one key, by the rule of generations. Synchronous, without a clock.
/// </summary>
public sealed class KeyRotationDuty
{
    /// <summary>How long an admin waits for the one before it. A new entry reaches all within a few seconds.</summary>
    public static readonly TimeSpan Turn = TimeSpan.FromSeconds(5);

    private TimeSpan? _staleSince;

    /// <summary>When this node is to make a new key; null while nothing is to be done. Ask again when the state changed or that time has come.</summary>
    /// <param name="state">The swarm.</param>
    /// <param name="self">This node.</param>
    /// <param name="isAwake">Whether a member is believed to be there.</param>
    /// <param name="now">A monotonic time; the answer is on the same clock.</param>
    public TimeSpan? DueAt(SwarmState state, PeerId self, Func<PeerId, bool> isAwake, TimeSpan now)
    {
        if (!state.Key.IsStale || state.Find(self) is not { IsAdmin: true } || state.Forked.ContainsKey(self))
        {
            _staleSince = null;
            return null;
        }
        var since = _staleSince ??= now;
        var before = state.ActiveMembers.Count(member => member.IsAdmin && member.Peer.CompareTo(self) < 0 && isAwake(member.Peer));
        return since + Turn * before;
    }
}
