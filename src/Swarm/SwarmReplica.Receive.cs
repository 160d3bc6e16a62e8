using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>What became of received entries.</summary>
/// <param name="Accepted">New entries in causal order. Persist them before the next message is sent.</param>
/// <param name="Refused">What was not taken, with the reason and the author when it could be read.</param>
/// <param name="Missing">Entries that waiting ones name and that are not held: ask whoever sent them. At most 64.</param>
public sealed record ReceiveResult(IReadOnlyList<StoredEntry> Accepted, IReadOnlyList<(EntryRefusal Reason, PeerId Author)> Refused, IReadOnlyList<EntryHash> Missing)
{
    /// <summary>Whether anything of this was not known before. When not, ask for what is missing seldom, or two nodes keep each other busy.</summary>
    public bool AnyNew { get; init; }
}

// Receiving: any order, any duplicates, anything forged. An entry waits (in memory, bounded) until all that it names is held.
public sealed partial class SwarmReplica
{
    private const int MaxWants = 64;

    private readonly Dictionary<EntryHash, Pending> _pending = [];
    private readonly Queue<EntryHash> _pendingOrder = new();
    private readonly Dictionary<EntryHash, List<StoredEntry>> _waitingFor = []; // by the first entry that they lack
    private readonly Dictionary<PeerId, List<StoredEntry>> _waitingForAuthor = []; // by an author that no admission names yet
    private SwarmState? _restrictions; // the state before the batch, when it holds removals or forks: folding after each entry would cost too much
    private int _pendingBytes;

    /// <summary>How many entries wait in memory.</summary>
    internal int PendingCount => _pending.Count;

    private sealed class Pending(StoredEntry entry)
    {
        public StoredEntry Entry { get; } = entry;

        /// <summary>Whether another author's entry builds on it, so that it is taken even if it will not count.</summary>
        public bool Needed { get; set; }

        /// <summary>Whether it waits for being needed only.</summary>
        public bool HeldBack { get; set; }
    }

    /// <summary>Takes entries from a peer, in any order.</summary>
    /// <param name="entries">Stored entries, as another replica's <see cref="MissingFor"/> gave them.</param>
    /// <param name="now">The wall clock.</param>
    public ReceiveResult Receive(IEnumerable<ReadOnlyMemory<byte>> entries, DateTimeOffset now)
    {
        var accepted = new List<StoredEntry>();
        var refused = new List<(EntryRefusal, PeerId)>();
        var isNew = false;
        _restrictions = _graph.HasControl ? State : null;
        foreach (var bytes in entries)
        {
            var refusal = Screen(bytes.Span, now, out var entry);
            if (refusal != EntryRefusal.None) refused.Add((refusal, entry?.Author ?? default));
            else if (entry is not null) isNew |= Place(entry, accepted, refused);
        }
        if (_pending.Count > 0) ReviewHeldBack(accepted, refused);
        return new ReceiveResult(accepted, refused, Wants()) { AnyNew = isNew };
    }

    // Everything that can be said without the entry's past. No entry and no refusal: it is held or waiting already.
    private EntryRefusal Screen(ReadOnlySpan<byte> bytes, DateTimeOffset now, out StoredEntry? entry)
    {
        if (!StoredEntry.TryDecode(bytes, out entry, out var refusal)) return refusal;
        if (entry.Swarm != Id) return EntryRefusal.OtherSwarm;
        if (_graph.Find(entry.Hash) is not null || _pending.ContainsKey(entry.Hash))
        {
            entry = null;
            return EntryRefusal.None;
        }
        if (entry.Clock > HybridClock.At(now + SwarmLimits.MaxClockAhead)) return EntryRefusal.ClockTooFarAhead;
        return entry.VerifiedBy(_verifier) ? EntryRefusal.None : EntryRefusal.BadSignature;
    }

    // Places an entry and whatever waited for it; false when it was refused.
    private bool Place(StoredEntry first, List<StoredEntry> accepted, List<(EntryRefusal, PeerId)> refused)
    {
        var (acceptances, refusals) = (accepted.Count, refused.Count);
        Remember(first);
        // A removal or readmission is always taken, with what it builds on: admins may have removed each other, and whoever knows
        // one half of it only would otherwise never hear of the other.
        _pending[first.Hash].Needed = (first.Body is MemberRemoved or MemberReadmitted && _graph.EverAdmins.Contains(first.Author)) || IsWaitedFor(first.Hash);
        PlaceAll(new Stack<StoredEntry>([first]), accepted, refused);
        return accepted.Count > acceptances || refused.Count == refusals;
    }

    private void PlaceAll(Stack<StoredEntry> open, List<StoredEntry> accepted, List<(EntryRefusal, PeerId)> refused)
    {
        while (open.TryPop(out var entry))
        {
            if (!_pending.TryGetValue(entry.Hash, out var pending) || pending.Entry != entry) continue; // placed or dropped meanwhile
            if (FirstMissing(entry) is { } missing)
            {
                _waitingFor.GetOrAdd(missing).Add(entry);
                if (pending.Needed || !MayHoldBack(entry)) MarkNeeded(missing, open);
                continue;
            }
            if (!entry.IsGenesis && !_graph.EverMembers.Contains(entry.Author))
            {
                _waitingForAuthor.GetOrAdd(entry.Author).Add(entry);
                continue;
            }
            if (CheckChain(entry) is not EntryRefusal.None and var refusal)
            {
                Forget(entry);
                refused.Add((refusal, entry.Author));
                continue;
            }
            if (!pending.Needed && MayHoldBack(entry))
            {
                pending.HeldBack = true;
                continue;
            }
            Forget(entry);
            Add(entry);
            accepted.Add(entry);
            Release(_waitingFor, entry.Hash, open);
            if (entry.Body is MemberAdmitted admitted) Release(_waitingForAuthor, admitted.Peer, open);
        }
    }

    // What was accepted or written meanwhile may have readmitted somebody whose entries were held back.
    private void ReviewHeldBack(List<StoredEntry> accepted, List<(EntryRefusal, PeerId)> refused)
    {
        var held = _pending.Values.Where(pending => pending.HeldBack).ToList();
        if (held.Count == 0) return;
        _restrictions = State;
        var open = new Stack<StoredEntry>();
        foreach (var pending in held)
        {
            if (MayHoldBack(pending.Entry)) continue;
            pending.HeldBack = false;
            open.Push(pending.Entry);
        }
        PlaceAll(open, accepted, refused);
    }

    private EntryHash? FirstMissing(StoredEntry entry)
    {
        if (entry.Previous is { } previous && _graph.Find(previous) is null) return previous;
        foreach (var parent in entry.Parents)
        {
            if (_graph.Find(parent) is null) return parent;
        }
        return null;
    }

    // Nothing new of a removed or forked author is taken, except the proof of a fork, or where others build on it. This bounds
    // what such an author can make everybody store.
    private bool MayHoldBack(StoredEntry entry)
    {
        if (_restrictions is not { } folded) return false;
        if (folded.Members.TryGetValue(entry.Author, out var member) && member.Status == MemberStatus.Removed) return true;
        return folded.Forked.TryGetValue(entry.Author, out var number) && entry.Sequence >= number;
    }

    private bool IsWaitedFor(EntryHash hash) =>
        _waitingFor.TryGetValue(hash, out var waiters)
        && waiters.Exists(waiter => _pending.TryGetValue(waiter.Hash, out var pending) && (pending.Needed || !MayHoldBack(waiter)));

    private void MarkNeeded(EntryHash hash, Stack<StoredEntry> open)
    {
        var hashes = new Stack<EntryHash>();
        hashes.Push(hash);
        while (hashes.TryPop(out var at))
        {
            if (!_pending.TryGetValue(at, out var pending) || pending.Needed) continue;
            pending.Needed = true;
            if (pending.HeldBack) open.Push(pending.Entry);
            else if (FirstMissing(pending.Entry) is { } missing) hashes.Push(missing);
        }
    }

    private void Remember(StoredEntry entry)
    {
        _pending[entry.Hash] = new Pending(entry);
        _pendingOrder.Enqueue(entry.Hash);
        _pendingBytes += entry.Bytes.Length;
        while ((_pending.Count > SwarmLimits.MaxPendingEntries || _pendingBytes > SwarmLimits.MaxPendingBytes) && _pendingOrder.TryDequeue(out var oldest))
        {
            if (_pending.TryGetValue(oldest, out var dropped)) Forget(dropped.Entry);
        }
        // Names of entries that were placed meanwhile are thrown out now and then.
        if (_pendingOrder.Count > 4 * SwarmLimits.MaxPendingEntries) TrimWaiting();
    }

    private void Forget(StoredEntry entry)
    {
        if (_pending.Remove(entry.Hash)) _pendingBytes -= entry.Bytes.Length;
    }

    private void TrimWaiting()
    {
        var live = _pendingOrder.Where(_pending.ContainsKey).ToList();
        _pendingOrder.Clear();
        foreach (var hash in live) _pendingOrder.Enqueue(hash);
        Trim(_waitingFor);
        Trim(_waitingForAuthor);
    }

    private void Trim<TKey>(Dictionary<TKey, List<StoredEntry>> waiting) where TKey : notnull
    {
        foreach (var (key, entries) in waiting.ToList())
        {
            entries.RemoveAll(entry => !_pending.ContainsKey(entry.Hash));
            if (entries.Count == 0) waiting.Remove(key);
        }
    }

    private static void Release<TKey>(Dictionary<TKey, List<StoredEntry>> waiting, TKey key, Stack<StoredEntry> open) where TKey : notnull
    {
        if (!waiting.Remove(key, out var entries)) return;
        foreach (var entry in entries) open.Push(entry);
    }

    private List<EntryHash> Wants()
    {
        var wants = new SortedSet<EntryHash>();
        foreach (var pending in _pending.Values)
        {
            if (pending.HeldBack || FirstMissing(pending.Entry) is not { } missing || _pending.ContainsKey(missing)) continue;
            wants.Add(missing);
            if (wants.Count == MaxWants) break;
        }
        return [.. wants];
    }
}

/// <summary>Small helpers of dictionaries.</summary>
internal static class DictionaryExtensions
{
    public static TValue GetOrAdd<TKey, TValue>(this Dictionary<TKey, TValue> dictionary, TKey key)
        where TKey : notnull
        where TValue : new()
    {
        if (!dictionary.TryGetValue(key, out var value)) dictionary[key] = value = new TValue();
        return value;
    }
}
