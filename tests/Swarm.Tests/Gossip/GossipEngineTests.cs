using PeoplesCloud.Simulation;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm.Tests;

public sealed class GossipEngineTests
{
    [Fact]
    public void Members_hear_of_each_other_and_of_what_is_written()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(4);
        for (var by = 0; by < 3; by++)
        {
            for (var of = 0; of < 3; of++) Assert.Equal(Liveness.Awake, wires.View(of, by));
        }
        Assert.Equal(["/ip4/10.0.0.2/tcp/1"], wires.Engines[0].ViewOf(wires.Village.Peer(2))!.Record!.Info.Addresses);
        var entry = wires.Village.Deploy(1);
        wires.Do(1, new GossipInput.EntriesAppended([entry]));
        wires.CarryAll(); // pushed at once, without a round
        wires.Village.AssertAgree();
    }

    [Fact]
    public void What_is_received_is_persisted_before_it_is_passed_on()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member, Role.Member));
        wires.Rounds(4);
        var entry = wires.Village.Deploy(1);
        wires.Seen.Clear();
        var bytes = new GossipMessage { Swarm = Google.Protobuf.ByteString.CopyFrom(entry.Swarm.ToBytes()), Entries = { Google.Protobuf.ByteString.CopyFrom(entry.Bytes.Span) } };
        wires.Do(0, new GossipInput.MessageReceived(wires.Village.Peer(1), GossipCodec.Encode(bytes)));
        var order = wires.Seen.Select(seen => seen.Effect).Where(effect => effect is GossipEffect.PersistEntries or GossipEffect.SendMessage).ToList();
        Assert.IsType<GossipEffect.PersistEntries>(order[0]);
        Assert.IsType<GossipEffect.SendMessage>(order[1]);
    }

    [Fact]
    public void At_rest_a_round_is_one_small_question_and_one_small_answer()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(10);
        wires.Seen.Clear();
        wires.Rounds(10);
        var sent = wires.Seen.Select(seen => seen.Effect).OfType<GossipEffect.SendMessage>().ToList();
        Assert.Equal(60, sent.Count); // 3 nodes, 10 rounds, ping and ack
        Assert.All(sent, send => Assert.InRange(send.Bytes.Length, 1, 100));
    }

    [Fact]
    public void Whoever_does_not_answer_is_suspected_then_asleep_and_awake_again_when_heard()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(4);
        foreach (var other in new[] { 0, 1 }) wires.Cut.UnionWith([(2, other), (other, 2)]);
        wires.Rounds(5);
        Assert.Contains(wires.Seen, seen => seen is { Node: 0, Effect: GossipEffect.PresenceChanged { View.Liveness: Liveness.Suspect } });
        wires.Rounds(40);
        Assert.Equal((Liveness.Asleep, Liveness.Asleep), (wires.View(2, 0), wires.View(2, 1)));
        wires.Cut.Clear();
        wires.Rounds(12);
        Assert.Equal((Liveness.Awake, Liveness.Awake), (wires.View(2, 0), wires.View(2, 1)));
    }

    [Fact]
    public void A_wall_between_two_is_no_death_when_a_third_reaches_both()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(4);
        wires.Cut.UnionWith([(0, 2), (2, 0)]);
        wires.Seen.Clear();
        wires.Rounds(60);
        Assert.DoesNotContain(wires.Seen, seen => seen.Effect is GossipEffect.PresenceChanged { View.Liveness: not Liveness.Awake });
    }

    [Fact]
    public void A_made_up_doubt_is_refuted()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(4);
        // Node 1 tells 0 that 2 sleeps.
        var record = wires.Engines[0].ViewOf(wires.Village.Peer(2))!.Record!;
        var table = new PresenceTable();
        table.Put(record, default);
        table.Raise(table.Find(record.Peer)!, Liveness.Asleep, default);
        var lie = new GossipMessage { Swarm = Google.Protobuf.ByteString.CopyFrom(record.Swarm.ToBytes()), Presence = Google.Protobuf.ByteString.CopyFrom(table.Digest()), Final = true };
        wires.Do(0, new GossipInput.MessageReceived(wires.Village.Peer(1), GossipCodec.Encode(lie)));
        wires.OnTheWay.Clear();
        Assert.Equal(Liveness.Asleep, wires.View(2, 0));
        wires.Rounds(6);
        Assert.Equal(Liveness.Awake, wires.View(2, 0));
        Assert.True(wires.Engines[0].ViewOf(wires.Village.Peer(2))!.Record!.Version > record.Version);
    }

    [Fact]
    public void A_node_that_says_goodbye_is_asleep_at_once()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(4);
        wires.Do(2, new GossipInput.PresenceUpdated(new PresenceInfo { Leaving = true }));
        wires.CarryAll();
        Assert.Equal((Liveness.Asleep, Liveness.Asleep), (wires.View(2, 0), wires.View(2, 1)));
    }

    [Fact]
    public void A_node_whose_clock_went_back_is_heard_after_its_restart()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Uptime = TimeSpan.FromDays(2);
        wires.Rounds(4);
        var before = wires.Engines[0].ViewOf(wires.Village.Peer(2))!.Record!.Version;
        var uptime = wires.Uptime;
        wires.Uptime = TimeSpan.Zero; // its clock says two days earlier
        wires.Engines[2] = wires.NewEngine(2, wires.Village[2]);
        wires.Uptime = uptime;
        wires.Rounds(8);
        wires.Do(2, new GossipInput.PresenceUpdated(new PresenceInfo { Version = "9" }));
        wires.Rounds(4);
        var after = wires.Engines[0].ViewOf(wires.Village.Peer(2))!;
        Assert.True(after.Record!.Version > before);
        Assert.Equal(("9", Liveness.Awake), (after.Record.Info.Version, after.Liveness));
    }

    [Fact]
    public void Strangers_garbage_and_other_swarms_are_not_listened_to()
    {
        var village = new Village(Role.Member);
        var wires = new Wires(village);
        wires.Rounds(2);
        var entry = village.Deploy(1);
        var message = new GossipMessage { Swarm = Google.Protobuf.ByteString.CopyFrom(entry.Swarm.ToBytes()), Entries = { Google.Protobuf.ByteString.CopyFrom(entry.Bytes.Span) }, Ping = 5 };
        Assert.Empty(wires.Engines[0].Handle(new GossipInput.MessageReceived(village.Peer(33), GossipCodec.Encode(message)), wires.Time));
        foreach (var garbage in new[] { new byte[] { 1, 2, 3 }, new byte[SwarmLimits.MaxGossipBytes + 1], GossipCodec.Encode(new GossipMessage { Swarm = Google.Protobuf.ByteString.CopyFrom(new byte[32]), Ping = 5 }) })
            Assert.IsType<GossipEffect.Refused>(Assert.Single(wires.Engines[0].Handle(new GossipInput.MessageReceived(village.Peer(1), garbage), wires.Time)));
        Assert.Empty(village[0].State.Programs);
    }

    [Fact]
    public void A_removed_member_is_forgotten()
    {
        var wires = new Wires(new Village(Role.Member, Role.Member));
        wires.Rounds(4);
        var removal = wires.Village.Remove(0, 2);
        wires.Do(0, new GossipInput.EntriesAppended([removal]));
        Assert.Null(wires.Engines[0].ViewOf(wires.Village.Peer(2)));
        Assert.Equal(2, wires.Engines[0].Views().Count);
        wires.CarryAll();
        Assert.Equal(MemberStatus.Removed, wires.Village[2].State.Members[wires.Village.Peer(2)].Status); // it was told
        wires.Seen.Clear();
        wires.Rounds(10);
        Assert.DoesNotContain(wires.Seen, seen => seen.Node != 2 && seen.Effect is GossipEffect.SendMessage send && send.To == wires.Village.Peer(2));
    }

    [Fact]
    public void A_clock_half_a_day_off_is_reported_once()
    {
        var wires = new Wires(new Village(Role.Member));
        wires.Rounds(2);
        var message = new GossipMessage { Swarm = Google.Protobuf.ByteString.CopyFrom(wires.Village[0].Id.ToBytes()), ClockMs = (ulong)wires.Time.Wall.AddHours(30).ToUnixTimeMilliseconds(), Ping = 1 };
        wires.Seen.Clear();
        for (var i = 0; i < 3; i++) wires.Do(0, new GossipInput.MessageReceived(wires.Village.Peer(1), GossipCodec.Encode(message)));
        var warned = Assert.Single(wires.Seen, seen => seen.Effect is GossipEffect.ClockDiffers);
        Assert.Equal(30, ((GossipEffect.ClockDiffers)warned.Effect).Ahead.TotalHours, 0.1);
    }

    [Fact]
    public void A_node_that_starts_alone_may_write_after_some_seconds_and_at_once_when_nobody_can_be_reached()
    {
        var village = new Village(Role.Member);
        foreach (var saysUnreachable in new[] { false, true })
        {
            var replica = SwarmReplica.Load(village.Keys.Signer(0), village.Keys, village[0].Id, village.Beginning);
            var wires = new Wires(village);
            var engine = wires.NewEngine(0, replica);
            engine.Handle(new GossipInput.Tick(), wires.Time);
            Assert.False(replica.OwnHeadConfirmed);
            if (saysUnreachable) engine.Handle(new GossipInput.PeerUnreachable(village.Peer(1)), wires.Time);
            else engine.Handle(new GossipInput.Tick(), wires.Time with { Uptime = wires.Options.AloneAfter });
            Assert.True(replica.OwnHeadConfirmed);
        }
    }

    [Fact]
    public void A_node_restored_from_a_copy_gets_its_own_entries_back_before_it_writes()
    {
        var village = new Village(Role.Member, Role.Member);
        village.Deploy(1, "lost");
        village.MeetAll();
        var restored = SwarmReplica.Load(village.Keys.Signer(1), village.Keys, village[0].Id, village.Beginning);
        village.Replicas[1] = restored;
        var wires = new Wires(village);
        wires.Do(1, new GossipInput.Tick());
        Assert.False(restored.OwnHeadConfirmed);
        wires.CarryAll();
        Assert.True(restored.OwnHeadConfirmed);
        Assert.Equal(2UL, village.Deploy(1, "next").Sequence);
    }

    [Fact]
    public void A_swarm_larger_than_a_message_is_given_in_parts()
    {
        var village = new Village(Role.Member);
        for (var i = 0; i < 600; i++) village.Deploy(1, $"program-{i}");
        var wires = new Wires(village);
        wires.Rounds(2);
        village.AssertAgree();
        Assert.True(wires.Seen.Select(seen => seen.Effect).OfType<GossipEffect.SendMessage>().Count(send => send.Bytes.Length > 50_000) > 1);
    }

    [Fact]
    public void Damaged_messages_never_throw_and_never_change_what_is_folded()
    {
        var village = new Village(Role.Member, Role.Member);
        var wires = new Wires(village);
        wires.Village.Deploy(1);
        for (var i = 0; i < 3; i++) wires.Do(i, new GossipInput.Tick());
        var messages = new List<byte[]>();
        while (wires.OnTheWay.TryDequeue(out var message))
        {
            messages.Add(message.Bytes);
            wires.Do(message.To, new GossipInput.MessageReceived(village.Peer(message.From), message.Bytes));
        }
        var random = new Random(11);
        var before = StateDigest.Of(village[0].State);
        foreach (var message in messages)
        {
            for (var i = 0; i < 200; i++)
            {
                var damaged = message[..random.Next(1, message.Length)];
                damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
                GossipCodec.Fuzz(damaged);
                wires.Do(0, new GossipInput.MessageReceived(village.Peer(1), damaged));
            }
        }
        Assert.Equal(before, StateDigest.Of(village[0].State));
    }

    [Fact]
    public void A_presence_record_is_read_back_and_a_changed_one_is_refused()
    {
        var keys = new SimKeys();
        var info = new PresenceInfo
        {
            Addresses = ["/ip4/192.0.2.1/tcp/4242"],
            Hosts = true,
            Languages = ["py3", "nodejs"],
            Rank = 12.5,
            Running = [new RunningProgram(EntryHash.Of([1]), "running", "line\nbreak", 3, DateTimeOffset.FromUnixTimeSeconds(1_900_000_000), 7, Alone: true) { AloneSince = DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_001_234) }],
            Version = "0.1.0",
        };
        var record = PresenceRecord.Create(keys.Signer(1), new SwarmId(EntryHash.Of([2])), new PresenceVersion(5, 6), info);
        Assert.True(PresenceRecord.TryDecode(record.Bytes.Span, keys, out var read));
        Assert.Equal((12.5, true, "line break"), (read.Info.Rank, read.Info.Hosts, read.Info.Running[0].Detail));
        Assert.Equal((7ul, true, 1_900_000_001_234), (read.Info.Running[0].Epoch, read.Info.Running[0].Alone, read.Info.Running[0].AloneSince?.ToUnixTimeMilliseconds()));
        var bytes = record.Bytes.ToArray();
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(PresenceRecord.TryDecode(bytes, keys, out _), $"bit {bit}");
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        for (var length = 0; length < bytes.Length; length++) Assert.False(PresenceRecord.TryDecode(bytes.AsSpan(0, length), keys, out _));
    }
}
