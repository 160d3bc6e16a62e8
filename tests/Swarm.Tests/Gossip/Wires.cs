using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>Engines of a village whose messages a test carries by hand.</summary>
internal sealed class Wires
{
    private readonly Dictionary<PeerId, int> _indexOf = [];

    public Wires(Village village, GossipOptions? options = null)
    {
        Village = village;
        Options = options ?? new GossipOptions();
        Engines = [.. Enumerable.Range(0, village.Replicas.Length).Select(index => NewEngine(index, village[index]))];
        for (var i = 0; i < Engines.Length; i++) _indexOf[village.Peer(i)] = i;
    }

    public Village Village { get; }

    public GossipOptions Options { get; }

    public GossipEngine[] Engines { get; }

    public TimeSpan Uptime { get; set; }

    public GossipTime Time => new(Uptime, new DateTimeOffset(2047, 3, 1, 0, 0, 0, TimeSpan.Zero) + Uptime);

    /// <summary>Messages on their way.</summary>
    public Queue<(int From, int To, byte[] Bytes)> OnTheWay { get; } = new();

    public List<(int Node, GossipEffect Effect)> Seen { get; } = [];

    /// <summary>Pairs between which nothing gets through.</summary>
    public HashSet<(int, int)> Cut { get; } = [];

    public GossipEngine NewEngine(int index, SwarmReplica replica) =>
        new(replica, Village.Keys.Signer(index), Village.Keys, new PresenceInfo { Addresses = [$"/ip4/10.0.0.{index}/tcp/1"], Hosts = true, Languages = ["py3"], Rank = index }, Options, new Random(index), Time);

    public void Do(int index, GossipInput input)
    {
        foreach (var effect in Engines[index].Handle(input, Time))
        {
            Seen.Add((index, effect));
            if (effect is GossipEffect.SendMessage send) OnTheWay.Enqueue((index, _indexOf[send.To], send.Bytes));
        }
    }

    public void CarryAll()
    {
        while (OnTheWay.TryDequeue(out var message))
        {
            if (!Cut.Contains((message.From, message.To))) Do(message.To, new GossipInput.MessageReceived(Village.Peer(message.From), message.Bytes));
        }
    }

    /// <summary>Some rounds, all messages arriving at once.</summary>
    public void Rounds(int count)
    {
        for (var tick = 0; tick < count * 4; tick++)
        {
            for (var i = 0; i < Engines.Length; i++) Do(i, new GossipInput.Tick());
            CarryAll();
            Uptime += Options.TickInterval;
        }
    }

    public Liveness View(int of, int by) => Engines[by].ViewOf(Village.Peer(of))!.Liveness;
}
