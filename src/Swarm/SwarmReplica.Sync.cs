using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// Anti-entropy of feeds: what do I hold, what does another lack.
public sealed partial class SwarmReplica
{
    // How far back along a branch one answer goes when two nodes hold different branches of a fork.
    private const int BranchStep = 32;

    /// <summary>What this node holds and offers.</summary>
    public FeedHeads Heads
    {
        get
        {
            if (_heads is not null) return _heads;
            var forked = State.Forked;
            var tips = new List<HeadTip>(_graph.Feeds.Count);
            var forks = new List<HeadFork>();
            foreach (var feed in _graph.Feeds.Values)
            {
                foreach (var node in TipsOf(feed)) tips.Add(new HeadTip(feed.Key, node.Entry.Sequence, node.Entry.Hash.Short));
                if (forked.TryGetValue(feed.Author, out var number)) forks.Add(new HeadFork(feed.Key, number));
            }
            if (tips.Count > SwarmLimits.MaxAuthors) tips.RemoveRange(SwarmLimits.MaxAuthors, tips.Count - SwarmLimits.MaxAuthors);
            return _heads = new FeedHeads(tips, forks);
        }
    }

    /// <summary>Whether the entry that a digest names last for this node is held: else others hold more of our own feed than we do.</summary>
    internal bool HoldsOwnHeadOf(FeedHeads theirs)
    {
        var key = AuthorFeed.KeyOf(Self);
        var own = _graph.Feeds.GetValueOrDefault(Self);
        return theirs.Tips.Where(tip => tip.Author == key).All(tip => own?.Find(tip.Sequence, tip.Hash) is not null);
    }

    /// <summary>Whether a node with these heads holds something that this one does not.</summary>
    internal bool Lacks(FeedHeads theirs)
    {
        if (theirs.Tips.Any(Lacks)) return true;
        if (theirs.Forks.Count == 0) return false;
        var forks = Heads.Forks.ToDictionary(fork => fork.Author, fork => fork.Sequence);
        return theirs.Forks.Any(fork => !forks.TryGetValue(fork.Author, out var number) || number > fork.Sequence);
    }

    /// <summary>Whether this head is not held.</summary>
    internal bool Lacks(HeadTip tip) => tip.Sequence > 0 && !(_graph.FeedsByKey.TryGetValue(tip.Author, out var feed) && feed.Find(tip.Sequence, tip.Hash) is not null);

    /// <summary>What a node with these heads lacks, in causal order, at most <paramref name="maxBytes"/> (but at least one entry when any is lacking).</summary>
    /// <param name="theirs">Its heads; <see cref="FeedHeads.None"/> gives everything.</param>
    /// <param name="maxBytes">The bound of all entries together.</param>
    /// <param name="more">Whether some were left out because of the bound.</param>
    /// <param name="namedOnly">Whether the heads are a part: authors that they do not name are left out.</param>
    public IReadOnlyList<StoredEntry> MissingFor(FeedHeads theirs, int maxBytes, out bool more, bool namedOnly = false)
    {
        var tips = theirs.Tips.Where(tip => tip.Sequence > 0).ToLookup(tip => tip.Author);
        var named = namedOnly ? theirs.Tips.Select(tip => tip.Author).ToHashSet() : null;
        var theirForks = new Dictionary<ulong, ulong>();
        foreach (var fork in theirs.Forks) theirForks.TryAdd(fork.Author, fork.Sequence);
        _ = State;
        var missing = new SortedSet<Node>(NodeByIndex.Instance);
        foreach (var feed in _graph.Feeds.Values)
        {
            if (named is not null && !named.Contains(feed.Key)) continue;
            var known = new List<Node>();
            var theyHoldMore = false;
            foreach (var tip in tips[feed.Key])
            {
                if (feed.Find(tip.Sequence, tip.Hash) is { } node) known.Add(node);
                else if (tip.Sequence > feed.Last) theyHoldMore = true;
                else AddBranch(feed.BySequence[(int)tip.Sequence - 1][0], missing); // a fork that one of us does not know yet
            }
            if (known.Count > 0 || !tips[feed.Key].Any()) AddAfter(feed, known, missing);
            else if (theyHoldMore && feed.Conflicts.Count > 0) AddAfter(feed, [.. feed.BySequence[^1]], missing);
            if (_forks.TryGetValue(feed.Author, out var fork) && (!theirForks.TryGetValue(feed.Key, out var theirNumber) || theirNumber > fork.Number))
                missing.UnionWith(fork.Proof);
        }
        return Bounded(missing, maxBytes, out more);
    }

    /// <summary>Entries that another asked for by hash, each with the entries before it in its author's feed, in causal order.</summary>
    internal IReadOnlyList<StoredEntry> Wanted(IEnumerable<EntryHash> hashes, int maxBytes)
    {
        var wanted = new SortedSet<Node>(NodeByIndex.Instance);
        foreach (var hash in hashes)
        {
            if (_graph.Find(hash) is { } node) AddBranch(node, wanted);
        }
        return Bounded(wanted, maxBytes, out _);
    }

    /// <summary>The highest number of an author's entries that count; 0 when none does. For checkers.</summary>
    internal ulong CountedOf(PeerId author)
    {
        _ = State;
        return _graph.Feeds.TryGetValue(author, out var feed)
            ? feed.Nodes.Where(node => node.Verdict == Verdict.Counts).Select(node => node.Entry.Sequence).DefaultIfEmpty().Max()
            : 0;
    }

    // The last offered entry of each branch that is offered.
    private static IEnumerable<Node> TipsOf(AuthorFeed feed)
    {
        var last = feed.BySequence[^1];
        if (feed.Conflicts.Count == 0 && last[0].Shared) return last;
        return feed.Nodes.Where(node => node.Shared && !node.Children.Exists(child => child.Shared && child.Previous == node));
    }

    private static void AddAfter(AuthorFeed feed, List<Node> known, SortedSet<Node> missing)
    {
        if (feed.Conflicts.Count == 0)
        {
            var from = known.Count == 0 ? 0 : (int)known.Max(node => node.Entry.Sequence);
            for (var i = from; i < feed.BySequence.Count && feed.BySequence[i][0].Shared; i++) missing.Add(feed.BySequence[i][0]);
            return;
        }
        var held = new HashSet<Node>();
        foreach (var tip in known)
        {
            for (var node = tip; node is not null && held.Add(node); node = node.Previous) { }
        }
        missing.UnionWith(feed.Nodes.Where(node => node.Shared && !held.Contains(node)));
    }

    private static void AddBranch(Node tip, SortedSet<Node> missing)
    {
        var node = tip;
        for (var i = 0; i < BranchStep && node is not null; i++, node = node.Previous) missing.Add(node);
    }

    private static List<StoredEntry> Bounded(SortedSet<Node> nodes, int maxBytes, out bool more)
    {
        var entries = new List<StoredEntry>(nodes.Count);
        var bytes = 0;
        foreach (var node in nodes)
        {
            bytes += node.Entry.Bytes.Length;
            if (bytes > maxBytes && entries.Count > 0) break;
            entries.Add(node.Entry);
        }
        more = entries.Count < nodes.Count;
        return entries;
    }

    private sealed class NodeByIndex : IComparer<Node>
    {
        public static NodeByIndex Instance { get; } = new();

        public int Compare([AllowNull] Node x, [AllowNull] Node y) => x!.Index.CompareTo(y!.Index);
    }
}
