using System.Buffers.Binary;
using System.Security.Cryptography;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Whether a held entry counts, and why not.</summary>
internal enum Verdict
{
    /// <summary>It counts.</summary>
    Counts,

    /// <summary>Its author lacked the right, or its content makes no sense here.</summary>
    NoRight,

    /// <summary>Its author was removed by an entry that has not seen it.</summary>
    Revoked,

    /// <summary>Its author had written two entries with one number.</summary>
    Forked,
}

/// <summary>A held entry with its links. Owned by one replica.</summary>
internal sealed class Node(StoredEntry entry, int index, Node? previous, Node[] parents)
{
    public StoredEntry Entry { get; } = entry;

    /// <summary>Place in the order of arrival, which is a causal order.</summary>
    public int Index { get; } = index;

    public Node? Previous { get; } = previous;

    public Node[] Parents { get; } = parents;

    /// <summary>Entries that name this one, as previous or parent.</summary>
    public List<Node> Children { get; } = [];

    /// <summary>How many entries the author has on this entry's day up to here.</summary>
    public int OnDay { get; } = previous is not null && previous.Entry.Clock.Day == entry.Clock.Day ? previous.OnDay + 1 : 1;

    /// <summary>
    /// The highest generation of the swarm's key that this entry has seen, its own included. Counted from its past alone, whether what
    /// is there counts or not, so that nobody can state a wrong one.
    /// </summary>
    public int KeyGeneration { get; } = GenerationAfter(previous, parents) + (entry.Body.CarriedKey is null ? 0 : 1);

    /// <summary>Written by the fold.</summary>
    public Verdict Verdict { get; set; }

    /// <summary>Whether it is offered to others: all but what does not count and what nobody else's entry builds on. Written by the fold.</summary>
    public bool Shared { get; set; } = true;

    /// <summary>Everything that this entry names.</summary>
    public IEnumerable<Node> Past()
    {
        if (Previous is not null) yield return Previous;
        foreach (var parent in Parents) yield return parent;
    }

    private static int GenerationAfter(Node? previous, Node[] parents)
    {
        var highest = previous?.KeyGeneration ?? 1;
        foreach (var parent in parents) highest = Math.Max(highest, parent.KeyGeneration);
        return highest;
    }
}

/// <summary>One author's entries. More than one entry with a number is a fork.</summary>
internal sealed class AuthorFeed(PeerId author)
{
    public PeerId Author { get; } = author;

    /// <summary>The author's name in digests: enough to tell honest members apart, and nobody gains by making two keys of one's own alike.</summary>
    public ulong Key { get; } = KeyOf(author);

    /// <summary>Entries by number; the first that arrived comes first.</summary>
    public List<List<Node>> BySequence { get; } = [];

    /// <summary>The numbers with more than one entry.</summary>
    public SortedSet<ulong> Conflicts { get; } = [];

    public ulong Last => (ulong)BySequence.Count;

    public IEnumerable<Node> Nodes => BySequence.SelectMany(nodes => nodes);

    public static ulong KeyOf(PeerId author) => BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(author.Bytes));

    public void Add(Node node)
    {
        var sequence = node.Entry.Sequence;
        if (sequence > Last) BySequence.Add([]);
        var same = BySequence[(int)sequence - 1];
        same.Add(node);
        if (same.Count > 1) Conflicts.Add(sequence);
    }

    /// <summary>The entry that a digest names, if it is held.</summary>
    public Node? Find(ulong sequence, UInt128 shortHash)
    {
        if (sequence == 0 || sequence > Last) return null;
        foreach (var node in BySequence[(int)sequence - 1])
        {
            if (node.Entry.Hash.Short == shortHash) return node;
        }
        return null;
    }
}

/// <summary>
/// All held entries of a swarm, linked by previous and parents. Only grows. An entry is added when everything that it names is
/// held, so the order of adding is causal.
/// </summary>
internal sealed class EntryGraph
{
    private readonly Dictionary<EntryHash, Node> _byHash = [];
    private readonly HashSet<Node> _tips = [];

    public List<Node> Nodes { get; } = [];

    public SortedDictionary<PeerId, AuthorFeed> Feeds { get; } = [];

    /// <summary>The same by the authors' names in digests.</summary>
    public Dictionary<ulong, AuthorFeed> FeedsByKey { get; } = [];

    /// <summary>
    /// Peers that any admin ever admitted (as admin), removals and forks left aside. Depends only on what an entry has seen, so
    /// that all nodes agree which feeds are held, whatever they know about removals.
    /// </summary>
    public HashSet<PeerId> EverMembers { get; } = [];

    public HashSet<PeerId> EverAdmins { get; } = [];

    /// <summary>Whether anything is held that changes what earlier entries mean: a removal, a readmission, a fork.</summary>
    public bool HasControl { get; private set; }

    /// <summary>Entries that no entry names.</summary>
    public IReadOnlyCollection<Node> Tips => _tips;

    public Node? Find(EntryHash hash) => _byHash.GetValueOrDefault(hash);

    public Node Add(StoredEntry entry)
    {
        var previous = entry.Previous is { } before ? _byHash[before] : null;
        var parents = new Node[entry.Parents.Count];
        for (var i = 0; i < parents.Length; i++) parents[i] = _byHash[entry.Parents[i]];
        var node = new Node(entry, Nodes.Count, previous, parents);
        Nodes.Add(node);
        _byHash.Add(entry.Hash, node);
        foreach (var past in node.Past())
        {
            past.Children.Add(node);
            _tips.Remove(past);
        }
        _tips.Add(node);
        if (!Feeds.TryGetValue(entry.Author, out var feed))
        {
            Feeds[entry.Author] = feed = new AuthorFeed(entry.Author);
            FeedsByKey.TryAdd(feed.Key, feed);
        }
        feed.Add(node);
        NoteMembership(entry);
        HasControl |= feed.Conflicts.Count > 0 || entry.Body is MemberRemoved or MemberReadmitted;
        return node;
    }

    private void NoteMembership(StoredEntry entry)
    {
        if (entry.IsGenesis)
        {
            EverMembers.Add(entry.Author);
            EverAdmins.Add(entry.Author);
        }
        else if (entry.Body is MemberAdmitted admitted && EverAdmins.Contains(entry.Author))
        {
            EverMembers.Add(admitted.Peer);
            if (admitted.Role == Role.Admin) EverAdmins.Add(admitted.Peer);
        }
    }
}
