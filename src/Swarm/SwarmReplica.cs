using System.Collections.Immutable;
using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>
/// One swarm on one node: its feeds and the state folded from them. Synchronous, without clock, socket or disk, and not
/// thread-safe: the daemon calls it under one lock.
/// <para>The daemon's duties, in this order:</para>
/// <list type="number">
/// <item>Start: <see cref="Load"/> what <see cref="IFeedStore.Load"/> gives. <see cref="OwnHeadConfirmed"/> is false, nothing can be
/// written until the gossip engine has asked others for this node's own last entry (or knows that it is alone) and confirms it.</item>
/// <item>Write: <see cref="Append"/> (or <see cref="IssueTicket"/>, <see cref="Redeem"/>, ...) returns entries; <b>persist them with
/// <see cref="IFeedStore.Append"/> before anything that shows them leaves the machine</b>; then hand them to the gossip engine as
/// <c>EntriesAppended</c>.</item>
/// <item>When persisting fails, throw this object away and load again: the entry was never sent, so its number is free.</item>
/// </list>
/// </summary>
public sealed partial class SwarmReplica
{
    private readonly ISigner _signer;
    private readonly ISignatureVerifier _verifier;
    private readonly EntryGraph _graph = new();
    private StateBuilder? _builder; // null: fold again
    private IReadOnlyDictionary<PeerId, ForkInfo> _forks = new SortedDictionary<PeerId, ForkInfo>();
    private SwarmState? _state;
    private FeedHeads? _heads;
    private HybridClock _seen;

    private SwarmReplica(ISigner signer, ISignatureVerifier verifier, SwarmId id)
    {
        _signer = signer;
        _verifier = verifier;
        Id = id;
    }

    /// <summary>The swarm.</summary>
    public SwarmId Id { get; }

    /// <summary>This node.</summary>
    public PeerId Self => _signer.Self;

    /// <summary>What the entries mean. An immutable snapshot, folded when asked for after a change.</summary>
    public SwarmState State
    {
        get
        {
            if (_state is not null) return _state;
            if (_builder is null) (_builder, _forks) = Fold.Run(_graph);
            return _state = _builder.ToState(_forks.ToImmutableSortedDictionary(fork => fork.Key, fork => fork.Value.Number), _graph.Nodes.Count);
        }
    }

    /// <summary>How many entries are held.</summary>
    public int Count => _graph.Nodes.Count;

    /// <summary>
    /// Whether this node knows that its own feed is complete. A node restored from a backup would otherwise write a number a
    /// second time and be flagged as forked. True after <see cref="Create"/> and a first <see cref="Join"/>; after <see cref="Load"/> it
    /// becomes true through <see cref="ConfirmOwnHead"/>.
    /// </summary>
    public bool OwnHeadConfirmed { get; private set; }

    /// <summary>Creates a swarm. Persist <paramref name="genesis"/> before anything else.</summary>
    /// <param name="signer">This node.</param>
    /// <param name="verifier">Verifies others.</param>
    /// <param name="name">The swarm's name.</param>
    /// <param name="nodeName">How this node is called in it.</param>
    /// <param name="x25519">This node's public key for sealed boxes, 32 bytes.</param>
    /// <param name="nonce">16 random bytes.</param>
    /// <param name="now">The wall clock.</param>
    /// <param name="genesis">The entry to persist.</param>
    /// <exception cref="PcException">A name is not valid.</exception>
    public static SwarmReplica Create(
        ISigner signer, ISignatureVerifier verifier, string name, string nodeName, ReadOnlySpan<byte> x25519, ReadOnlySpan<byte> nonce, DateTimeOffset now, out StoredEntry genesis)
    {
        var body = new SwarmCreated(Names.Check(name, "swarm"), nonce.ToArray(), Names.Check(nodeName, "node"), x25519.ToArray());
        genesis = StoredEntry.Create(signer, null, 1, null, [], HybridClock.At(now), body);
        var replica = new SwarmReplica(signer, verifier, genesis.Swarm) { OwnHeadConfirmed = true };
        replica.Add(genesis);
        return replica;
    }

    /// <summary>Loads a swarm from this node's own store, whose entries were verified when they came.</summary>
    /// <exception cref="PcException">The entries do not fit together (<see cref="ErrorCode.SwarmDamaged"/>).</exception>
    public static SwarmReplica Load(ISigner signer, ISignatureVerifier verifier, SwarmId id, IReadOnlyList<StoredEntry> entries)
    {
        var replica = new SwarmReplica(signer, verifier, id);
        foreach (var entry in entries)
        {
            if (replica._graph.Find(entry.Hash) is not null) continue;
            if (entry.Swarm != id || !replica.HasPast(entry) || replica.CheckChain(entry) != EntryRefusal.None || (replica.Count == 0 && entry.Hash != id.Genesis))
                throw new PcException(ErrorCode.SwarmDamaged, $"the stored entries of swarm {id} do not fit together at entry {entry.Sequence} of {entry.Author}");
            replica.Add(entry);
        }
        if (replica.Count == 0) throw new PcException(ErrorCode.SwarmDamaged, $"no entry of swarm {id} is stored");
        return replica;
    }

    /// <summary>This node's own feed is complete: others were asked, or there is nobody to ask. Called by the gossip engine.</summary>
    public void ConfirmOwnHead() => OwnHeadConfirmed = true;

    /// <summary>
    /// Writes an entry into this node's own feed. Persist it, then hand it to the gossip engine.
    /// </summary>
    /// <param name="body">What to say; a <see cref="MemberRemoved"/> gets its last accepted number here.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">This node may not, or not now; nothing was changed.</exception>
    public StoredEntry Append(EntryBody body, DateTimeOffset now)
    {
        if (WouldRefuse(body) is { } refusal) throw refusal;
        var own = OwnHead();
        var clock = HybridClock.Next(now, own?.Entry.Clock ?? default, _seen);
        if (own is not null && own.Entry.Clock.Day == clock.Day && own.OnDay >= SwarmLimits.MaxEntriesPerDay)
            throw new PcException(ErrorCode.TooManyEntries, $"this node wrote {SwarmLimits.MaxEntriesPerDay} entries to {State.Name} today");
        var parents = ChooseParents(own, (body as MemberRemoved)?.Peer);
        if (body is MemberReadmitted readmitted && _graph.Find(readmitted.Head) is { } head && !parents.Contains(head)) parents.Insert(0, head);
        if (body is MemberRemoved removed) body = removed with { LastAccepted = LastSeen(removed.Peer, own, parents) };
        var entry = StoredEntry.Create(_signer, Id, (own?.Entry.Sequence ?? 0) + 1, own?.Entry.Hash, parents.Select(parent => parent.Entry.Hash), clock, body);
        Invariant.Check(_graph.Find(entry.Hash) is null && CheckChain(entry) == EntryRefusal.None, "an entry of our own follows our feed");
        var node = Add(entry);
        _ = State;
        Invariant.Check(node.Verdict == Verdict.Counts, "an entry that we were allowed to write counts");
        return entry;
    }

    /// <summary>Why this node may not write this now, as <see cref="Append"/> would throw it; null when it may. (Today's number of entries is not looked at.)</summary>
    public PcException? WouldRefuse(EntryBody body)
    {
        var state = State;
        if (!OwnHeadConfirmed) return new PcException(ErrorCode.OwnHeadUnconfirmed, $"this node has not yet heard from another member of {state.Name} whether its own entries are complete");
        if (state.Forked.TryGetValue(Self, out var number))
            return new PcException(ErrorCode.FeedForked, $"this node wrote two entries with number {number} in {state.Name}, so its entries do not count");
        return _builder!.Judge(Self, body).ToException(state.Name, body);
    }

    // -- Writing ----------------------------------------------------------------------------------------------

    // The entry after which this node's next one comes: the end of the branch that counts.
    private Node? OwnHead()
    {
        if (!_graph.Feeds.TryGetValue(Self, out var feed)) return null;
        _ = State;
        if (feed.Conflicts.Count == 0) return feed.BySequence[^1][0];
        return feed.Nodes.Where(node => node.Verdict != Verdict.Forked).MaxBy(node => node.Entry.Sequence);
    }

    // All entries that nothing names yet, of others; when there are too many, those of `first` and then the oldest.
    private List<Node> ChooseParents(Node? own, PeerId? first)
    {
        IEnumerable<Node> tips = _graph.Nodes.TrueForAll(node => node.Shared)
            ? _graph.Tips
            : _graph.Nodes.Where(node => node.Shared && !node.Children.Exists(child => child.Shared));
        return [.. tips.Where(node => node != own && node.Entry.Author != Self)
            .OrderByDescending(node => node.Entry.Author == first).ThenBy(node => node.Entry.Clock).ThenBy(node => node.Entry.Hash)
            .Take(SwarmLimits.MaxParents - 1)];
    }

    private static ulong LastSeen(PeerId peer, Node? own, List<Node> parents)
    {
        var seen = new HashSet<Node>();
        var open = new Stack<Node>(parents);
        if (own is not null) open.Push(own);
        ulong last = 0;
        while (open.TryPop(out var node))
        {
            if (!seen.Add(node)) continue;
            if (node.Entry.Author == peer) last = Math.Max(last, node.Entry.Sequence);
            foreach (var before in node.Past()) open.Push(before);
        }
        return last;
    }

    // -- Holding ----------------------------------------------------------------------------------------------

    private bool HasPast(StoredEntry entry)
    {
        if (entry.Previous is { } previous && _graph.Find(previous) is null) return false;
        foreach (var parent in entry.Parents)
        {
            if (_graph.Find(parent) is null) return false;
        }
        return true;
    }

    // What every node can judge alike from the entry and its past, whatever else it holds.
    private EntryRefusal CheckChain(StoredEntry entry)
    {
        if (entry.IsGenesis) return entry.Hash == Id.Genesis ? EntryRefusal.None : EntryRefusal.OtherSwarm;
        var previous = entry.Previous is { } before ? _graph.Find(before)! : null;
        if (previous is not null && (previous.Entry.Author != entry.Author || previous.Entry.Sequence + 1 != entry.Sequence || previous.Entry.Clock >= entry.Clock))
            return EntryRefusal.BrokenChain;
        foreach (var parent in entry.Parents)
        {
            if (_graph.Find(parent)!.Entry.Author == entry.Author) return EntryRefusal.BrokenChain;
        }
        return previous is not null && previous.Entry.Clock.Day == entry.Clock.Day && previous.OnDay >= SwarmLimits.MaxEntriesPerDay
            ? EntryRefusal.TooManyEntries
            : EntryRefusal.None;
    }

    private Node Add(StoredEntry entry)
    {
        var folded = _builder;
        var onTop = _graph.Tips.Count <= entry.Parents.Count + 1;
        var node = _graph.Add(entry);
        // An entry that has seen all others comes last in any order, so it is applied to what is folded already. What can change
        // the meaning of earlier entries is folded anew.
        onTop &= _graph.Tips.Count == 1 && folded is not null && entry.Body is not (MemberRemoved or MemberReadmitted);
        if (onTop && _graph.Feeds[entry.Author].Conflicts.Count == 0 && folded!.Find(entry.Author) is { IsActive: true })
        {
            node.Verdict = folded.Apply(node) == Objection.None ? Verdict.Counts : Verdict.NoRight;
            SharePast(node);
        }
        else
        {
            _builder = null;
        }
        _state = null;
        _heads = null;
        if (entry.Clock > _seen) _seen = entry.Clock;
        return node;
    }

    // What this entry builds on is offered from now on, even if it does not count.
    private static void SharePast(Node node)
    {
        var open = new Stack<Node>(node.Past());
        while (open.TryPop(out var before))
        {
            if (before.Shared) continue; // then so is its past
            before.Shared = true;
            foreach (var earlier in before.Past()) open.Push(earlier);
        }
    }
}
