using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests;

/// <summary>What the feeds hold of secret environment variables: which box counts, and for whom its key is sealed.</summary>
public sealed class SecretTests
{
    private readonly Village _village = new(Role.Member, Role.Member, Role.Guest);

    [Fact]
    public void The_newest_of_one_owner_and_name_counts_and_taking_all_back_leaves_none()
    {
        Set(1, "bot", 1);
        Set(2, "bot", 2);
        Set(1, "web", 3);
        Set(1, "bot", 4, 2);
        _village.MeetAll();
        var state = _village[0].State;
        Assert.Equal([4], state.SecretsOf(_village.Peer(1), "bot")!.Box);
        Assert.Equal([2], state.SecretsOf(_village.Peer(2), "bot")!.Box);
        Assert.Equal([3], state.SecretsOf(_village.Peer(1), "web")!.Box);
        Assert.NotNull(state.SecretsOf(_village.Peer(1), "bot")!.SealedKeyOf(_village.Peer(2)));
        Assert.Null(state.SecretsOf(_village.Peer(1), "bot")!.SealedKeyOf(_village.Peer(0)));
        _village[1].Append(new SecretSet("bot", [], []), _village.Now);
        _village.MeetAll();
        Assert.Null(_village[2].State.SecretsOf(_village.Peer(1), "bot"));
        Assert.NotNull(_village[2].State.SecretsOf(_village.Peer(2), "bot"));
        _village.AssertAgree();
    }

    [Fact]
    public void Who_can_open_them_seals_them_to_more_and_nobody_else_does()
    {
        var entry = Set(1, "bot", 7, 2);
        _village.MeetAll();
        Assert.Equal(ErrorCode.NotAllowed, _village[0].WouldRefuse(Share(entry, 0))!.Code); // an admin, who holds no key
        Assert.Equal(ErrorCode.NotAllowed, _village[3].WouldRefuse(Share(entry, 3))!.Code);
        _village[2].Append(Share(entry, 0), _village.Now);
        _village.MeetAll();
        Assert.Equal([7], _village[0].State.SecretsOf(_village.Peer(1), "bot")!.Box);
        Assert.NotNull(_village[1].State.SecretsOf(_village.Peer(1), "bot")!.SealedKeyOf(_village.Peer(0)));

        // What was replaced meanwhile is shared with nobody.
        Set(1, "bot", 8, 2);
        _village.MeetAll();
        Assert.Equal(ErrorCode.SwarmProgramUnknown, _village[2].WouldRefuse(Share(entry, 0))!.Code);
        Assert.Null(_village[1].State.SecretsOf(_village.Peer(1), "bot")!.SealedKeyOf(_village.Peer(0)));
        _village.AssertAgree();
    }

    [Fact]
    public void A_guest_sets_none() => Assert.Equal(ErrorCode.NotAllowed, _village[3].WouldRefuse(new SecretSet("bot", [1], []))!.Code);

    [Fact]
    public void What_breaks_a_rule_is_an_unknown_kind()
    {
        Assert.IsType<SecretSet>(Read(new SecretSet("bot", new byte[SwarmLimits.MaxSecretBoxBytes], [])));
        Assert.IsType<UnknownBody>(Read(new SecretSet("bot", new byte[SwarmLimits.MaxSecretBoxBytes + 1], [])));
        Assert.IsType<UnknownBody>(Read(new SecretSet("a bot", [1], [])));
        Assert.IsType<UnknownBody>(Read(new SecretSet("", [1], [])));
        Assert.IsType<UnknownBody>(Read(new SecretSet("", [], [], EntryHash.Of([1]))));
        Assert.IsType<UnknownBody>(Read(new SecretSet("bot", [1], [.. Enumerable.Repeat(new SealedKey(_village.Peer(0), [1]), SwarmLimits.MaxSealedKeys + 1)])));
        Assert.IsType<UnknownBody>(Read(new SecretSet("bot", [1], [new SealedKey(_village.Peer(0), new byte[257])])));
        var shared = Assert.IsType<SecretSet>(Read(new SecretSet("", [], [new SealedKey(_village.Peer(0), [1])], EntryHash.Of([1]))));
        Assert.Equal(EntryHash.Of([1]), shared.Of);
    }

    private static EntryBody Read(SecretSet body) => EntryBody.Decode((uint)EntryKind.SecretSet, Google.Protobuf.ByteString.CopyFrom(body.Encode()));

    private SecretSet Share(EntryHash entry, int with) => new("", [], [new SealedKey(_village.Peer(with), [9])], entry);

    private EntryHash Set(int owner, string name, byte box, params int[] keepers) =>
        _village[owner].Append(new SecretSet(name, [box], [.. keepers.Append(owner).Select(keeper => new SealedKey(_village.Peer(keeper), [box]))]), _village.Now).Hash;
}
