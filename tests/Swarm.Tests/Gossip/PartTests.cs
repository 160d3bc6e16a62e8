using Google.Protobuf;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm.Tests;

// Digests name everybody; what changed lately is compared first, and they only when that does not explain the difference.
public sealed class PartTests
{
    private const int Members = 40;
    private readonly Wires _wires = new(new Village([.. Enumerable.Repeat(Role.Member, Members - 1)]));

    private IEnumerable<GossipMessage> Sent =>
        _wires.Seen.Select(seen => seen.Effect).OfType<GossipEffect.SendMessage>().Select(send => GossipMessage.Parser.ParseFrom(send.Bytes));

    private double? RankOf(int of, int by) => _wires.Engines[by].ViewOf(_wires.Village.Peer(of))?.Record?.Info.Rank;

    private void Say(int node, double rank) => _wires.Do(node, new GossipInput.PresenceUpdated(new PresenceInfo { Addresses = ["/ip4/10.0.0.1/tcp/1"], Rank = rank }));

    private bool AllSee(int node, double rank) => Enumerable.Range(0, Members).All(by => RankOf(node, by) == rank);

    private void RoundsUntil(Func<bool> condition)
    {
        for (var round = 0; round < 60 && !condition(); round++) _wires.Rounds(1);
        Assert.True(condition());
    }

    [Fact]
    public void What_changed_lately_spreads_without_whole_digests()
    {
        RoundsUntil(() => Enumerable.Range(0, Members).All(node => AllSee(node, node)));
        _wires.Rounds(15);
        _wires.Seen.Clear();
        Say(3, 77);
        var entry = _wires.Village.Deploy(5);
        _wires.Do(5, new GossipInput.EntriesAppended([entry]));
        RoundsUntil(() => AllSee(3, 77) && _wires.Village.Replicas.All(replica => replica.State.Programs.ContainsKey(entry.Hash)));
        Assert.DoesNotContain(Sent, message => message.HasPresence || message.HasHeads);
        Assert.Contains(Sent, message => message.HasPresencePart);
    }

    [Fact]
    public void What_the_part_does_not_explain_is_found_by_whole_digests()
    {
        RoundsUntil(() => AllSee(0, 0));
        for (var other = 0; other < Members; other++)
        {
            if (other != 7) _wires.Cut.UnionWith([(7, other), (other, 7)]);
        }
        Say(3, 77);
        var entry = _wires.Village.Deploy(5);
        _wires.Do(5, new GossipInput.EntriesAppended([entry]));
        _wires.Rounds(20); // longer than lately
        _wires.Cut.Clear();
        _wires.Seen.Clear();
        RoundsUntil(() => AllSee(3, 77) && _wires.Village[7].State.Programs.ContainsKey(entry.Hash));
        Assert.Contains(Sent, message => message.HasPresence);
    }

    [Fact]
    public void Parts_that_are_not_the_format_are_refused_and_a_head_without_a_number_is_none()
    {
        var swarm = ByteString.CopyFrom(_wires.Village[0].Id.ToBytes());
        IReadOnlyList<GossipEffect> Give(GossipMessage message) => _wires.Engines[0].Handle(new GossipInput.MessageReceived(_wires.Village.Peer(1), GossipCodec.Encode(message)), _wires.Time);
        Assert.Contains(Give(new GossipMessage { Swarm = swarm, HeadsPart = ByteString.CopyFrom(new byte[5]), FeedsSum = 1 }), effect => effect is GossipEffect.Refused);
        Assert.Contains(Give(new GossipMessage { Swarm = swarm, PresencePart = ByteString.CopyFrom(new byte[20]), PresenceSum = 1 }), effect => effect is GossipEffect.Refused);
        var none = ByteString.CopyFrom(FeedHeads.EncodeTips([new HeadTip(AuthorFeed.KeyOf(_wires.Village.Peer(0)), 0, 7)]));
        var answer = Give(new GossipMessage { Swarm = swarm, Ping = 1, Heads = none }).OfType<GossipEffect.SendMessage>().Single();
        Assert.Equal(Members, GossipMessage.Parser.ParseFrom(answer.Bytes).Entries.Count);
        answer = Give(new GossipMessage { Swarm = swarm, HeadsPart = none }).OfType<GossipEffect.SendMessage>().Single();
        Assert.Equal(Members, GossipMessage.Parser.ParseFrom(answer.Bytes).Entries.Count);
    }

    [Fact]
    public void A_node_of_before_parts_gets_whole_digests()
    {
        RoundsUntil(() => AllSee(0, 0));
        _wires.Rounds(15); // else more changed lately than a part names
        var swarm = ByteString.CopyFrom(_wires.Village[0].Id.ToBytes());
        var ping = new GossipMessage { Swarm = swarm, Ping = 1, FeedsPrint = 1, PresencePrint = 2 };
        GossipMessage Answer() => GossipMessage.Parser.ParseFrom(
            _wires.Engines[0].Handle(new GossipInput.MessageReceived(_wires.Village.Peer(1), GossipCodec.Encode(ping)), _wires.Time).OfType<GossipEffect.SendMessage>().First().Bytes);
        Assert.True(Answer() is { HasHeads: true, HasPresence: true, HasHeadsPart: false, HasPresencePart: false });
        ping.Parts = true;
        Assert.True(Answer() is { HasHeads: false, HasPresence: false, HasHeadsPart: true, HasPresencePart: true });
    }
}
