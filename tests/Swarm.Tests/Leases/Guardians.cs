using PeoplesCloud.Libp2p;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>Some guardians of one program, whose messages arrive at once; time goes on by hand.</summary>
internal sealed class Guardians
{
    private readonly Random _random = new(7);
    private readonly SortedDictionary<PeerId, LeaseEngine> _engines = [];
    private readonly Queue<(PeerId From, PeerId To, LeaseMessage Message)> _wire = new();
    private readonly Dictionary<PeerId, TimeSpan> _wakes = [];
    private readonly SimKeys _keys = new();
    private readonly SwarmId _swarm = new(EntryHash.Of([1]));

    public Guardians(int count)
    {
        var signers = Enumerable.Range(0, count).Select(_keys.Signer).OrderBy(signer => signer.Self).ToList();
        Signers = signers.ToDictionary(signer => signer.Self);
        Peers = [.. signers.Select(signer => signer.Self)];
        foreach (var peer in Peers) _engines[peer] = new LeaseEngine(peer, Options, _random);
    }

    public static EntryHash Program { get; } = EntryHash.Of("a program"u8);

    public LeaseOptions Options { get; init; } = new();

    public Dictionary<PeerId, ISigner> Signers { get; }

    public IReadOnlyList<PeerId> Peers { get; }

    /// <summary>An unkind start: boot was long ago.</summary>
    public TimeSpan Now { get; private set; } = TimeSpan.FromHours(77) + TimeSpan.FromTicks(3);

    public HashSet<PeerId> Down { get; } = [];

    public List<(PeerId Peer, LeaseEffect Effect)> Seen { get; } = [];

    /// <summary>Changes or drops (null) what is sent.</summary>
    public Func<PeerId, PeerId, LeaseMessage, LeaseMessage?> OnTheWay { get; set; } = (_, _, message) => message;

    public LeaseEngine this[PeerId peer] => _engines[peer];

    /// <summary>All engines are old enough to vote.</summary>
    public void GrowUp()
    {
        foreach (var peer in Peers) Do(peer, new LeaseInput.Tick());
        RunFor(Options.Backing);
    }

    public void WatchAll(WhenAlone whenAlone, ulong generation = 1)
    {
        foreach (var peer in Peers) Do(peer, new LeaseInput.Watch(Program, generation, Peers, whenAlone, CanRun: true));
    }

    public void Restart(PeerId peer)
    {
        _engines[peer] = new LeaseEngine(peer, Options, _random);
        _wakes.Remove(peer);
    }

    public void Do(PeerId peer, LeaseInput input)
    {
        foreach (var effect in _engines[peer].Handle(input, Now))
        {
            if (effect is LeaseEffect.Send send) _wire.Enqueue((peer, send.To, send.Message));
            else if (effect is LeaseEffect.WakeAt wake) _wakes[peer] = wake.At;
            else Seen.Add((peer, effect));
        }
    }

    /// <summary>Says something in a guardian's name.</summary>
    public void Post(PeerId from, PeerId to, LeaseMessage message) => _wire.Enqueue((from, to, message));

    /// <summary>Delivers everything, through bytes.</summary>
    public void Settle()
    {
        while (_wire.TryDequeue(out var sent))
        {
            if (Down.Contains(sent.From) || Down.Contains(sent.To) || OnTheWay(sent.From, sent.To, sent.Message) is not { } message) continue;
            Assert.True(LeaseMessage.TryDecode(message.Encode(_swarm, Signers[message.Sender]), _swarm, _keys, out var read));
            Do(sent.To, new LeaseInput.Received(sent.From, read));
        }
    }

    public void RunFor(TimeSpan time)
    {
        var until = Now + time;
        Settle();
        while (true)
        {
            var next = _wakes.Where(wake => !Down.Contains(wake.Key)).OrderBy(wake => wake.Value).ThenBy(wake => wake.Key).FirstOrDefault();
            if (next.Key == default || next.Value > until) break;
            Now = next.Value > Now ? next.Value : Now;
            Do(next.Key, new LeaseInput.Tick());
            Settle();
        }
        Now = until;
    }

    public bool RunUntil(Func<bool> condition, TimeSpan atMost)
    {
        for (var left = atMost; left > TimeSpan.Zero && !condition(); left -= TimeSpan.FromMilliseconds(50)) RunFor(TimeSpan.FromMilliseconds(50));
        return condition();
    }

    public IEnumerable<PeerId> Holders => Peers.Where(peer => !Down.Contains(peer) && _engines[peer].ViewOf(Program) is { IsOwn: true } view && view.Until > Now);

    public IEnumerable<T> Effects<T>(PeerId peer) => Seen.Where(seen => seen.Peer == peer).Select(seen => seen.Effect).OfType<T>();
}
