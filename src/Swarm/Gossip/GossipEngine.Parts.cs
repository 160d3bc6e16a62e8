using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

// Digests name all members, so they grow with the swarm. Two nodes seldom differ in more than what changed lately: so they compare
// that part first, with a sum over everything that tells whether the part explains the whole difference. Only when it does not are
// whole digests exchanged.
//
//   ping -> ack, with the sender's part and sum -> the other's part and sum, unless that was enough -> whole digests, unless that was
public sealed partial class GossipEngine
{
    private const int MaxPart = 32;

    // Most of what no part explains is old news that one of the two is about to hear from somebody else, so whole digests of presence are
    // not worth it at once.
    private const int Patience = 4;

    private int _unexplained; // comparisons in a row

    private readonly Queue<(TimeSpan At, PeerId Author)> _recentAuthors = new();

    // As long as news take to reach all.
    private TimeSpan RecentFrom => _now.Uptime - _options.RoundInterval * (3 + Math.Log2(_others.Count + 1));

    // A node that has to catch up wants to see everything.
    private bool WantsParts => _settled && _replica.OwnHeadConfirmed;

    private void NoteRecent(StoredEntry entry)
    {
        _recentAuthors.Enqueue((_now.Uptime, entry.Author));
        if (_recentAuthors.Count > 8 * MaxPart) _recentAuthors.Dequeue();
    }

    private HashSet<PeerId> RecentAuthors()
    {
        while (_recentAuthors.TryPeek(out var oldest) && oldest.At < RecentFrom) _recentAuthors.Dequeue();
        return [.. _recentAuthors.Select(recent => recent.Author)];
    }

    // -- Presence ---------------------------------------------------------------------------------------------

    private void AddPresencePart(GossipMessage message, IEnumerable<PresenceClaim> others)
    {
        var recent = _table.Recent(RecentFrom);
        if (recent.Count > MaxPart)
        {
            AddPresence(message);
            return;
        }
        var claims = recent.ConvertAll(slot => slot.Claim);
        var named = claims.Select(claim => claim.Peer).ToHashSet();
        claims.AddRange(others.Where(claim => named.Add(claim.Peer)));
        message.PresencePart = ByteString.CopyFrom(PresenceTable.Encode(claims));
        message.PresenceSum = _table.Sum;
    }

    private void OnPresencePart(PeerId from, GossipMessage message, GossipMessage answer, ref int budget)
    {
        if (PresenceTable.TryDecode(message.PresencePart.Span) is not { } claims || claims.Count > SwarmLimits.MaxAuthors)
        {
            _effects.Add(new GossipEffect.Refused(from, "a part of a digest of presence that cannot be read"));
            return;
        }
        // 1. What of the difference the part explains, before anything is changed.
        var sum = _table.Sum;
        foreach (var claim in claims.DistinctBy(claim => claim.Peer)) sum += claim.Item - (SlotOf(claim)?.Item ?? 0);
        var explained = message.HasPresenceSum && sum == message.PresenceSum;
        // 2. What is newer here goes to the other; what is newer there is asked for by saying what is held here.
        var ask = new List<PresenceClaim>();
        foreach (var claim in claims)
        {
            var slot = SlotOf(claim);
            if (slot is null || claim.Version > slot.Record.Version)
            {
                ask.Add(slot?.Claim ?? new PresenceClaim(claim.Peer, default, Liveness.Awake));
            }
            else if (claim.Version < slot.Record.Version)
            {
                if (slot.Record.Bytes.Length > budget) answer.More = true;
                else
                {
                    answer.Records.Add(ByteString.CopyFrom(slot.Record.Bytes.Span));
                    budget -= slot.Record.Bytes.Length;
                }
            }
            else
            {
                TakeDoubt(claim, slot);
                if (claim.Liveness < slot.Liveness) ask.Add(slot.Claim); // so that it doubts too
            }
        }
        // 3. Go on as far as needed.
        if (!message.HasPresenceSum) return;
        if (explained) _unexplained = 0;
        if (!explained && message.Ack != 0) AddPresencePart(answer, ask);
        else if (!explained && ++_unexplained % Patience == 0) AddPresence(answer);
        else if (ask.Count > 0) answer.PresencePart = ByteString.CopyFrom(PresenceTable.Encode(ask));
        if (answer.HasPresence) answer.Final = false;
    }

    private PresenceSlot? SlotOf(PresenceClaim claim) => _table.PeerOf(claim.Peer) is { } peer ? _table.Find(peer) : null;

    // At one version the higher doubt wins.
    private void TakeDoubt(PresenceClaim claim, PresenceSlot slot)
    {
        if (claim.Liveness <= slot.Liveness) return;
        if (slot.Record.Peer == Self) Refute();
        else Doubt(slot.Record.Peer, slot, claim.Liveness);
    }

    // -- Feeds ------------------------------------------------------------------------------------------------

    private void AddHeadsPart(GossipMessage message, IReadOnlyCollection<ulong> others)
    {
        var recent = RecentAuthors();
        var heads = _replica.Heads;
        if (recent.Count > MaxPart || !heads.IsPlain)
        {
            AddHeads(message);
            return;
        }
        var keys = recent.Select(AuthorFeed.KeyOf).Concat(others).ToHashSet();
        message.HeadsPart = ByteString.CopyFrom(FeedHeads.EncodeTips([.. keys.Order().Select(heads.TipOf)]));
        message.FeedsSum = heads.Sum;
    }

    private void OnHeadsPart(PeerId from, GossipMessage message, GossipMessage answer, ref int budget)
    {
        if (!FeedHeads.TryDecode(message.HeadsPart.Span, default, out var theirs))
        {
            _effects.Add(new GossipEffect.Refused(from, "a part of a digest of feeds that cannot be read"));
            return;
        }
        var heads = _replica.Heads;
        var sum = heads.Sum;
        foreach (var tip in theirs.Tips.DistinctBy(tip => tip.Author)) sum += tip.Item - heads.TipOf(tip.Author).Item;
        var explained = message.HasFeedsSum && heads.IsPlain && sum == message.FeedsSum;
        if (explained) NoteHeads(from, theirs);
        foreach (var entry in _replica.MissingFor(theirs, budget, out var more, namedOnly: true))
        {
            answer.Entries.Add(ByteString.CopyFrom(entry.Bytes.Span));
            budget -= entry.Bytes.Length;
            answer.More |= more;
        }
        if (!message.HasFeedsSum) return;
        var ask = theirs.Tips.Where(_replica.Lacks).Select(tip => tip.Author).ToList();
        if (explained)
        {
            if (ask.Count > 0) answer.HeadsPart = ByteString.CopyFrom(FeedHeads.EncodeTips([.. ask.Select(heads.TipOf)]));
        }
        else if (message.Ack != 0)
        {
            AddHeadsPart(answer, ask);
        }
        else
        {
            AddHeads(answer);
        }
        if (answer.HasHeads) answer.Final = false;
    }
}
