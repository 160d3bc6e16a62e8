using Google.Protobuf;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// Rounds: one probe each, which is also the start of an anti-entropy exchange; indirect probes; suspicion.
public sealed partial class GossipEngine
{
    private const int MaxHealth = 8;
    private const int MaxRelays = 32;

    private readonly Dictionary<ulong, Probe> _probes = [];
    private readonly Dictionary<ulong, Relay> _relays = [];
    private readonly Queue<PeerId> _turns = new();
    private readonly Queue<PeerId> _sleeperTurns = new();
    private TimeSpan _roundStart;
    private long _refutedInRound = -1;
    private int _health; // 0 is well; more: our own answers come late, so we are slower to doubt others

    private sealed class Probe(PeerId peer, TimeSpan sentAt)
    {
        public PeerId Peer { get; } = peer;

        public TimeSpan SentAt { get; } = sentAt;

        public TimeSpan? IndirectAt { get; set; }
    }

    private sealed record Relay(PeerId Asker, ulong Number, TimeSpan Until);

    private void OnTick()
    {
        // 1. A new round has its partners before it.
        var newRound = _now.Uptime - _roundStart >= _options.RoundInterval;
        if (newRound)
        {
            _roundStart = _now.Uptime;
            Rounds++;
            _partners.Clear();
            _askedAgain.Clear();
        }
        // 2. Probes that wait: first ask others, then doubt.
        foreach (var (number, probe) in _probes.OrderBy(probe => probe.Key).ToList()) FollowUp(number, probe);
        foreach (var (number, _) in _relays.Where(relay => relay.Value.Until < _now.Uptime).ToList()) _relays.Remove(number);
        // 3. Suspects who did not object.
        foreach (var (peer, slot) in _table.Slots.ToList())
        {
            if (slot.Liveness == Liveness.Suspect && _now.Uptime - slot.SuspectSince >= SuspicionTime) Doubt(peer, slot, Liveness.Asleep);
        }
        // 4. This round's probe; several while we do not know our own head or what we missed.
        if (!newRound) return;
        var probes = _replica.OwnHeadConfirmed && _settled ? 1 : _options.MaxPartners;
        for (var i = 0; i < probes; i++)
        {
            if (ChooseProbe() is { } peer) SendProbe(peer);
        }
    }

    private TimeSpan SuspicionTime =>
        _options.RoundInterval * ((_options.SuspicionRounds + 2 * Math.Log2(_others.Count + 1)) * (1 + _health * 0.5));

    private TimeSpan ProbeTimeout => _options.ProbeTimeout * (1 + _health);

    // A suspect first, once, so that it can object; else every member in turn, in an order shuffled anew each time (SWIM 4.3);
    // every few rounds a sleeper.
    private PeerId? ChooseProbe()
    {
        if (Rounds % 2 == 0)
        {
            foreach (var (peer, slot) in _table.Slots)
            {
                if (slot.Liveness != Liveness.Suspect || slot.Nudged || _partners.Contains(peer)) continue;
                slot.Nudged = true;
                return peer;
            }
        }
        var sleeper = Rounds % _options.SleeperEvery == 0;
        return NextInTurn(sleeper) ?? NextInTurn(!sleeper);
    }

    private PeerId? NextInTurn(bool sleeper)
    {
        var turns = sleeper ? _sleeperTurns : _turns;
        for (var pass = 0; pass < 2; pass++)
        {
            while (turns.TryDequeue(out var peer))
            {
                if (IsOther(peer) && IsAwake(peer) != sleeper && !_partners.Contains(peer)) return peer;
            }
            var peers = _others.Where(peer => IsAwake(peer) != sleeper).ToArray();
            _random.Shuffle(peers);
            foreach (var peer in peers) turns.Enqueue(peer);
        }
        return null;
    }

    private bool IsAwake(PeerId peer) => _table.Find(peer) is { Liveness: not Liveness.Asleep };

    private void SendProbe(PeerId peer)
    {
        if (!TryPartner(peer)) return;
        var number = NewNumber();
        _probes[number] = new Probe(peer, _now.Uptime);
        SendPing(peer, number);
    }

    private void SendPing(PeerId peer, ulong number)
    {
        var message = NewMessage();
        message.Ping = number;
        message.Suspected = _table.Find(peer) is { Liveness: not Liveness.Awake };
        message.Parts = WantsParts;
        AddSummary(message);
        Send(peer, message);
    }

    private void FollowUp(ulong number, Probe probe)
    {
        if (!IsOther(probe.Peer))
        {
            _probes.Remove(number);
        }
        else if (probe.IndirectAt is { } asked)
        {
            if (_now.Uptime - asked >= ProbeTimeout * 2) Fail(number, probe);
        }
        else if (_now.Uptime - probe.SentAt >= ProbeTimeout)
        {
            AskOthers(number, probe);
        }
    }

    // Others may reach whom we do not: a wall between two is no death.
    private void AskOthers(ulong number, Probe probe)
    {
        var helpers = _others.Where(peer => peer != probe.Peer && _table.Find(peer) is { Liveness: Liveness.Awake }).ToArray();
        if (_table.Find(probe.Peer) is not { Liveness: not Liveness.Asleep }) helpers = []; // nobody bothers others about a sleeper
        _random.Shuffle(helpers);
        var asked = 0;
        foreach (var helper in helpers)
        {
            if (asked == _options.MaxPartners - 1) break;
            if (!TryPartner(helper)) continue;
            var message = NewMessage();
            message.Ping = number;
            message.PingTarget = ByteString.CopyFrom(probe.Peer.Bytes);
            Send(helper, message);
            asked++;
        }
        if (asked > 0 || helpers.Length == 0) probe.IndirectAt = _now.Uptime; // else this round has no partners left: the next has
    }

    private void Fail(ulong number, Probe probe)
    {
        _probes.Remove(number);
        _unreachable.Add(probe.Peer);
        _contradictedBy.Remove(probe.Peer);
        if (_table.Find(probe.Peer) is not { Liveness: Liveness.Awake } slot) return;
        _health = Math.Min(MaxHealth, _health + 1);
        Doubt(probe.Peer, slot, Liveness.Suspect);
    }

    private void Doubt(PeerId peer, PresenceSlot slot, Liveness liveness)
    {
        if (_table.Raise(slot, liveness, _now.Uptime)) _changed.Add(peer);
    }

    private void OnUnreachable(PeerId peer)
    {
        _unreachable.Add(peer);
        _contradictedBy.Remove(peer);
        foreach (var (number, probe) in _probes.Where(probe => probe.Value.Peer == peer && probe.Value.IndirectAt is null).ToList())
            AskOthers(number, probe);
    }

    // Anybody heard from is there, whatever was believed.
    private void Heard(PeerId peer)
    {
        NoticeContact();
        _lastHeard[peer] = _now.Wall;
        _unreachable.Remove(peer);
    }

    private void OnAck(ulong number)
    {
        if (_probes.Remove(number)) _health = Math.Max(0, _health - 1);
        if (!_relays.Remove(number, out var relay) || !IsOther(relay.Asker)) return;
        var message = NewMessage();
        message.Ack = relay.Number;
        Send(relay.Asker, message);
    }

    // Somebody asks us to probe another.
    private void PassOn(PeerId from, ulong number, ReadOnlySpan<byte> targetBytes)
    {
        if (!PeerId.TryFromBytes(targetBytes, out var target) || !IsOther(target) || _relays.Count >= MaxRelays) return;
        var relayed = NewNumber();
        _relays[relayed] = new Relay(from, number, _now.Uptime + ProbeTimeout * 4);
        SendPing(target, relayed);
    }

    private ulong NewNumber()
    {
        while (true)
        {
            var number = (ulong)_random.NextInt64(1, long.MaxValue);
            if (!_probes.ContainsKey(number) && !_relays.ContainsKey(number)) return number;
        }
    }
}
