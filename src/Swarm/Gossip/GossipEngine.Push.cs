using Google.Protobuf;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// Rumours: an entry that is new to a node goes on to up to three partners at once, so that most hear of it within a few round
// trips; anti-entropy reaches the rest. Our own presence is pushed once, by ourselves only.
public sealed partial class GossipEngine
{
    private const int MaxRumours = 512;
    private const int MaxRumourRounds = 3;

    private readonly List<Rumour> _rumours = [];

    private sealed class Rumour(ByteString bytes, bool isRecord, PeerId? from, long round, int left)
    {
        public ByteString Bytes { get; } = bytes;

        public bool IsRecord { get; } = isRecord;

        public HashSet<PeerId> Told { get; } = from is { } source ? [source] : [];

        public long Round { get; } = round;

        public int Left { get; set; } = left;
    }

    private void QueueEntry(StoredEntry entry, PeerId? from)
    {
        NoteRecent(entry);
        if (_rumours.Count < MaxRumours) _rumours.Add(new Rumour(ByteString.CopyFrom(entry.Bytes.Span), false, from, Rounds, _options.MaxPartners));
    }

    // Nobody talks to a removed member any more, so it is told once why.
    private void TellRemoved(PeerId peer, StoredEntry removal)
    {
        if (peer == Self || !TryPartner(peer)) return;
        var message = NewMessage();
        message.Entries.Add(ByteString.CopyFrom(removal.Bytes.Span));
        Send(peer, message);
    }

    private void QueueOwnRecord()
    {
        _rumours.RemoveAll(rumour => rumour.IsRecord);
        _rumours.Add(new Rumour(ByteString.CopyFrom(_table.Find(Self)!.Record.Bytes.Span), true, null, Rounds, _options.MaxPartners));
    }

    private void Push()
    {
        if (_rumours.Count == 0) return;
        foreach (var peer in ChoosePushPartners())
        {
            var news = _rumours.Where(rumour => rumour.Left > 0 && !rumour.Told.Contains(peer)).ToList();
            if (news.Count > 0 && TryPartner(peer)) PushTo(peer, news);
        }
        _rumours.RemoveAll(rumour => rumour.Left == 0 || Rounds - rumour.Round >= MaxRumourRounds);
    }

    // Those whom we talk to in this round anyway come first; others while the round has room.
    private List<PeerId> ChoosePushPartners()
    {
        var chosen = _others.Where(peer => _partners.Contains(peer) && IsAwake(peer)).ToList();
        if (_partners.Count >= _options.MaxPartners) return chosen;
        var more = _others.Where(peer => !_partners.Contains(peer) && IsAwake(peer)).ToArray();
        _random.Shuffle(more);
        chosen.AddRange(more);
        return chosen;
    }

    private void PushTo(PeerId peer, List<Rumour> news)
    {
        var message = NewMessage();
        var budget = SwarmLimits.MaxGossipPayloadBytes;
        foreach (var rumour in news)
        {
            if (rumour.Bytes.Length > budget) break; // the rest follows with a later partner, or by anti-entropy
            budget -= rumour.Bytes.Length;
            (rumour.IsRecord ? message.Records : message.Entries).Add(rumour.Bytes);
            rumour.Told.Add(peer);
            rumour.Left--;
        }
        Send(peer, message);
    }
}
