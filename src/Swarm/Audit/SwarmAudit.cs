using System.Collections.Immutable;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Whether an entry has an effect, and why not.</summary>
public enum AuditStanding
{
    /// <summary>It counts.</summary>
    Counts,

    /// <summary>Its author lacked the right, or it came too late to change anything.</summary>
    NoRight,

    /// <summary>Its author was removed by somebody who had not seen it.</summary>
    Revoked,

    /// <summary>Its author had written two entries with one number.</summary>
    Forked,

    /// <summary>What it builds on is not in this copy, or was changed.</summary>
    Unknown,
}

/// <summary>One entry of a swarm's feeds.</summary>
/// <param name="Entry">The entry: its author, number, time by the author's clock, and content.</param>
/// <param name="Standing">Whether it counts.</param>
public sealed record AuditLine(StoredEntry Entry, AuditStanding Standing);

/// <summary>Something that is wrong with a copy.</summary>
/// <param name="What">A sentence that goes on from the entry's name, e.g. "was changed: its signature does not hold".</param>
/// <param name="Author">Whose entry; null when that cannot be read.</param>
/// <param name="Sequence">Its number in the author's feed; 0 when that cannot be read.</param>
/// <param name="Place">Its place in the copy, from 1.</param>
/// <param name="IsCause">False for an entry that is whole, and only builds on one that is missing or was changed.</param>
public sealed record AuditProblem(string What, PeerId? Author, ulong Sequence, int Place, bool IsCause);

/// <summary>
/// What the feeds of a swarm say, read from the signed bytes alone: no daemon, no other member and no state is trusted. Anybody who holds a copy
/// comes to the same result.
/// </summary>
public sealed class SwarmAudit
{
    private SwarmAudit(SwarmId swarm, IReadOnlyList<AuditLine> lines, IReadOnlyList<AuditProblem> problems, SwarmState? state)
    {
        (Swarm, Lines, Problems, State) = (swarm, lines, problems, state);
    }

    /// <summary>The swarm.</summary>
    public SwarmId Swarm { get; }

    /// <summary>All entries that can be read, by time, then author and number.</summary>
    public IReadOnlyList<AuditLine> Lines { get; }

    /// <summary>What is wrong with the copy, causes first; empty when it is whole.</summary>
    public IReadOnlyList<AuditProblem> Problems { get; }

    /// <summary>What the entries mean together; null when not even the first entry is there.</summary>
    public SwarmState? State { get; }

    /// <summary>Reads a copy.</summary>
    /// <param name="copy">The copy.</param>
    /// <param name="verifier">Verifies signatures; null: they are taken to hold, as in a copy that this node verified when the entries came.</param>
    public static SwarmAudit Of(AuditCopy copy, ISignatureVerifier? verifier)
    {
        var problems = new List<AuditProblem>();
        var whole = new Dictionary<EntryHash, (StoredEntry Entry, int Place)>();
        for (var i = 0; i < copy.Entries.Count; i++)
        {
            if (!StoredEntry.TryDecode(copy.Entries[i].Span, out var entry, out var refusal))
            {
                problems.Add(new AuditProblem($"cannot be read ({refusal})", null, 0, i + 1, IsCause: true));
                continue;
            }
            if (Objection(copy.Swarm, entry, verifier) is { } what) problems.Add(new AuditProblem(what, entry.Author, entry.Sequence, i + 1, IsCause: true));
            else whole.TryAdd(entry.Hash, (entry, i + 1));
        }
        var graph = Connect(whole, problems);
        var state = graph.Nodes.Count == 0 ? null : StateOf(graph);
        var lines = whole.Values.Select(held => new AuditLine(held.Entry, graph.Find(held.Entry.Hash) is { } node ? StandingOf(node.Verdict) : AuditStanding.Unknown));
        return new SwarmAudit(
            copy.Swarm,
            [.. lines.OrderBy(line => line.Entry.Clock).ThenBy(line => line.Entry.Author).ThenBy(line => line.Entry.Sequence)],
            [.. problems.OrderByDescending(problem => problem.IsCause).ThenBy(problem => problem.Place)],
            state);
    }

    private static string? Objection(SwarmId swarm, StoredEntry entry, ISignatureVerifier? verifier)
    {
        if (entry.IsGenesis ? entry.Hash != swarm.Genesis : entry.Swarm != swarm) return "is of another swarm, or is not the first entry that this swarm is named after";
        if (verifier is null) return null;
        if (!entry.VerifiedBy(verifier)) return "was changed: its signature does not hold";
        if (entry.Body is GuardianMisbehaved { Evidence.Count: > 0 } said && !said.Holds(swarm, verifier)) return "accuses a guardian, and its evidence does not hold";
        return null;
    }

    // Entries whose whole past is there, in a causal order; a wave at a time, since a copy may have any order.
    private static EntryGraph Connect(Dictionary<EntryHash, (StoredEntry Entry, int Place)> whole, List<AuditProblem> problems)
    {
        var graph = new EntryGraph();
        var waitingFor = new Dictionary<EntryHash, List<EntryHash>>();
        var ready = new Queue<EntryHash>(whole.OrderBy(held => held.Value.Place).Select(held => held.Key));
        var refused = new HashSet<EntryHash>();
        while (ready.TryDequeue(out var hash))
        {
            var (entry, place) = whole[hash];
            if (refused.Contains(hash) || graph.Find(hash) is not null) continue;
            if (MissingOf(entry, graph) is { } missing)
            {
                if (!waitingFor.TryGetValue(missing, out var waiting)) waitingFor[missing] = waiting = [];
                waiting.Add(hash);
                continue;
            }
            if (graph.Nodes.Count == 0 && !entry.IsGenesis) continue;
            if (!Follows(entry, graph))
            {
                refused.Add(hash);
                problems.Add(new AuditProblem("does not follow the author's entry before it", entry.Author, entry.Sequence, place, IsCause: true));
                continue;
            }
            graph.Add(entry);
            if (waitingFor.Remove(hash, out var released)) released.ForEach(ready.Enqueue);
        }
        foreach (var (hash, held) in whole.Where(held => graph.Find(held.Key) is null && !refused.Contains(held.Key)))
        {
            var gap = held.Entry.Previous is { } previous && !whole.ContainsKey(previous) ? $"builds on entry {held.Entry.Sequence - 1} of the same author, which is missing or was changed" : "builds on an entry that is missing or was changed";
            problems.Add(new AuditProblem(gap, held.Entry.Author, held.Entry.Sequence, held.Place, IsCause: false));
        }
        foreach (var feed in graph.Feeds.Values)
        {
            foreach (var number in feed.Conflicts) problems.Add(new AuditProblem("was written twice with different content", feed.Author, number, 0, IsCause: true));
        }
        return graph;
    }

    private static EntryHash? MissingOf(StoredEntry entry, EntryGraph graph)
    {
        if (entry.Previous is { } previous && graph.Find(previous) is null) return previous;
        foreach (var parent in entry.Parents)
        {
            if (graph.Find(parent) is null) return parent;
        }
        return null;
    }

    private static bool Follows(StoredEntry entry, EntryGraph graph)
    {
        if (entry.Previous is { } before && graph.Find(before)!.Entry is var previous && (previous.Author != entry.Author || previous.Sequence + 1 != entry.Sequence || previous.Clock >= entry.Clock))
            return false;
        return entry.IsGenesis || entry.Parents.All(parent => graph.Find(parent)!.Entry.Author != entry.Author);
    }

    private static SwarmState StateOf(EntryGraph graph)
    {
        var (builder, forks) = Fold.Run(graph);
        return builder.ToState(forks.ToImmutableSortedDictionary(fork => fork.Key, fork => fork.Value.Number), graph.Nodes.Count);
    }

    private static AuditStanding StandingOf(Verdict verdict) => verdict switch
    {
        Verdict.Counts => AuditStanding.Counts,
        Verdict.Revoked => AuditStanding.Revoked,
        Verdict.Forked => AuditStanding.Forked,
        _ => AuditStanding.NoRight,
    };
}
