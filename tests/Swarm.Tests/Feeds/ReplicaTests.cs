using PeoplesCloud.Base;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests;

public sealed class ReplicaTests
{
    [Fact]
    public void Entries_reach_everybody_in_causal_order_and_give_one_state()
    {
        var village = new Village(Role.Member, Role.Guest, Role.Admin);
        var first = village.Deploy(1, "one");
        village.Give(village[1], village[3]);
        village[3].Append(new ProgramPlaced(first.Hash, village.Peer(1), 1), village.Now);
        village.Give(village[3], village[2]);
        village.MeetAll();
        village.AssertAgree();
        var program = village[0].State.Programs[first.Hash];
        Assert.Equal((village.Peer(1), village.Peer(1), 1UL, false), (program.Owner, program.Host!.Value, program.Generation, program.Stopped));
    }

    [Fact]
    public void An_entry_waits_for_what_it_names_and_names_are_asked_for()
    {
        var village = new Village(Role.Member, Role.Member);
        var one = village.Deploy(1, "one");
        var two = village.Deploy(1, "two");
        var early = village[2].Receive([two.Bytes], village.Now);
        Assert.Empty(early.Accepted);
        Assert.Equal([one.Hash], early.Missing);
        Assert.True(early.AnyNew);
        Assert.False(village[2].Receive([two.Bytes], village.Now).AnyNew);
        var late = village[2].Receive([one.Bytes], village.Now);
        Assert.Equal([one.Hash, two.Hash], late.Accepted.Select(entry => entry.Hash));
    }

    [Fact]
    public void Only_so_many_entries_wait()
    {
        var village = new Village(Role.Member, Role.Member);
        var one = village.Deploy(1);
        var orphans = Enumerable.Range(2, SwarmLimits.MaxPendingEntries + 500).Select(i =>
            StoredEntry.Create(village.Keys.Signer(1), village[0].Id, (ulong)i + 1, EntryHash.Of(BitConverter.GetBytes(i)), [], new HybridClock((ulong)i), new MemberLeft()));
        foreach (var orphan in orphans) Assert.Empty(village[2].Receive([orphan.Bytes], village.Now).Accepted);
        Assert.InRange(village[2].PendingCount, 1, SwarmLimits.MaxPendingEntries);
        Assert.Single(village[2].Receive([one.Bytes], village.Now).Accepted);
    }

    [Fact]
    public void Forged_foreign_and_broken_entries_are_refused()
    {
        var village = new Village(Role.Member, Role.Member);
        var other = new Village(Role.Member);
        var one = village.Deploy(1, "one");
        village.Give(village[1], village[0]);
        var head = village.Beginning[^1].Hash;
        EntryRefusal Refusal(StoredEntry entry, DateTimeOffset? now = null) => village[0].Receive([entry.Bytes], now ?? village.Now).Refused.Single().Reason;
        StoredEntry Written(ISigner signer, ulong sequence, EntryHash? previous, ulong clock, params EntryHash[] parents) =>
            StoredEntry.Create(signer, village[0].Id, sequence, previous, parents, new HybridClock(clock), Village.Program("x"));

        Assert.Equal(EntryRefusal.OtherSwarm, Refusal(FeedStoreContract.Entries(2)[1]));
        Assert.Equal(EntryRefusal.BadSignature, Refusal(Written(new Impostor(village.Keys.Signer(1), village.Keys.Signer(2)), 2, one.Hash, one.Clock.Value + 1)));
        Assert.Equal(EntryRefusal.BrokenChain, Refusal(Written(village.Keys.Signer(1), 2, one.Hash, one.Clock.Value))); // the clock stands still
        Assert.Equal(EntryRefusal.BrokenChain, Refusal(Written(village.Keys.Signer(1), 3, one.Hash, one.Clock.Value + 1))); // a number is left out
        Assert.Equal(EntryRefusal.BrokenChain, Refusal(Written(village.Keys.Signer(2), 2, one.Hash, one.Clock.Value + 1))); // after another's entry
        Assert.Equal(EntryRefusal.BrokenChain, Refusal(Written(village.Keys.Signer(1), 2, one.Hash, one.Clock.Value + 1, one.Hash))); // its own as parent
        var ahead = Written(village.Keys.Signer(1), 2, one.Hash, HybridClock.At(village.Now.AddHours(48)).Value, head);
        Assert.Equal(EntryRefusal.ClockTooFarAhead, Refusal(ahead));
        Assert.Single(village[0].Receive([ahead.Bytes], village.Now.AddHours(24)).Accepted); // a day later it may come
        Assert.Empty(village[0].Receive([Written(village.Keys.Signer(44), 1, null, 5, head).Bytes], village.Now).Accepted); // a stranger
        Assert.Equal(2, village[0].State.Programs.Count);
        Assert.NotEqual(other[0].Id, village[0].Id with { Genesis = head });
    }

    [Fact]
    public void A_member_writes_at_most_a_thousand_entries_a_day()
    {
        var village = new Village(Role.Member);
        var now = new DateTimeOffset(2040, 1, 1, 12, 0, 0, TimeSpan.Zero);
        for (var i = 0; i < SwarmLimits.MaxEntriesPerDay; i++) village[1].Append(Village.Program(), now);
        Assert.Equal(ErrorCode.TooManyEntries, Assert.Throws<PcException>(() => village[1].Append(Village.Program(), now)).Code);
        // Others refuse what a changed program writes all the same.
        village.Give(village[1], village[0]);
        var last = village[1].MissingFor(FeedHeads.None, int.MaxValue, out _)[^1];
        var more = StoredEntry.Create(village.Keys.Signer(1), village[0].Id, last.Sequence + 1, last.Hash, [], new HybridClock(last.Clock.Value + 1), Village.Program());
        Assert.Equal(EntryRefusal.TooManyEntries, village[0].Receive([more.Bytes], village.Now).Refused.Single().Reason);
        var tomorrow = village[1].Append(Village.Program(), now.AddDays(1));
        Assert.Single(village[0].Receive([tomorrow.Bytes], now).Accepted);
    }

    [Fact]
    public void A_loaded_replica_does_not_write_before_its_own_head_is_confirmed()
    {
        var village = new Village(Role.Member);
        var loaded = SwarmReplica.Load(village.Keys.Signer(1), village.Keys, village[0].Id, village.Beginning);
        Assert.Equal(ErrorCode.OwnHeadUnconfirmed, Assert.Throws<PcException>(() => loaded.Append(Village.Program(), village.Now)).Code);
        loaded.ConfirmOwnHead();
        Assert.Equal(1UL, loaded.Append(Village.Program(), village.Now).Sequence);
    }

    [Fact]
    public void A_store_with_a_hole_or_of_another_swarm_is_noticed()
    {
        var village = new Village(Role.Member, Role.Member);
        var signer = village.Keys.Signer(0);
        ErrorCode CodeOf(IReadOnlyList<StoredEntry> entries) => Assert.Throws<PcException>(() => SwarmReplica.Load(signer, village.Keys, village[0].Id, entries)).Code;
        Assert.Equal(ErrorCode.SwarmDamaged, CodeOf([village.Beginning[0], village.Beginning[2]]));
        Assert.Equal(ErrorCode.SwarmDamaged, CodeOf([]));
        Assert.Equal(ErrorCode.SwarmDamaged, CodeOf(FeedStoreContract.Entries(2)));
        Assert.Equal(ErrorCode.SwarmDamaged, CodeOf([.. village.Beginning.Skip(1)]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("-x")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a\nb")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public void A_name_that_looks_like_something_else_is_refused(string name)
    {
        var keys = new SimKeys();
        var refusal = Assert.Throws<PcException>(() => SwarmReplica.Create(keys.Signer(0), keys, name, "oak", new byte[32], new byte[16], DateTimeOffset.UnixEpoch, out _));
        Assert.Equal(ErrorCode.NameInvalid, refusal.Code);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Fact]
    public void What_is_sent_at_once_is_bounded_and_goes_on_where_it_ended()
    {
        var village = new Village(Role.Member);
        for (var i = 0; i < 50; i++) village.Deploy(1);
        var rounds = 0;
        while (true)
        {
            var part = village[1].MissingFor(village[0].Heads, 2_000, out var more);
            Assert.True(part.Count == 1 || part.Sum(entry => entry.Bytes.Length) <= 2_000);
            village[0].Receive(part.Select(entry => entry.Bytes), village.Now);
            rounds++;
            if (!more) break;
        }
        Assert.InRange(rounds, 4, 50);
        village.AssertAgree();
    }

    [Theory]
    [MemberData(nameof(StoreCases))]
    public void The_store_in_memory_keeps_the_contract(string name)
    {
        var store = new InMemoryFeedStore();
        FeedStoreContract.Cases[name](() => store);
    }

    public static TheoryData<string> StoreCases() => [.. FeedStoreContract.Cases.Keys];

    private sealed class Impostor(ISigner claimed, ISigner real) : ISigner
    {
        public Libp2p.PeerId Self => claimed.Self;

        public byte[] Sign(ReadOnlySpan<byte> message) => real.Sign(message);
    }
}
