using System.Collections;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>A fork that no readmission ended: the number from which entries do not count, two entries with it, and the longest branch's end.</summary>
internal sealed record ForkInfo(ulong Number, Node[] Proof, Node Longest);

/// <summary>
/// What all held entries mean together: a pure function of the set of entries (docs/protocols/feeds.md, "Folding").
/// Entries are put in one causal order, ties by author, then hash. Removals and readmissions also change what concurrent
/// entries mean, so they are decided first, among themselves; then one pass applies whatever counts.
/// </summary>
internal sealed class Fold
{
    private readonly EntryGraph _graph;
    private readonly Node[] _order;
    private readonly int[] _position; // by Node.Index
    private readonly Dictionary<PeerId, int> _adminSince = []; // seniority: the place at which a peer first became an admin
    private readonly ILookup<PeerId, Node> _admissions;
    private readonly Dictionary<Node, BitArray> _pasts = [];
    private readonly Dictionary<Node, BitArray> _futures = [];
    private readonly HashSet<Node> _invalid = []; // removals and readmissions whose author turned out not to be an admin
    private readonly HashSet<Node> _readmissions = []; // those that count so far

    private Fold(EntryGraph graph)
    {
        _graph = graph;
        _order = Linearize(graph);
        _position = new int[_order.Length];
        for (var i = 0; i < _order.Length; i++) _position[_order[i].Index] = i;
        _admissions = graph.Nodes.Where(node => node.Entry.Body is MemberAdmitted).ToLookup(node => ((MemberAdmitted)node.Entry.Body).Peer);
    }

    /// <summary>Folds; writes verdicts into the nodes.</summary>
    public static (StateBuilder Builder, IReadOnlyDictionary<PeerId, ForkInfo> Forks) Run(EntryGraph graph)
    {
        var fold = new Fold(graph);
        if (!graph.HasControl)
        {
            var plain = fold.Pass([], out _);
            plain.Finish(fold.FutureOf, fold.PastOf);
            return (plain, new SortedDictionary<PeerId, ForkInfo>());
        }
        fold.FindSeniority();
        while (true)
        {
            var (forks, removals) = fold.Decide();
            var builder = fold.Pass(removals, out var newlyInvalid);
            if (newlyInvalid.Count == 0)
            {
                MarkShared(graph);
                builder.Finish(fold.FutureOf, fold.PastOf);
                return (builder, forks);
            }
            fold._invalid.UnionWith(newlyInvalid); // grows each time, so this ends
        }
    }

    // Kahn's algorithm; of the entries whose past is placed, the lowest author, then hash, comes next.
    private static Node[] Linearize(EntryGraph graph)
    {
        var order = new Node[graph.Nodes.Count];
        var waiting = new int[graph.Nodes.Count];
        var ready = new PriorityQueue<Node, (PeerId, EntryHash)>();
        foreach (var node in graph.Nodes)
        {
            waiting[node.Index] = node.Parents.Length + (node.Previous is null ? 0 : 1);
            if (waiting[node.Index] == 0) ready.Enqueue(node, (node.Entry.Author, node.Entry.Hash));
        }
        for (var at = 0; ready.TryDequeue(out var node, out _); at++)
        {
            order[at] = node;
            foreach (var child in node.Children)
            {
                if (--waiting[child.Index] == 0) ready.Enqueue(child, (child.Entry.Author, child.Entry.Hash));
            }
        }
        return order;
    }

    private void FindSeniority()
    {
        for (var i = 0; i < _order.Length; i++)
        {
            var entry = _order[i].Entry;
            if (entry.IsGenesis) _adminSince[entry.Author] = i;
            else if (entry.Body is MemberAdmitted { Role: Role.Admin } admitted && _adminSince.ContainsKey(entry.Author)) _adminSince.TryAdd(admitted.Peer, i);
        }
    }

    private StateBuilder Pass(HashSet<Node> removals, out List<Node> newlyInvalid)
    {
        var builder = new StateBuilder(new SwarmId(_order[0].Entry.Hash));
        newlyInvalid = [];
        foreach (var node in _order)
        {
            if (node.Verdict is Verdict.Revoked or Verdict.Forked)
            {
                // A readmission that stopped counting must not readmit.
                if (node.Entry.Body is MemberReadmitted && !_invalid.Contains(node) && _readmissions.Contains(node)) newlyInvalid.Add(node);
                continue;
            }
            Objection objection;
            if (removals.Contains(node)) objection = builder.ApplyDecidedRemoval(node, (MemberRemoved)node.Entry.Body);
            else if (node.Entry.Body is MemberRemoved) objection = Objection.NotAdmin;
            else objection = builder.Apply(node);
            node.Verdict = objection == Objection.None ? Verdict.Counts : Verdict.NoRight;
            if (objection != Objection.None && (removals.Contains(node) || _readmissions.Contains(node))) newlyInvalid.Add(node);
        }
        return builder;
    }

    // What a removal has not seen cannot make a fork of what it has seen: else a removed member could undo its own past. So forks
    // are looked for again without what is revoked, until nothing changes. (Three times at most: admins who forked and removed each
    // other could swing for ever; whatever comes out then is the same everywhere.)
    private (SortedDictionary<PeerId, ForkInfo> Forks, HashSet<Node> Removals) Decide()
    {
        var revoked = new HashSet<Node>();
        for (var turn = 0; ; turn++)
        {
            foreach (var node in _graph.Nodes) node.Verdict = Verdict.Counts;
            var forks = MarkForked(revoked);
            var removals = DecideRemovals();
            var now = RevokedBy(removals);
            foreach (var node in now) node.Verdict = Verdict.Revoked;
            if (turn == 3 || now.SetEquals(revoked)) return (forks, removals);
            revoked = now;
        }
    }

    // -- Forks ------------------------------------------------------------------------------------------------

    // A readmission counts when it is not itself in a forked part; so two forked admins cannot readmit each other.
    private SortedDictionary<PeerId, ForkInfo> MarkForked(HashSet<Node> revoked)
    {
        var forks = new SortedDictionary<PeerId, ForkInfo>();
        _readmissions.Clear();
        var heads = new Dictionary<PeerId, Node>();
        while (true)
        {
            forks.Clear();
            foreach (var feed in _graph.Feeds.Values.Where(feed => feed.Conflicts.Count > 0))
            {
                if (MarkForked(feed, heads.GetValueOrDefault(feed.Author), revoked) is { } fork) forks[feed.Author] = fork;
            }
            var changed = false;
            foreach (var node in _order)
            {
                if (node.Entry.Body is not MemberReadmitted readmitted || _readmissions.Contains(node) || _invalid.Contains(node)) continue;
                if (node.Verdict == Verdict.Forked || !_adminSince.ContainsKey(node.Entry.Author) || readmitted.Peer == node.Entry.Author) continue;
                if (_graph.Find(readmitted.Head) is not { } head || head.Entry.Author != readmitted.Peer || head.Entry.Sequence != readmitted.HeadSequence) continue;
                if (!PastOf(node)[head.Index]) continue; // else it would count only where the head happens to be held
                _readmissions.Add(node);
                changed = true;
                if (!heads.TryGetValue(readmitted.Peer, out var known) || known.Entry.Sequence < head.Entry.Sequence
                    || (known.Entry.Sequence == head.Entry.Sequence && head.Entry.Hash < known.Entry.Hash)) heads[readmitted.Peer] = head;
            }
            if (!changed) break;
        }
        return forks;
    }

    // Counts: before the first number that was used twice. Once readmitted after `head`: head's own branch, up to the next number
    // that was used twice after head on that branch. What is on other branches never counts and is no new fork.
    private static ForkInfo? MarkForked(AuthorFeed feed, Node? head, HashSet<Node> revoked)
    {
        var after = head?.Entry.Sequence ?? 0;
        var branch = new HashSet<Node>();
        for (var node = head; node is not null; node = node.Previous) branch.Add(node);
        ForkInfo? fork = null;
        foreach (var same in feed.BySequence) // in order of numbers, so the entry before is judged already
        {
            var onBranch = same.Where(node => head is null || branch.Contains(node) || (node.Entry.Sequence > after && branch.Contains(node.Previous!))).ToList();
            branch.UnionWith(onBranch);
            onBranch.RemoveAll(revoked.Contains);
            if (fork is null && onBranch.Count > 1) fork = new ForkInfo(onBranch[0].Entry.Sequence, [.. onBranch.Take(2)], onBranch[0]);
            if (fork is not null && onBranch.Count > 0) fork = fork with { Longest = onBranch.MinBy(node => node.Entry.Hash)! };
            foreach (var node in same) node.Verdict = fork is null && onBranch.Contains(node) ? Verdict.Counts : Verdict.Forked;
        }
        return fork;
    }

    // -- Removals ---------------------------------------------------------------------------------------------

    // Which removals count, when admins remove each other. A removal is struck by one that removes its author and has not seen
    // it, if that one came before it (the author knew), or is concurrent and of a more senior admin. Whoever cannot be struck
    // counts; whoever is struck by one that counts does not; a ring is cut at its most senior author.
    private HashSet<Node> DecideRemovals()
    {
        var open = _order.Where(IsCandidate).ToList();
        var strikers = open.ToDictionary(node => node, node => open.Where(other => Strikes(other, node)).ToList());
        var counting = new HashSet<Node>();
        var decided = new HashSet<Node>();
        while (open.Count > 0)
        {
            var settled = open.Where(node => strikers[node].TrueForAll(decided.Contains) || strikers[node].Exists(counting.Contains)).ToList();
            if (settled.Count == 0) settled = [open.MinBy(node => (_adminSince[node.Entry.Author], _position[node.Index]))!];
            var node = settled[0];
            if (!strikers[node].Exists(counting.Contains)) counting.Add(node);
            else node.Verdict = Verdict.Revoked;
            decided.Add(node);
            open.Remove(node);
        }
        return counting;
    }

    private bool IsCandidate(Node node) =>
        node.Entry.Body is MemberRemoved removed && node.Verdict == Verdict.Counts && !_invalid.Contains(node)
        && removed.Peer != node.Entry.Author && _adminSince.ContainsKey(node.Entry.Author)
        && removed.LastAccepted == SeenOf(node, removed.Peer);

    private bool Strikes(Node striker, Node node) =>
        ((MemberRemoved)striker.Entry.Body).Peer == node.Entry.Author && Revokes(striker, node)
        && (PastOf(node)[striker.Index] || _adminSince[striker.Entry.Author] < _adminSince[node.Entry.Author]);

    // An entry of the removed member is revoked when the removal has not seen it, unless the member was admitted in between.
    private bool Revokes(Node removal, Node node)
    {
        if (PastOf(removal)[node.Index]) return false;
        return !_admissions[node.Entry.Author].Any(admission => PastOf(admission)[removal.Index] && FutureOf(admission)[node.Index]);
    }

    private HashSet<Node> RevokedBy(HashSet<Node> removals)
    {
        var revoked = new HashSet<Node>();
        foreach (var removal in removals)
        {
            if (_graph.Feeds.TryGetValue(((MemberRemoved)removal.Entry.Body).Peer, out var feed))
                revoked.UnionWith(feed.Nodes.Where(node => !removals.Contains(node) && Revokes(removal, node)));
        }
        return revoked;
    }

    private ulong SeenOf(Node removal, PeerId peer)
    {
        var past = PastOf(removal);
        return _graph.Feeds.TryGetValue(peer, out var feed)
            ? feed.Nodes.Where(node => past[node.Index]).Select(node => node.Entry.Sequence).DefaultIfEmpty().Max()
            : 0;
    }

    // -- Sharing ----------------------------------------------------------------------------------------------

    // What does not count because of a removal or a fork is offered to others only where somebody else's entry builds on it
    // (they could not take that entry otherwise). The evidence of a fork travels apart, see SwarmReplica.MissingFor.
    private static void MarkShared(EntryGraph graph)
    {
        for (var i = graph.Nodes.Count - 1; i >= 0; i--)
        {
            var node = graph.Nodes[i];
            node.Shared = node.Verdict is Verdict.Counts or Verdict.NoRight || node.Children.Exists(child => child.Shared);
        }
    }

    // -- Reachability -----------------------------------------------------------------------------------------

    private BitArray PastOf(Node node)
    {
        if (_pasts.TryGetValue(node, out var past)) return past;
        past = new BitArray(_order.Length);
        var open = new Stack<Node>(node.Past());
        while (open.TryPop(out var at))
        {
            if (past[at.Index]) continue;
            past[at.Index] = true;
            foreach (var before in at.Past()) open.Push(before);
        }
        return _pasts[node] = past;
    }

    private BitArray FutureOf(Node node)
    {
        if (_futures.TryGetValue(node, out var future)) return future;
        future = new BitArray(_order.Length);
        var open = new Stack<Node>(node.Children);
        while (open.TryPop(out var at))
        {
            if (future[at.Index]) continue;
            future[at.Index] = true;
            foreach (var after in at.Children) open.Push(after);
        }
        return _futures[node] = future;
    }
}
