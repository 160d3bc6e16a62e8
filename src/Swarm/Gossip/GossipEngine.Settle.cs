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
    private bool _settledAlone; // having heard from nobody: only until somebody is there

    /// <summary>
    /// Whether this node holds, since it started or woke, all that <see cref="GossipOptions.HeadConfirmations"/> members hold, or all
    /// members that can be reached; or nobody answered for <see cref="GossipOptions.AloneAfter"/>.
    /// </summary>
    /// <param name="now">The time: a node that has just woken is not settled, even before it is told so.</param>
    public bool IsSettled(GossipTime now) => _settled && !HasSlept(now);

    /// <summary>
    /// Whether it is settled because nobody could be reached. Whoever asks something then shows that this is over, and others may be reached
    /// as well: say <see cref="GossipInput.Contacted"/> before answering.
    /// </summary>
    public bool IsSettledAlone => _settled && _settledAlone;

    // A suspended process sees its monotonic clock stand still or jump, and the wall clock jump in either case.
    private bool HasSlept(GossipTime now) => now.Uptime - _now.Uptime > _options.SleepGap || now.Wall - _now.Wall > _options.SleepGap;

    private void NoticeSleep(GossipTime now)
    {
        if (!HasSlept(now)) return;
        Unsettle(now);
        _probes.Clear(); // answers to what was asked before the sleep would be counted as lost
    }

    // The network is there again.
    private void NoticeContact()
    {
        if (IsSettledAlone) Unsettle(_now);
    }

    private void Unsettle(GossipTime now)
    {
        _settled = false;
        _wokeAt = now.Uptime;
        _caughtUpWith.Clear();
        _behind.Clear();
        _unreachable.Clear();
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
        var caughtUp = _others.Count(_caughtUpWith.Contains);
        var awake = _now.Uptime - _wokeAt;
        if (caughtUp < Math.Min(_options.HeadConfirmations, _others.Count) && awake < _options.AloneAfter)
        {
            // Fewer are enough when the others cannot be reached, tried for two rounds once one was: after a sleep the network comes up step
            // by step, and the first who is there may be the one who was removed.
            if (!_others.TrueForAll(peer => _caughtUpWith.Contains(peer) || (_unreachable.Contains(peer) && !_behind.ContainsKey(peer)))) return;
            if (caughtUp > 0 && awake < _options.RoundInterval * 2) return;
        }
        _settled = true;
        _settledAlone = caughtUp == 0 && _others.Count > 0;
        _caughtUpWith.Clear();
        _behind.Clear();
        _effects.Add(new GossipEffect.Settled());
    }
}
