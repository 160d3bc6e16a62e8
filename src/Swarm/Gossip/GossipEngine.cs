using Google.Protobuf;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Spreads one swarm's entries and presence among its members: anti-entropy after van Renesse et al., "Efficient Reconciliation
/// and Flow Control for Anti-Entropy Protocols" (2008), on probes, indirect probes and suspicion after SWIM (Das et al. 2002)
/// with Lifeguard's local health and buddy hint (Dadgar et al. 2017). Where we differ is in docs/protocols/gossip.md.
/// <para>
/// Synchronous: <see cref="Handle"/> takes an input and the time and returns effects, which the daemon carries out in order
/// (see <see cref="GossipEffect"/>). Uses the replica, so both are called under one lock. Not thread-safe.
/// </para>
/// </summary>
public sealed partial class GossipEngine
{
    private readonly SwarmReplica _replica;
    private readonly ISigner _signer;
    private readonly ISignatureVerifier _verifier;
    private readonly GossipOptions _options;
    private readonly Random _random;
    private readonly GossipTime _started;
    private readonly PresenceTable _table = new();
    private readonly Dictionary<PeerId, DateTimeOffset> _lastHeard = [];
    private readonly List<GossipEffect> _effects = [];
    private readonly HashSet<PeerId> _changed = [];
    private readonly HashSet<PeerId> _clockWarned = [];
    private readonly HashSet<PeerId> _partners = []; // of this round
    private readonly HashSet<PeerId> _askedAgain = []; // in this round, for entries that still lack
    private readonly HashSet<PeerId> _confirmedBy = []; // members who hold nothing newer of our own feed
    private readonly Dictionary<PeerId, FeedHeads> _contradictedBy = []; // members who held more of it than we
    private readonly HashSet<PeerId> _unreachable = []; // since the start, until heard of
    private readonly ByteString _swarmBytes;
    private GossipTime _now;
    private SwarmState? _membersOf; // the state that _others was made from
    private List<PeerId> _others = []; // active members besides us, in order
    private PresenceInfo _info;
    private PresenceVersion _version;

    /// <summary>Starts the gossip of one swarm.</summary>
    /// <param name="replica">The swarm; its entries are persisted by the daemon on <see cref="GossipEffect.PersistEntries"/>.</param>
    /// <param name="signer">Signs this node's presence.</param>
    /// <param name="verifier">Verifies others'.</param>
    /// <param name="info">What this node says about itself at first.</param>
    /// <param name="options">Pace.</param>
    /// <param name="random">Chooses partners; seeded in tests.</param>
    /// <param name="now">The time of the start.</param>
    public GossipEngine(
        SwarmReplica replica, ISigner signer, ISignatureVerifier verifier, PresenceInfo info, GossipOptions options, Random random, GossipTime now)
    {
        options.Validate();
        _replica = replica;
        _signer = signer;
        _verifier = verifier;
        _options = options;
        _random = random;
        _started = _now = now;
        _wokeAt = now.Uptime;
        _settled = replica.OwnHeadConfirmed; // whoever creates or joins now has all that there is
        _roundStart = now.Uptime - options.RoundInterval;
        _swarmBytes = ByteString.CopyFrom(replica.Id.ToBytes());
        _info = info;
        _version = new PresenceVersion((ulong)Math.Max(1, now.Wall.ToUnixTimeMilliseconds()), 1);
        _table.Put(PresenceRecord.Create(signer, replica.Id, _version, info), now.Uptime);
    }

    private PeerId Self => _signer.Self;

    /// <summary>How many rounds were begun.</summary>
    public long Rounds { get; private set; }

    /// <summary>What is known of an active member; null for anybody else.</summary>
    public PeerView? ViewOf(PeerId peer) => _replica.State.Find(peer) is null ? null : View(peer);

    /// <summary>What is known of all active members, in order of their ids.</summary>
    public IReadOnlyList<PeerView> Views() => [.. _replica.State.ActiveMembers.Select(member => View(member.Peer))];

    /// <summary>Takes an input and says what to do.</summary>
    public IReadOnlyList<GossipEffect> Handle(GossipInput input, GossipTime now)
    {
        _effects.Clear();
        NoticeSleep(now);
        _now = now;
        RefreshMembers();
        switch (input)
        {
            case GossipInput.Tick:
                OnTick();
                break;
            case GossipInput.MessageReceived received:
                OnMessage(received.From, received.Bytes.Span);
                break;
            case GossipInput.EntriesAppended appended:
                foreach (var entry in appended.Entries)
                {
                    QueueEntry(entry, null);
                    if (entry.Body is MemberRemoved removed) TellRemoved(removed.Peer, entry);
                }
                break;
            case GossipInput.PresenceUpdated updated:
                _info = updated.Info;
                Announce();
                break;
            case GossipInput.Contacted:
                NoticeContact();
                OnTick();
                break;
            case GossipInput.PeerUnreachable unreachable:
                OnUnreachable(unreachable.Peer);
                break;
        }
        RefreshMembers();
        Push();
        ConfirmOwnHead();
        Settle();
        foreach (var peer in _changed.Order())
        {
            if (ViewOf(peer) is { } view) _effects.Add(new GossipEffect.PresenceChanged(view));
        }
        _changed.Clear();
        return [.. _effects];
    }

    private PeerView View(PeerId peer)
    {
        var slot = _table.Find(peer);
        DateTimeOffset? heard = _lastHeard.TryGetValue(peer, out var at) ? at : null;
        return new PeerView(peer, slot?.Liveness ?? Liveness.Asleep, slot?.Record, heard);
    }

    // The members are those of the folded state; whoever is no longer one is forgotten.
    private void RefreshMembers()
    {
        var state = _replica.State;
        if (ReferenceEquals(state, _membersOf)) return;
        _membersOf = state;
        _others = [.. state.ActiveMembers.Select(member => member.Peer).Where(peer => peer != Self)];
        foreach (var (peer, _) in _table.Slots.ToList())
        {
            if (peer != Self && state.Find(peer) is null) _table.Remove(peer);
        }
    }

    private bool IsOther(PeerId peer) => peer != Self && _replica.State.Find(peer) is not null;

    // -- Our own presence -------------------------------------------------------------------------------------

    private void Announce()
    {
        _version = _version with { Counter = _version.Counter + 1 };
        _table.Put(PresenceRecord.Create(_signer, _replica.Id, _version, _info), _now.Uptime);
        _changed.Add(Self);
        QueueOwnRecord();
    }

    // Somebody doubts the newest we said: say something newer. At most once a round, since a doubt can be made up.
    private void Refute()
    {
        if (_refutedInRound == Rounds) return;
        _refutedInRound = Rounds;
        _health = Math.Min(MaxHealth, _health + 1);
        Announce();
    }

    // A record of our own from an earlier start whose clock was ahead: go on after it.
    private void GoOnAfter(PresenceVersion earlier)
    {
        _version = earlier;
        Announce();
    }

    // -- Our own head -----------------------------------------------------------------------------------------

    // A node that starts asks before it writes: its store may be a copy from yesterday. It goes on when enough members hold
    // nothing newer of it; or all that can be reached; or nobody answered for some time. Whoever holds more sends it to us.
    private void ConfirmOwnHead()
    {
        if (_replica.OwnHeadConfirmed) return;
        foreach (var (peer, heads) in _contradictedBy.ToList())
        {
            if (!IsOther(peer)) _contradictedBy.Remove(peer);
            else if (_replica.HoldsOwnHeadOf(heads)) NoteOwnHead(peer, null);
        }
        if (_contradictedBy.Count > 0) return;
        var enough = _others.Count(_confirmedBy.Contains) >= Math.Min(_options.HeadConfirmations, _others.Count);
        var allAnswered = _others.TrueForAll(peer => _confirmedBy.Contains(peer) || _unreachable.Contains(peer));
        if (!enough && !allAnswered && _now.Uptime - _started.Uptime < _options.AloneAfter) return;
        _replica.ConfirmOwnHead();
        _effects.Add(new GossipEffect.OwnHeadConfirmed());
    }

    /// <summary>Notes what a member holds of our own feed; null: the same as we do.</summary>
    private void NoteOwnHead(PeerId peer, FeedHeads? theirs)
    {
        if (_replica.OwnHeadConfirmed) return;
        if (theirs is null || _replica.HoldsOwnHeadOf(theirs))
        {
            _contradictedBy.Remove(peer);
            _confirmedBy.Add(peer);
        }
        else
        {
            _contradictedBy[peer] = theirs;
            _confirmedBy.Remove(peer);
        }
    }

    // -- Sending ----------------------------------------------------------------------------------------------

    private GossipMessage NewMessage() => new()
    {
        Swarm = _swarmBytes,
        ClockMs = (ulong)Math.Max(0, _now.Wall.ToUnixTimeMilliseconds()),
    };

    private void Send(PeerId to, GossipMessage message)
    {
        var bytes = GossipCodec.Encode(message);
        Invariant.Check(bytes.Length <= SwarmLimits.MaxGossipBytes, "a gossip message is within its bound");
        _effects.Add(new GossipEffect.SendMessage(to, bytes));
    }

    private void AddSummary(GossipMessage message)
    {
        message.FeedsPrint = _replica.Heads.Fingerprint;
        message.PresencePrint = _table.Print();
    }

    /// <summary>Counts a peer against this round's partners; false when the round has enough.</summary>
    private bool TryPartner(PeerId peer)
    {
        if (_partners.Contains(peer)) return true;
        if (_partners.Count >= _options.MaxPartners) return false;
        _partners.Add(peer);
        return true;
    }
}
