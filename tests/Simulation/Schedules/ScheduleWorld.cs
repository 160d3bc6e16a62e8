using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>One scheduled program upon a <see cref="LeaseWorld"/>: its times come every five seconds, and the checkers look at each start.</summary>
internal sealed class ScheduleWorld
{
    public static readonly DateTimeOffset Begin = new(2027, 3, 1, 0, 0, 0, TimeSpan.Zero);

    private const int Every = 5;

    private readonly List<ScheduleNode> _nodes;
    private readonly SortedDictionary<long, int> _runs = [];
    private readonly Dictionary<(ulong Generation, PeerId By), long> _floors = [];

    public ScheduleWorld(LeaseWorld leases, ScheduleChecks without)
    {
        Leases = leases;
        Options = new ScheduleOptions { RetryEvery = TimeSpan.FromSeconds(1), LookEvery = TimeSpan.FromSeconds(2), Without = without };
        _nodes = [.. leases.Nodes.Select(node => new ScheduleNode(this, node) { Skew = TimeSpan.FromSeconds(2 * leases.Random.NextDouble() - 1) })];
        leases.Approving = (node, program, generation) =>
        {
            if (program == Program) _floors[(generation, node.Peer)] = _nodes[node.Index].Latest();
        };
        LookOften();
    }

    public LeaseWorld Leases { get; }

    public ScheduleOptions Options { get; }

    public EntryHash Program => Leases.Programs[0];

    public bool AtLeastOnce => Leases.WhenAlone == WhenAlone.Run;

    public IReadOnlyList<ScheduleNode> Nodes => _nodes;

    /// <summary>Whether runs are short, so that none overlaps the next time.</summary>
    public bool IsCalm { get; set; }

    public int Told { get; private set; }

    public int Starts => _runs.Values.Sum();

    public static DateTimeOffset? NextAfter(DateTimeOffset after) => DateTimeOffset.FromUnixTimeSeconds((after.ToUnixTimeSeconds() / Every + 1) * Every);

    public TimeSpan DrawLength() => TimeSpan.FromSeconds(IsCalm ? 0.5 + Leases.Random.NextDouble() : 9 * Leases.Random.NextDouble());

    /// <summary>The latest time that any of those knew who approved a generation, as far as a host has heard of their approvals.</summary>
    public long FloorOf(LeaseNode node, ulong generation) =>
        node.Feeds.Approvals.Where(approval => approval.Program == Program && approval.Generation == generation).Select(approval => _floors.GetValueOrDefault((generation, approval.By))).DefaultIfEmpty().Max();

    public void OnRun(LeaseNode node, long due)
    {
        Leases.Note((ulong)due);
        _runs[due] = _runs.GetValueOrDefault(due) + 1;
        if (_runs[due] > 1 && !AtLeastOnce) throw Leases.Fail($"node {node.Index} runs {DateTimeOffset.FromUnixTimeSeconds(due):HH:mm:ss} for the second time");
    }

    public void OnTold(LeaseNode node, ScheduledRun not)
    {
        Told++;
        if (not.Result == ScheduledResult.Skipped && _runs.ContainsKey(not.Due) && !AtLeastOnce) throw Leases.Fail($"node {node.Index} says that {not.DueAt:HH:mm:ss} was skipped, which was run");
    }

    /// <summary>After healing each time is run, once.</summary>
    public void MustRunAll()
    {
        IsCalm = true;
        foreach (var node in _nodes) node.Skew = TimeSpan.FromSeconds(node.Skew.TotalSeconds % 1);
        Leases.RunFor(TimeSpan.FromSeconds(20));
        var first = NextAfter(Begin + Leases.Now)!.Value.ToUnixTimeSeconds() + Every;
        Leases.RunFor(TimeSpan.FromSeconds(6 * Every));
        for (var due = first; due < first + 4 * Every; due += Every)
        {
            if (!_runs.ContainsKey(due)) throw Leases.Fail($"nobody ran {DateTimeOffset.FromUnixTimeSeconds(due):HH:mm:ss} although all is well; {string.Join("; ", _nodes.Select(node => $"{node.Host.Index} holds {node.Host.Runs.ContainsKey(Program)} knows {node.Record.Due - Begin.ToUnixTimeSeconds()} {node.State}"))}");
        }
    }

    /// <summary>Sends a claim to a guardian and its answer back, over the ways of the leases.</summary>
    public void Ask(ScheduleNode from, PeerId to, ScheduleClaim claim, Action<int, ScheduleAnswer> answered, int life)
    {
        var target = _nodes[Leases.NodeOf(to).Index];
        if (target == from)
        {
            // The answer of one's own disk comes a moment later, too: a claim goes out to all at once.
            Leases.After(TimeSpan.FromMilliseconds(5 * Leases.Random.NextDouble()), () =>
            {
                if (target.Judge(from.Host.Peer, claim.Encode()) is { } own) answered(life, own);
            });
            return;
        }
        Deliver(from.Host, target.Host, () =>
        {
            if (target.Judge(from.Host.Peer, claim.Encode()) is { } answer) Deliver(target.Host, from.Host, () => answered(life, answer));
        });
    }

    private void Deliver(LeaseNode from, LeaseNode to, Action action)
    {
        if (!Leases.Reaches(from, to) || Leases.Random.NextDouble() < Leases.Network.Loss) return;
        var times = Leases.Random.NextDouble() < Leases.Network.Duplicates ? 2 : 1;
        for (; times > 0; times--) Leases.After(Leases.Network.MinDelay + (Leases.Network.MaxDelay - Leases.Network.MinDelay) * Leases.Random.NextDouble(), action);
    }

    // As a daemon is told of each change of its leases; often enough that a lost one ends its process.
    private void LookOften()
    {
        foreach (var node in _nodes) node.Look();
        Leases.After(TimeSpan.FromMilliseconds(100 + 200 * Leases.Random.NextDouble()), LookOften);
    }
}
