using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Simulation;

/// <summary>What must hold at every step, and at the end. Each failure names the run that shows it.</summary>
internal sealed class Checkers(SimWorld world)
{
    private readonly Dictionary<(PeerId Author, ulong Sequence), EntryHash> _numbers = [];
    private readonly Dictionary<EntryHash, StoredEntry> _acknowledged = [];
    private readonly List<(EntryHash Removal, PeerId Peer, ulong LastAccepted)> _removals = [];
    private readonly HashSet<(EntryHash Key, ulong State)> _keysChecked = [];
    private readonly Dictionary<int, (int Life, int Count)> _held = [];
    private readonly Dictionary<int, HashSet<EntryHash>> _onDisk = [];
    private readonly Dictionary<EntryHash, int> _holders = [];
    private readonly Dictionary<int, (int Life, long Round, HashSet<PeerId> Partners)> _partners = [];

    public int Acknowledged => _acknowledged.Count;

    /// <summary>Authors who were told to fork; all others must have one entry a number.</summary>
    public HashSet<PeerId> Forkers { get; } = [];

    /// <summary>How many nodes have persisted an entry since the start.</summary>
    public int HoldersOf(StoredEntry entry) => _holders.GetValueOrDefault(entry.Hash);

    /// <summary>Takes the entries that all nodes begin with.</summary>
    public void OnGenesis(IReadOnlyList<StoredEntry> entries)
    {
        foreach (var entry in entries)
        {
            _numbers[(entry.Author, entry.Sequence)] = entry.Hash;
            _acknowledged[entry.Hash] = entry;
        }
        foreach (var node in world.Nodes) OnRestored(node, entries);
    }

    public void OnRestored(SimNode node, IEnumerable<StoredEntry> entries) => _onDisk[node.Index] = [.. entries.Select(entry => entry.Hash)];

    public void OnAcknowledged(SimNode node, StoredEntry entry)
    {
        if (!node.Honest) return;
        _acknowledged[entry.Hash] = entry;
        if (entry.Body is MemberRemoved removed) _removals.Add((entry.Hash, removed.Peer, removed.LastAccepted));
    }

    // One signature per number: an honest node never lets two entries with one number out of its memory.
    public void OnPersisted(SimNode node, StoredEntry entry)
    {
        if (_onDisk[node.Index].Add(entry.Hash)) _holders[entry.Hash] = HoldersOf(entry) + 1;
        if (Forkers.Contains(entry.Author)) return;
        if (!_numbers.TryAdd((entry.Author, entry.Sequence), entry.Hash) && _numbers[(entry.Author, entry.Sequence)] != entry.Hash)
            throw world.Fail($"node {node.Index} holds a second entry with number {entry.Sequence} of {entry.Author}, who is honest");
    }

    public void OnEffects(SimNode node, GossipInput input, IReadOnlyList<GossipEffect> effects)
    {
        var persisted = new HashSet<EntryHash>();
        var received = (input as GossipInput.MessageReceived)?.From;
        foreach (var effect in effects)
        {
            if (effect is GossipEffect.PersistEntries persist) persisted.UnionWith(persist.Entries.Select(entry => entry.Hash));
            if (effect is not GossipEffect.SendMessage send) continue;
            if (send.Bytes.Length > SwarmLimits.MaxGossipBytes) throw world.Fail($"node {node.Index} sends {send.Bytes.Length} bytes at once");
            var message = GossipMessage.Parser.ParseFrom(send.Bytes);
            CheckPersistedBeforeSent(node, message, persisted);
            // Answers go back to whoever spoke; probes on behalf of others and their acks are answers too.
            var isAnswer = send.To == received || (received is not null && (message.Ping != 0 || message.Ack != 0));
            if (!isAnswer) CountPartner(node, send.To);
        }
    }

    public void OnHandled(SimNode node)
    {
        if (node.Replica is not { } replica) return;
        var count = replica.Count;
        if (_held.TryGetValue(node.Index, out var before) && before.Life == node.Life && count < before.Count)
            throw world.Fail($"the feeds of node {node.Index} shrank from {before.Count} to {count} entries");
        if (!_held.ContainsKey(node.Index) || before != (node.Life, count))
        {
            CheckRemoved(node, replica);
            CheckKey(node, replica.State);
        }
        _held[node.Index] = (node.Life, count);
    }

    /// <summary>After healing and some quiet: everybody up holds every acknowledged entry that counts, agrees on the state, and sees everybody up as awake.</summary>
    public string? Disagreement()
    {
        var up = world.Nodes.Where(node => node.IsUp && node.Honest && world.IsMember(node)).ToList();
        var first = up[0].Replica!;
        foreach (var node in up)
        {
            var replica = node.Replica!;
            if (replica.Heads.Fingerprint != first.Heads.Fingerprint) return $"nodes {up[0].Index} and {node.Index} hold different entries: {string.Join(' ', first.Heads.Tips.Except(replica.Heads.Tips))} / {string.Join(' ', replica.Heads.Tips.Except(first.Heads.Tips))}; {string.Join(' ', first.Heads.Forks)} / {string.Join(' ', replica.Heads.Forks)}";
            if (replica.State.Key.IsStale) return $"node {node.Index} still has a stale key of the swarm, generation {replica.State.Key.Generation}";
            if (StateDigest.Of(replica.State) is var digest && digest != StateDigest.Of(first.State)) return $"nodes {up[0].Index} and {node.Index} folded the same entries to different states";
            foreach (var other in up)
            {
                if (other != node && node.Engine!.ViewOf(other.Peer)?.Liveness != Liveness.Awake) return $"node {node.Index} believes that {other.Index} sleeps: {node.Engine.ViewOf(other.Peer)?.Record?.Version} own {other.Engine!.ViewOf(other.Peer)?.Record?.Version}";
            }
        }
        return null;
    }

    /// <summary>No entry that an honest member was told is saved is missing anywhere, nor without effect, unless its author was removed without it being seen.</summary>
    public void CheckNothingLost()
    {
        foreach (var node in world.Nodes.Where(node => node.IsUp && node.Honest && world.IsMember(node)))
        {
            var heads = node.Replica!.MissingFor(FeedHeads.None, int.MaxValue, out _).Select(entry => entry.Hash).ToHashSet();
            foreach (var entry in _acknowledged.Values)
            {
                if (heads.Contains(entry.Hash) || Forkers.Contains(entry.Author)) continue;
                if (_removals.Exists(removal => removal.Peer == entry.Author && removal.LastAccepted < entry.Sequence)) continue;
                throw world.Fail($"node {node.Index} lost entry {entry.Sequence} of {entry.Author}, which was acknowledged");
            }
        }
    }

    private void CheckPersistedBeforeSent(SimNode node, GossipMessage message, HashSet<EntryHash> persisted)
    {
        foreach (var bytes in message.Entries)
        {
            if (!StoredEntry.TryDecode(bytes.Span, out var entry, out var refusal)) throw world.Fail($"node {node.Index} sends an entry that cannot be read: {refusal}");
            if (!persisted.Contains(entry.Hash) && !_onDisk[node.Index].Contains(entry.Hash))
                throw world.Fail($"node {node.Index} sends an entry that it has not persisted");
        }
    }

    // No node, at any step, lets an entry of a removed member count that was written after the number that a removal names which it holds.
    private void CheckRemoved(SimNode node, SwarmReplica replica)
    {
        if (_removals.Count == 0 || !node.Honest) return;
        var state = replica.State;
        foreach (var (removal, peer, last) in _removals)
        {
            if (!_onDisk[node.Index].Contains(removal)) continue; // has not heard of it
            if (state.Find(peer) is not null) continue; // a more senior admin struck it
            var counted = replica.CountedOf(peer);
            if (counted > last) throw world.Fail($"on node {node.Index} entry {counted} of {peer} counts, who was removed after {last}");
        }
    }

    // A key that is not stale is opened by all who are in and by nobody who is out, whatever order the entries came in.
    private void CheckKey(SimNode node, SwarmState state)
    {
        if (!node.Honest || state.Key is not { IsStale: false, Entry: { } entry, Sealed: { } carried } || !_keysChecked.Add((entry, StateDigest.Of(state)))) return;
        foreach (var member in state.Members.Values)
        {
            var opens = carried.TryOpen(new SimSealer(member.Peer), world.Swarm, member.Peer, out _);
            if (opens != member.IsActive) throw world.Fail($"on node {node.Index} {member.Name}, who is {member.Status}, {(opens ? "opens" : "does not open")} the swarm's key of generation {state.Key.Generation}");
        }
    }

    private void CountPartner(SimNode node, PeerId to)
    {
        var rounds = node.Engine!.Rounds;
        if (!_partners.TryGetValue(node.Index, out var round) || round.Round != rounds || round.Life != node.Life)
            _partners[node.Index] = round = (node.Life, rounds, []);
        round.Partners.Add(to);
        if (round.Partners.Count > world.Options.MaxPartners) throw world.Fail($"node {node.Index} contacted {round.Partners.Count} partners in one round");
    }
}
