using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>The guardians of some programs, and what gossip would tell them.</summary>
internal sealed class LeaseWorld : SimLoop
{
    private readonly SortedDictionary<PeerId, LeaseNode> _byPeer = [];
    private readonly Dictionary<(int, int), TimeSpan> _reachSince = [];

    public LeaseWorld(SimRun run, LeaseChecks without)
        : base(run, salt: 0x6c65)
    {
        Options = new LeaseOptions { Without = without };
        Checkers = new LeaseCheckers(this);
        Swarm = new SwarmId(EntryHash.Of([1]));
    }

    public LeaseOptions Options { get; }

    public SwarmId Swarm { get; }

    public LeaseCheckers Checkers { get; }

    public IReadOnlyList<LeaseNode> Nodes { get; private set; } = [];

    public IReadOnlyList<PeerId> FirstGuardians { get; private set; } = [];

    public IReadOnlyList<EntryHash> Programs { get; private set; } = [];

    /// <summary>The host that was chosen for all programs; null for none.</summary>
    public LeaseNode? Chosen { get; private set; }

    /// <summary>How often one was chosen.</summary>
    public ulong Placement { get; private set; }

    /// <summary>The owner chooses a host, and all that are awake hear of it.</summary>
    public void Choose(LeaseNode node)
    {
        Chosen = node;
        Placement++;
        foreach (var awake in Nodes.Where(other => other.IsAwake)) awake.Watch();
    }

    /// <summary>How often a message to a host whose daemon is down is refused, and not just lost.</summary>
    public double RefusalChance { get; set; } = 0.7;

    public WhenAlone WhenAlone { get; set; } = WhenAlone.Stop;

    /// <summary>Called when a host is about to approve a set of guardians and votes no more in the generation before.</summary>
    public Action<LeaseNode, EntryHash, ulong>? Approving { get; set; }

    /// <summary>Hosts with clocks that are wrong by up to 1 %, of which the first few guard all programs.</summary>
    public void Populate(int nodes, int guardians, int programs)
    {
        Nodes = [.. Enumerable.Range(0, nodes).Select(index => new LeaseNode(this, index, Keys.Signer(index)))];
        Programs = [.. Enumerable.Range(0, programs).Select(number => EntryHash.Of([2, (byte)number]))];
        FirstGuardians = [.. Nodes.Take(guardians).Select(node => node.Peer)];
        foreach (var node in Nodes)
        {
            _byPeer[node.Peer] = node;
            node.Rate = Random.Next(3) == 0 ? (Random.Next(2) == 0 ? 0.99 : 1.01) : 0.99 + 0.02 * Random.NextDouble();
            node.Begin(TimeSpan.FromHours(1 + 1000 * Random.NextDouble()));
        }
        foreach (var node in Nodes) node.Start();
        GossipEverySecond();
    }

    public LeaseNode NodeOf(PeerId peer) => _byPeer[peer];

    public void Send(LeaseNode from, PeerId to, byte[] bytes)
    {
        var target = NodeOf(to);
        Send(from.Index, target.Index, bytes.Length, () => Arrive(from, target, bytes));
    }

    public bool Reaches(LeaseNode from, LeaseNode to) => !Network.Blocked.Contains((from.Index, to.Index));

    /// <summary>Since when two hosts have been up and reached each other, directly or through one that is up; null when they do not.</summary>
    public TimeSpan? ReachSince(LeaseNode one, LeaseNode other) => _reachSince.TryGetValue((Math.Min(one.Index, other.Index), Math.Max(one.Index, other.Index)), out var since) ? since : null;

    /// <summary>A host goes down for up to so long: often shorter than a lease.</summary>
    public void CrashFor(LeaseNode node, TimeSpan time)
    {
        if (!node.IsUp) return;
        node.Crash();
        NoteReach();
        After(time, () =>
        {
            if (node.IsUp) return;
            node.Start();
            NoteReach();
        });
    }

    public void SuspendFor(LeaseNode node, TimeSpan time)
    {
        if (!node.IsAwake) return;
        node.Suspend();
        NoteReach();
        After(time, () =>
        {
            node.Resume();
            NoteReach();
        });
    }

    public void Block(LeaseNode from, LeaseNode to)
    {
        Network.Blocked.Add((from.Index, to.Index));
        NoteReach();
    }

    public void Unblock(LeaseNode one, LeaseNode other)
    {
        Network.Blocked.Remove((one.Index, other.Index));
        Network.Blocked.Remove((other.Index, one.Index));
        NoteReach();
    }

    public void Unblock()
    {
        Network.Blocked.Clear();
        NoteReach();
    }

    public void Heal()
    {
        Network.Loss = 0;
        Network.Duplicates = 0;
        Network.MaxDelay = TimeSpan.FromMilliseconds(60);
        foreach (var node in Nodes)
        {
            node.Resume();
            if (!node.IsUp) node.Start();
            if (node.Drained) node.Handle(new LeaseInput.Drain(false));
            node.Drained = false;
        }
        Unblock();
    }

    public SimReport Report() => new()
    {
        Run = Run,
        Simulated = Now,
        Messages = Messages,
        Bytes = Bytes,
        Entries = Checkers.Acquisitions,
        AgreementRounds = double.NaN,
        RestBytesPerSecond = double.NaN,
        Trace = Trace,
        Options = new GossipOptions(),
    };

    // Of a host whose daemon is down the kernel refuses, now and then: it may be off altogether. One that sleeps is silent.
    private void Arrive(LeaseNode from, LeaseNode to, byte[] bytes)
    {
        if (to.IsUp || to.IsSuspended) to.Receive(from.Peer, bytes);
        else if (Random.NextDouble() < RefusalChance && Reaches(to, from)) After(Network.DrawDelay(Random), () => from.Handle(new LeaseInput.Gone(to.Peer)));
    }

    // What gossip does: feeds spread to whoever is reached, and presence tells who runs what and who is there, through one more member if need be.
    private void GossipEverySecond()
    {
        foreach (var from in Nodes.Where(node => node.IsAwake))
        {
            foreach (var to in Nodes.Where(node => node.IsAwake && node != from))
            {
                if (Reaches(from, to) && to.Feeds.Learn(from.Feeds)) to.Watch();
                var hears = ReachesThroughAny(from, to);
                to.Handle(new LeaseInput.Reachable(from.Peer, hears));
                if (!hears || from.Lies) continue;
                foreach (var (program, run) in from.Runs.Where(run => run.Value.Until > from.Clock).ToList()) to.Handle(new LeaseInput.Heard(program, from.Peer, run.Epoch));
                foreach (var (program, epoch) in from.Floors) to.Floors[program] = Math.Max(epoch, to.Floors.GetValueOrDefault(program));
            }
        }
        foreach (var silent in Nodes.Where(node => !node.IsAwake))
        {
            // Sooner or later each finds out.
            foreach (var to in Nodes.Where(node => node.IsAwake && Random.Next(2) == 0)) to.Handle(new LeaseInput.Reachable(silent.Peer, false));
        }
        After(TimeSpan.FromSeconds(0.7 + 0.6 * Random.NextDouble()), GossipEverySecond);
    }

    private bool ReachesThroughAny(LeaseNode from, LeaseNode to) =>
        Reaches(from, to) || Nodes.Any(other => other is { IsAwake: true, Lies: false } && Reaches(from, other) && Reaches(other, to));

    private void NoteReach()
    {
        for (var i = 0; i < Nodes.Count; i++)
        {
            for (var j = i + 1; j < Nodes.Count; j++)
            {
                var (one, other) = (Nodes[i], Nodes[j]);
                if (one.IsAwake && other.IsAwake && ReachesThroughAny(one, other) && ReachesThroughAny(other, one)) _reachSince.TryAdd((i, j), Now);
                else _reachSince.Remove((i, j));
            }
        }
    }

    /// <inheritdoc/>
    protected override void Play(Action action)
    {
        if (_reachSince.Count == 0) NoteReach();
        action();
        Checkers.OnStep();
    }
}
