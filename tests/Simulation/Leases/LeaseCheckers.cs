using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>What must hold at every step: never two hosts that run one program, epochs that nobody has twice, and a holder soon after healing.</summary>
internal sealed class LeaseCheckers(LeaseWorld world)
{
    private readonly Dictionary<(EntryHash Program, ulong Epoch), (int Node, TimeSpan At)> _epochs = [];
    private readonly Dictionary<(EntryHash, int, int), TimeSpan> _overlaps = [];
    private readonly Dictionary<EntryHash, ulong> _highest = [];

    /// <summary>Whether two may run it for a while: without a majority, or with a guardian that lies.</summary>
    public bool OverlapsAllowed { get; set; }

    /// <summary>How long two go on at most once they hear of each other.</summary>
    public TimeSpan MaxOverlap { get; set; }

    public int Acquisitions { get; private set; }

    public int Overlaps { get; private set; }

    /// <summary>Who was found to lie, by whom.</summary>
    public SortedSet<(PeerId Liar, PeerId By)> Found { get; } = [];

    public TimeSpan LongestGap { get; set; }

    public void OnAcquired(LeaseNode node, EntryHash program, ulong epoch)
    {
        if (node.Lies) return;
        Acquisitions++;
        if (!_epochs.TryAdd((program, epoch), (node.Index, world.Now)))
            throw world.Fail($"node {node.Index} has epoch {epoch}, which node {_epochs[(program, epoch)].Node} had at {_epochs[(program, epoch)].At}");
        _highest[program] = Math.Max(epoch, _highest.GetValueOrDefault(program));
        OnRenewed(node, program);
    }

    public void OnRenewed(LeaseNode node, EntryHash program)
    {
        foreach (var other in world.Nodes)
        {
            if (other == node || !other.RunsNow(program)) continue;
            if (!OverlapsAllowed) throw world.Fail($"nodes {node.Index} and {other.Index} run one program, with epochs {node.Runs[program].Epoch} and {other.Runs.GetValueOrDefault(program)?.Epoch}");
            if (_overlaps.TryAdd(Pair(program, node, other), world.Now)) Overlaps++;
        }
    }

    public void OnMisbehaved(LeaseNode by, LeaseEffect.Misbehaved said)
    {
        if (!world.NodeOf(said.Peer).Lies) throw world.Fail($"node {by.Index} takes node {world.NodeOf(said.Peer).Index}, which is honest, for a liar: {said.What}");
        if (said.Evidence.Count > 0)
        {
            var entry = new GuardianMisbehaved(said.Program, said.Peer, said.What, [.. said.Evidence.Select(bytes => bytes.ToArray())]);
            if (!entry.Holds(world.Swarm, world.Keys)) throw world.Fail("evidence does not hold");
        }
        Found.Add((said.Peer, by.Peer));
    }

    public void OnStep()
    {
        if (_overlaps.Count == 0) return;
        foreach (var ((program, first, second), since) in _overlaps.ToList())
        {
            var (one, other) = (world.Nodes[first], world.Nodes[second]);
            if (!one.RunsNow(program) || !other.RunsNow(program))
            {
                // One that sleeps is looked at again when it wakes.
                if (!one.IsSuspended && !other.IsSuspended) _overlaps.Remove((program, first, second));
                continue;
            }
            if (world.ReachSince(one, other) is not { } reach) continue;
            var both = reach > since ? reach : since;
            if (world.Now - both > MaxOverlap) throw world.Fail($"nodes {first} and {second} have run one program for {(world.Now - both).TotalSeconds:F1} s while they could hear of each other");
        }
    }

    /// <summary>After healing somebody holds each program within the bound, one only, and keeps it.</summary>
    public void MustHold(TimeSpan within)
    {
        var began = world.Now;
        if (!world.RunUntil(() => world.Programs.All(program => Holders(program).Count() == 1), within))
            throw world.Fail($"{within.TotalSeconds} s after healing there is no single holder: {string.Join(' ', world.Programs.Select(program => Holders(program).Count()))}");
        LongestGap = world.Now - began;
        world.RunFor(TimeSpan.FromSeconds(6)); // a last overlap ends, feeds settle
        var holders = world.Programs.Select(program => Holders(program).Single()).ToList();
        world.RunFor(TimeSpan.FromSeconds(20));
        if (!holders.SequenceEqual(world.Programs.Select(program => Holders(program).SingleOrDefault()))) throw world.Fail("a lease went elsewhere although all is well");
    }

    public IEnumerable<LeaseNode?> Holders(EntryHash program) => world.Nodes.Where(node => !node.Lies && node.IsAwake && node.Runs.TryGetValue(program, out var run) && node.Clock < run.Until);

    private static (EntryHash, int, int) Pair(EntryHash program, LeaseNode one, LeaseNode other) => (program, Math.Min(one.Index, other.Index), Math.Max(one.Index, other.Index));
}
