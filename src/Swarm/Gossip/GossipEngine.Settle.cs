using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// After a start or a sleep this node believes what was true before it, so somebody who was removed meanwhile is still a member here.
// Until it has caught up with enough members it is not settled, and the daemon serves nobody anything but this exchange.
public sealed partial class GossipEngine
{
    private readonly HashSet<PeerId> _caughtUpWith = []; // members of whose entries we lacked none, since we woke
    private readonly Dictionary<PeerId, FeedHeads> _behind = []; // members who held what we lack, with what they said
    private TimeSpan _wokeAt;
    private bool _settled;

    /// <summary>
    /// Whether this node holds, since it started or woke, all that <see cref="GossipOptions.HeadConfirmations"/> members hold, or all
    /// members that can be reached; or nobody answered for <see cref="GossipOptions.AloneAfter"/>.
    /// </summary>
    /// <param name="now">The time: a node that has just woken is not settled, even before it is told so.</param>
    public bool IsSettled(GossipTime now) => _settled && !HasSlept(now);

    // A suspended process sees its monotonic clock stand still or jump, and the wall clock jump in either case.
    private bool HasSlept(GossipTime now) => now.Uptime - _now.Uptime > _options.SleepGap || now.Wall - _now.Wall > _options.SleepGap;

    private void NoticeSleep(GossipTime now)
    {
        if (!HasSlept(now)) return;
        _settled = false;
        _wokeAt = now.Uptime;
        _caughtUpWith.Clear();
        _behind.Clear();
        _unreachable.Clear();
        _probes.Clear(); // answers to what was asked before the sleep would be counted as lost
    }

    /// <summary>Notes what a member holds; null: the same as we do.</summary>
    private void NoteHeads(PeerId peer, FeedHeads? theirs)
    {
        NoteOwnHead(peer, theirs);
        if (_settled) return;
        if (theirs is null || !_replica.Lacks(theirs))
        {
            _behind.Remove(peer);
            _caughtUpWith.Add(peer);
        }
        else
        {
            _behind[peer] = theirs;
        }
    }

    private void Settle()
    {
        if (_settled) return;
        foreach (var (peer, heads) in _behind.ToList())
        {
            if (!IsOther(peer)) _behind.Remove(peer);
            else if (!_replica.Lacks(heads)) NoteHeads(peer, null);
        }
        var enough = _others.Count(_caughtUpWith.Contains) >= Math.Min(_options.HeadConfirmations, _others.Count);
        var allAnswered = _others.TrueForAll(peer => _caughtUpWith.Contains(peer) || (_unreachable.Contains(peer) && !_behind.ContainsKey(peer)));
        if (!enough && !allAnswered && _now.Uptime - _wokeAt < _options.AloneAfter) return;
        _settled = true;
        _caughtUpWith.Clear();
        _behind.Clear();
        _effects.Add(new GossipEffect.Settled());
    }
}
