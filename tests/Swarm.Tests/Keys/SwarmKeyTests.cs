using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Simulation;

namespace PeoplesCloud.Swarm.Tests.Keys;

// Node 0 is the creator, nodes 1 and 2 are admins, 3 and 4 members.
public sealed class SwarmKeyTests
{
    private readonly Village _village = new(Role.Admin, Role.Admin, Role.Member, Role.Member);

    private SwarmKeyState Key(int node) => _village[node].State.Key;

    // Whom the current key was sealed to, as they find it themselves; null when somebody opened another one.
    private byte[]? Opened(int node) =>
        Key(0).Sealed is { } carried && carried.TryOpen(_village.Sealer(node), _village[0].Id, _village.Peer(node), out var key) ? key : null;

    [Fact]
    public void A_removal_carries_a_new_key_for_all_who_stay_and_nobody_else()
    {
        Assert.Equal((1, null, false), (Key(0).Generation, Key(0).Entry, Key(0).IsStale));
        var removal = _village.Remove(0, 3);
        _village.Meet(_village[0], _village[1], _village[2], _village[4]);
        Assert.Equal((2, removal.Hash, false), (Key(4).Generation, Key(4).Entry, Key(4).IsStale));
        Assert.Equal(4, Key(4).Sealed!.Count);
        var key = Opened(0);
        Assert.NotNull(key);
        foreach (var node in new[] { 1, 2, 4 }) Assert.Equal(key, Opened(node));
        Assert.Null(Opened(3));
    }

    [Fact]
    public void A_member_that_slept_through_two_removals_opens_the_last_key()
    {
        _village.Remove(0, 3);
        var second = _village.Remove(0, 2);
        Assert.Null(_village[4].State.Key.Entry); // asleep
        _village.Give(_village[0], _village[4]);
        Assert.Equal((3, second.Hash), (Key(4).Generation, Key(4).Entry));
        Assert.Equal(Opened(0), Opened(4));
    }

    [Fact]
    public void Of_two_keys_made_at_once_all_take_one_and_then_a_newer_one_that_neither_removed_member_knows()
    {
        _village.Remove(0, 3);
        _village.Remove(1, 4);
        _village.Meet(_village[0], _village[1], _village[2]);
        _village.Give(_village[0], _village[3]); // what the removed hear by guile
        _village.Give(_village[1], _village[4]);
        foreach (var node in new[] { 0, 1, 2 })
        {
            Assert.Equal((2, true), (Key(node).Generation, Key(node).IsStale)); // one of the removed knows it
            Assert.Equal(Key(0).Entry, Key(node).Entry);
        }
        var rotated = _village[2].RotateKey(_village.Sealer(2), _village.NewKey(), _village.Now);
        _village.Meet(_village[0], _village[1], _village[2]);
        Assert.Equal((3, rotated.Hash, false), (Key(1).Generation, Key(1).Entry, Key(1).IsStale));
        Assert.NotNull(Opened(0));
        Assert.Null(Opened(3));
        Assert.Null(Opened(4));
    }

    [Fact]
    public void Whoever_leaves_knows_the_key_so_it_is_stale_until_an_admin_makes_another()
    {
        _village[4].Leave(_village.Now);
        _village.MeetAll();
        Assert.True(Key(0).IsStale);
        _village[1].RotateKey(_village.Sealer(1), _village.NewKey(), _village.Now);
        _village.MeetAll();
        Assert.False(Key(0).IsStale);
        Assert.NotNull(Opened(3));
        Assert.Null(Opened(4));
    }

    [Fact]
    public void A_member_that_an_admin_admits_without_knowing_the_new_key_makes_it_stale()
    {
        _village.Remove(0, 3);
        _village[1].Append(new MemberAdmitted(_village.Peer(7), "fir", SimSealer.PublicKeyOf(_village.Peer(7)), Role.Member, null), _village.Now);
        _village.Meet(_village[0], _village[1]);
        Assert.True(Key(0).IsStale); // 7 was given the old key
        _village[0].RotateKey(_village.Sealer(0), _village.NewKey(), _village.Now);
        Assert.False(Key(0).IsStale);
        _village[0].Append(new MemberAdmitted(_village.Peer(8), "ash", SimSealer.PublicKeyOf(_village.Peer(8)), Role.Member, null), _village.Now);
        Assert.False(Key(0).IsStale); // 8 is given the new one
    }

    [Fact]
    public void A_key_made_by_a_removed_admin_behind_its_back_or_by_a_member_is_not_the_swarms()
    {
        _village.Remove(0, 1);
        var own = _village[1].RotateKey(_village.Sealer(1), _village.NewKey(), _village.Now);
        _village[1].RotateKey(_village.Sealer(1), _village.NewKey(), _village.Now); // of a higher generation than the removal's
        var members = StoredEntry.Create(
            _village.Keys.Signer(3), _village[0].Id, 1, null, [own.Hash], new HybridClock(own.Clock.Value + 1), new KeyRotated(SealedSwarmKey.Seal(_village.Sealer(3), _village[0].Id, _village.NewKey(), _village[3].State.ActiveMembers)));
        _village.Give(_village[1], _village[3]);
        _village[3].Receive([members.Bytes], _village.Now);
        _village.MeetAll();
        _village.AssertAgree();
        Assert.IsType<MemberRemoved>(_village[2].MissingFor(FeedHeads.None, int.MaxValue, out _).Single(entry => entry.Hash == Key(2).Entry).Body);
    }

    [Fact]
    public void A_removal_of_the_earlier_version_removes_and_leaves_the_key_stale()
    {
        _village[0].Append(new MemberRemoved(_village.Peer(3), 0), _village.Now);
        _village.Give(_village[0], _village[2]);
        Assert.Null(_village[2].State.Find(_village.Peer(3)));
        Assert.Equal((1, true), (Key(2).Generation, Key(2).IsStale));
    }

    [Fact]
    public void The_first_awake_admin_makes_the_new_key_and_the_next_one_when_it_does_not()
    {
        _village[4].Leave(_village.Now);
        _village.MeetAll();
        var admins = new[] { 0, 1, 2 }.OrderBy(_village.Peer).ToArray();
        TimeSpan? DueAt(int node, Func<Libp2p.PeerId, bool> isAwake) => new KeyRotationDuty().DueAt(_village[node].State, _village.Peer(node), isAwake, TimeSpan.FromMinutes(1));
        Assert.Equal(TimeSpan.FromMinutes(1), DueAt(admins[0], _ => true));
        Assert.Equal(TimeSpan.FromMinutes(1) + KeyRotationDuty.Turn * 2, DueAt(admins[2], _ => true));
        Assert.Equal(TimeSpan.FromMinutes(1) + KeyRotationDuty.Turn, DueAt(admins[2], peer => peer != _village.Peer(admins[0])));
        Assert.Null(DueAt(3, _ => true)); // no admin
        _village[admins[0]].RotateKey(_village.Sealer(admins[0]), _village.NewKey(), _village.Now);
        Assert.Null(DueAt(admins[0], _ => true));
    }

    [Fact]
    public void The_removal_from_a_full_swarm_with_many_authors_fits_an_entry_and_is_opened_by_its_real_key()
    {
        var village = new Village([.. Enumerable.Repeat(Role.Member, SwarmLimits.MaxMembers - 2)]);
        using var real = new X25519Key(X25519Key.NewPrivateKey());
        village[0].Append(new MemberAdmitted(village.Peer(9_999), "real", real.PublicKey.ToArray(), Role.Member, null), village.Now);
        for (var i = 1; i <= SwarmLimits.MaxParents; i++)
        {
            village.Deploy(i);
            village.Give(village[i], village[0]);
        }
        using var own = new X25519Key(X25519Key.NewPrivateKey());
        var key = village.NewKey();
        var removal = village[0].Remove(village.Peer(1), new X25519Sealer(own), key, village.Now);
        Assert.Equal(SwarmLimits.MaxMembers - 1, ((MemberRemoved)removal.Body).NewKey!.Count);
        Assert.InRange(removal.Bytes.Length, 45 << 10, SwarmLimits.MaxEntryBytes);
        Assert.True(((MemberRemoved)removal.Body).NewKey!.TryOpen(new X25519Sealer(real), village[0].Id, village.Peer(9_999), out var opened));
        Assert.Equal(key, opened);
        Assert.False(((MemberRemoved)removal.Body).NewKey!.TryOpen(new X25519Sealer(own), village[0].Id, village.Peer(9_999), out _));
    }

    [Fact]
    public void A_member_whose_key_is_none_is_left_out()
    {
        using var own = new X25519Key(X25519Key.NewPrivateKey());
        var village = new Village(Role.Member);
        village[0].Append(new MemberAdmitted(village.Peer(7), "none", new byte[32], Role.Member, null), village.Now);
        var rotated = village[0].RotateKey(new X25519Sealer(own), village.NewKey(), village.Now);
        Assert.Equal(2, ((KeyRotated)rotated.Body).NewKey.Count);
    }

    [Fact]
    public void Packed_keys_that_are_not_the_format_are_refused()
    {
        var packed = ((MemberRemoved)_village.Remove(0, 3).Body).NewKey!.Packed.ToArray();
        Assert.NotNull(SealedSwarmKey.Decode(packed));
        Assert.NotNull(SealedSwarmKey.Decode([]));
        for (var length = 1; length < packed.Length; length++)
            Assert.Equal(length % (packed.Length / 4) == 0, SealedSwarmKey.Decode(packed.AsSpan(0, length)) is not null);
        Array.Reverse(packed);
        Assert.Null(SealedSwarmKey.Decode([0xff, .. packed.AsSpan(1)]));
        Assert.Null(SealedSwarmKey.Decode(new byte[packed.Length / 4 * (SwarmLimits.MaxMembers + 1)]));
    }
}
