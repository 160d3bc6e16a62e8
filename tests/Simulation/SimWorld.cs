using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>All nodes of a swarm, which gossip, and their disks.</summary>
internal sealed class SimWorld : SimLoop
{
    private readonly Dictionary<PeerId, int> _indexOf = [];

    public SimWorld(SimRun run)
        : base(run, salt: 0)
    {
        // An unkind date: some day in sixty years, at an odd millisecond.
        Epoch = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000 + Random.NextInt64(1_900_000_000_000));
        Checkers = new Checkers(this);
        Nodes = [.. Enumerable.Range(0, run.Nodes).Select(index => new SimNode(this, index, Keys.Signer(index), TimeSpan.Zero))];
        foreach (var node in Nodes) _indexOf[node.Peer] = node.Index;
        CreateSwarm();
    }

    /// <summary>Pace of gossip; set before the start.</summary>
    public GossipOptions Options { get; set; } = new();

    public DateTimeOffset Epoch { get; }

    public Checkers Checkers { get; }

    public IReadOnlyList<SimNode> Nodes { get; }

    public SwarmId Swarm { get; private set; }

    /// <summary>Chance of a crash between two effects of a node.</summary>
    public double CrashChance { get; set; }

    /// <summary>How long a crashed node stays down at most.</summary>
    public TimeSpan MaxDowntime { get; set; } = TimeSpan.FromSeconds(10);

    public bool IsMember(SimNode node) => Nodes[0].Replica?.State.Find(node.Peer) is not null || (Nodes[0].Replica is null && node.Index == 0);

    public int IndexOf(PeerId peer) => _indexOf[peer];

    public void StartAll()
    {
        foreach (var node in Nodes) node.Start();
    }

    public void ScheduleTick(SimNode node, TimeSpan delay)
    {
        var life = node.Life;
        After(delay, () =>
        {
            if (node.Life != life || !node.IsUp || node.IsSuspended) return;
            node.Handle(new GossipInput.Tick());
            if (node.IsUp) node.MindKey();
            if (node.IsUp) ScheduleTick(node, Options.TickInterval / node.Rate);
        });
    }

    public void Send(SimNode from, PeerId to, byte[] bytes)
    {
        var target = Nodes[_indexOf[to]];
        Send(from.Index, target.Index, bytes.Length, () => Arrive(from, target, bytes));
    }

    /// <summary>Whether the node crashes here; it starts again later.</summary>
    public bool CrashesNow(SimNode node)
    {
        if (CrashChance == 0 || Random.NextDouble() >= CrashChance) return false;
        CrashAndRestart(node);
        return true;
    }

    public void CrashAndRestart(SimNode node)
    {
        node.Crash();
        After(MaxDowntime * Random.NextDouble(), () =>
        {
            if (!node.IsUp) node.Start();
        });
    }

    /// <summary>Suspends a node for some time, of which the clocks tell different things.</summary>
    public void SuspendFor(SimNode node, TimeSpan time)
    {
        node.Suspend(clockStandsStill: Random.Next(2) == 0);
        After(time, node.Resume);
    }

    /// <summary>32 bytes that no other call gives.</summary>
    public byte[] NewKey()
    {
        var key = new byte[SwarmKeyState.KeyBytes];
        Random.NextBytes(key);
        return key;
    }

    /// <summary>Everything gets well: no loss, no walls, no crashes, everybody up.</summary>
    public void Heal()
    {
        Network.Loss = 0;
        Network.Duplicates = 0;
        Network.Blocked.Clear();
        CrashChance = 0;
        foreach (var node in Nodes) node.Resume();
        foreach (var node in Nodes.Where(node => !node.IsUp)) node.Start();
    }

    /// <summary>After healing all views must become one, and stay so.</summary>
    public void MustConverge(TimeSpan within)
    {
        string? why = null;
        var until = Now + within;
        while (Now < until)
        {
            RunFor(TimeSpan.FromSeconds(1));
            why = Checkers.Disagreement();
            if (why is null) break;
        }
        if (why is not null) throw Fail($"views did not converge within {within.TotalSeconds} s: {why}");
        Checkers.CheckNothingLost();
    }

    public SimReport Report(double agreementRounds = double.NaN, double restBytesPerSecond = double.NaN) => new()
    {
        Run = Run,
        Simulated = Now,
        Messages = Messages,
        Bytes = Bytes,
        Entries = Checkers.Acknowledged,
        AgreementRounds = agreementRounds,
        RestBytesPerSecond = restBytesPerSecond,
        Trace = Trace,
        Options = Options,
    };

    private void CreateSwarm()
    {
        var creator = Nodes[0];
        var replica = SwarmReplica.Create(creator.Signer, Keys, "friends", "node-0", SimSealer.PublicKeyOf(creator.Peer), new byte[16], Epoch.AddDays(-Nodes.Count / 900), out var genesis);
        Swarm = replica.Id;
        var entries = new List<StoredEntry> { genesis };
        foreach (var node in Nodes.Skip(1))
        {
            // Some admins among them, so that admins can meet each other.
            var role = node.Index % 10 == 1 ? Role.Admin : Role.Member;
            // The creator may write 1,000 entries a day.
            var day = Epoch.AddDays((node.Index - Nodes.Count) / 900);
            entries.Add(replica.Append(new MemberAdmitted(node.Peer, $"node-{node.Index}", SimSealer.PublicKeyOf(node.Peer), role, null), day));
        }
        Checkers.OnGenesis(entries);
        foreach (var node in Nodes) node.Store.Append(Swarm, entries);
    }

    private void Arrive(SimNode from, SimNode to, byte[] bytes)
    {
        if (to.IsSuspended) return; // its kernel is silent too
        if (!to.IsUp)
        {
            // The sender's connection breaks and it hears of it, sometimes.
            if (from.IsUp && Random.NextDouble() < 0.5) from.Handle(new GossipInput.PeerUnreachable(to.Peer));
            return;
        }
        to.Handle(new GossipInput.MessageReceived(from.Peer, bytes));
    }
}
