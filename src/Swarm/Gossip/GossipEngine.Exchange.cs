using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

// One exchange: ping with fingerprints -> ack, with digests where they differ -> what the other lacks, with a digest if we lack
// something -> what we lack. A full answer says `more` and is asked on.
public sealed partial class GossipEngine
{
    private static readonly TimeSpan ClockWarning = TimeSpan.FromHours(12);

    private void OnMessage(PeerId from, ReadOnlySpan<byte> bytes)
    {
        if (!IsOther(from)) return; // the daemon lets members in only; this is the second lock
        if (!GossipCodec.TryDecode(bytes, out var message) || !message.Swarm.Span.SequenceEqual(_replica.Id.ToBytes()))
        {
            _effects.Add(new GossipEffect.Refused(from, "not a gossip message of this swarm"));
            return;
        }
        Heard(from);
        CheckClock(from, message.ClockMs);

        // 1. Take what it brings, before anything is said about what we hold.
        var took = TakeEntries(from, message, out var wants) | TakeRecords(from, message);
        if (message.Ack != 0) OnAck(message.Ack);

        // 2. Answer. A digest in the answer to a ping opens an exchange; any other asks for what we lack and ends it.
        var answer = NewMessage();
        var pinged = message.Ping != 0 && message.PingTarget.IsEmpty;
        answer.Final = !pinged;
        if (pinged)
        {
            if (message.Suspected) Refute();
            answer.Ack = message.Ping;
            AddSummary(answer);
        }
        else if (message.Ping != 0)
        {
            PassOn(from, message.Ping, message.PingTarget.Span);
        }
        var sameFeeds = message.HasFeedsPrint && message.FeedsPrint == _replica.Heads.Fingerprint;
        var samePresence = message.HasPresencePrint && message.PresencePrint == _table.Print();
        if (sameFeeds) NoteHeads(from, null);
        // Asking on only after progress: what we do not take would be sent again and again.
        var askOn = message.More && took;
        if (askOn || (pinged && !sameFeeds && !message.Parts)) AddHeads(answer);
        else if (pinged && !sameFeeds) AddHeadsPart(answer, []);
        if (askOn || (pinged && !samePresence && !message.Parts)) AddPresence(answer);
        else if (pinged && !samePresence) AddPresencePart(answer, []);
        foreach (var want in wants) answer.Wants.Add(ByteString.CopyFrom(want.ToBytes()));
        OnDigests(from, message, answer);
        if (pinged || answer.HasHeads || answer.HasPresence || answer.HasHeadsPart || answer.HasPresencePart || answer.Entries.Count > 0 || answer.Records.Count > 0 || wants.Count > 0) Send(from, answer);
    }

    private void CheckClock(PeerId from, ulong theirsMs)
    {
        if (theirsMs >= 253_402_300_800_000) return;
        var ahead = DateTimeOffset.FromUnixTimeMilliseconds((long)theirsMs) - _now.Wall;
        if (ahead.Duration() >= ClockWarning && _clockWarned.Add(from)) _effects.Add(new GossipEffect.ClockDiffers(from, ahead));
    }

    private bool TakeEntries(PeerId from, GossipMessage message, out IReadOnlyList<EntryHash> wants)
    {
        wants = [];
        if (message.Entries.Count == 0) return false;
        var result = _replica.Receive(message.Entries.Select(entry => entry.Memory), _now.Wall);
        foreach (var (reason, author) in result.Refused)
            _effects.Add(new GossipEffect.Refused(from, author.IsDefault ? $"an entry: {reason}" : $"an entry of {author}: {reason}"));
        if (result.Missing.Count > 0 && (result.AnyNew || _askedAgain.Add(from))) wants = result.Missing;
        if (result.Accepted.Count == 0) return false;
        _effects.Add(new GossipEffect.PersistEntries(result.Accepted));
        foreach (var entry in result.Accepted) QueueEntry(entry, from);
        RefreshMembers();
        return true;
    }

    private bool TakeRecords(PeerId from, GossipMessage message)
    {
        var took = false;
        foreach (var bytes in message.Records)
        {
            // Decoded without the verifier first: most are known, and verifying costs.
            if (!PresenceRecord.TryDecode(bytes.Span, null, out var record) || record.Swarm != _replica.Id)
            {
                _effects.Add(new GossipEffect.Refused(from, "not a presence record of this swarm"));
                continue;
            }
            if (_replica.State.Find(record.Peer) is null) continue;
            if (_table.Find(record.Peer) is { } slot && record.Version <= slot.Record.Version) continue;
            if (!PresenceRecord.TryDecode(bytes.Span, _verifier, out record))
            {
                _effects.Add(new GossipEffect.Refused(from, "a presence record with a bad signature"));
                continue;
            }
            took = true;
            if (record.Peer == Self) GoOnAfter(record.Version);
            else if (_table.Put(record, _now.Uptime)) _changed.Add(record.Peer);
        }
        return took;
    }

    // What the other says it holds: give what it lacks; ask for what we lack, unless this ends the exchange.
    private void OnDigests(PeerId from, GossipMessage message, GossipMessage answer)
    {
        var budget = SwarmLimits.MaxGossipPayloadBytes;
        if (message.HasHeads)
        {
            if (FeedHeads.TryDecode(message.Heads.Span, message.Forks.Span, out var theirs)) OnHeads(from, theirs, message.Final, answer, ref budget);
            else _effects.Add(new GossipEffect.Refused(from, "a digest of feeds that cannot be read"));
        }
        if (message.HasHeadsPart) OnHeadsPart(from, message, answer, ref budget);
        if (message.Wants.Count > 0) AnswerWants(message, answer, ref budget);
        if (message.HasPresence)
        {
            if (PresenceTable.TryDecode(message.Presence.Span) is { } claims) OnClaims(claims, message.Final, answer, ref budget);
            else _effects.Add(new GossipEffect.Refused(from, "a digest of presence that cannot be read"));
        }
        if (message.HasPresencePart) OnPresencePart(from, message, answer, ref budget);
    }

    private void OnHeads(PeerId from, FeedHeads theirs, bool final, GossipMessage answer, ref int budget)
    {
        NoteHeads(from, theirs);
        foreach (var entry in _replica.MissingFor(theirs, budget, out var more))
        {
            answer.Entries.Add(ByteString.CopyFrom(entry.Bytes.Span));
            budget -= entry.Bytes.Length;
            answer.More |= more;
        }
        if (!final && _replica.Lacks(theirs)) AddHeads(answer);
    }

    private void AnswerWants(GossipMessage message, GossipMessage answer, ref int budget)
    {
        var hashes = new List<EntryHash>();
        foreach (var want in message.Wants)
        {
            if (EntryHash.TryFromBytes(want.Span, out var hash)) hashes.Add(hash);
        }
        foreach (var entry in _replica.Wanted(hashes, Math.Max(1, budget)))
        {
            answer.Entries.Add(ByteString.CopyFrom(entry.Bytes.Span));
            budget -= entry.Bytes.Length;
        }
    }

    private void OnClaims(List<PresenceClaim> claims, bool final, GossipMessage answer, ref int budget)
    {
        foreach (var (_, slot) in _table.Slots) slot.Theirs = default;
        var lacking = false;
        foreach (var claim in claims)
        {
            if (_table.PeerOf(claim.Peer) is not { } peer)
            {
                lacking = true;
                continue;
            }
            var slot = _table.Find(peer)!;
            slot.Theirs = claim.Version;
            if (claim.Version > slot.Record.Version) lacking = true;
            else if (claim.Version == slot.Record.Version) TakeDoubt(claim, slot);
        }
        foreach (var (_, slot) in _table.Slots)
        {
            if (slot.Theirs >= slot.Record.Version) continue;
            if (slot.Record.Bytes.Length > budget)
            {
                answer.More = true;
                break;
            }
            answer.Records.Add(ByteString.CopyFrom(slot.Record.Bytes.Span));
            budget -= slot.Record.Bytes.Length;
        }
        if (lacking && !final) AddPresence(answer);
    }

    private void AddHeads(GossipMessage message)
    {
        if (message.HasHeads) return;
        message.Heads = ByteString.CopyFrom(_replica.Heads.EncodeTips());
        message.Forks = ByteString.CopyFrom(_replica.Heads.EncodeForks());
    }

    private void AddPresence(GossipMessage message)
    {
        if (!message.HasPresence) message.Presence = ByteString.CopyFrom(_table.Digest());
    }
}
