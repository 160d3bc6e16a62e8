using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Secrets;
using PeoplesCloud.Programs.Tests.Support;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Tests.Secrets;

/// <summary>Who opens secrets, and who does not.</summary>
public sealed class SecretBoxTests : IDisposable
{
    private static readonly SwarmId Friends = new(EntryHash.Of([1]));
    private static readonly SwarmId Others = new(EntryHash.Of([2]));
    private readonly X25519Key _oakKey = new(X25519Key.NewPrivateKey());
    private readonly X25519Key _elmKey = new(X25519Key.NewPrivateKey());
    private readonly X25519Key _firKey = new(X25519Key.NewPrivateKey());
    private readonly Member _oak;
    private readonly Member _elm;
    private readonly Member _fir;

    public SecretBoxTests() => (_oak, _elm, _fir) = (MemberOf(1, _oakKey), MemberOf(2, _elmKey), MemberOf(3, _firKey));

    public void Dispose()
    {
        _oakKey.Dispose();
        _elmKey.Dispose();
        _firKey.Dispose();
    }

    [Fact]
    public void Owner_and_keepers_open_them_and_nobody_else()
    {
        var values = new Dictionary<string, string> { ["TOKEN"] = "open sesame", ["EMPTY"] = "", ["KEY"] = "one\ntwo\n" };
        var secrets = Seal(values, _oak, _elm);
        Assert.Equal(values, Open(_oakKey, _oak, secrets));
        Assert.Equal(values, Open(_elmKey, _elm, secrets));
        Assert.Null(Open(_firKey, _fir, secrets));
        Assert.Null(Open(_firKey, _elm, secrets));
        Assert.DoesNotContain("sesame", System.Text.Encoding.Latin1.GetString(secrets.Box), StringComparison.Ordinal);
        Assert.Equal(0, (secrets.Box.Length - 17) % 256);
    }

    [Fact]
    public void A_copy_under_another_name_owner_or_swarm_opens_nothing()
    {
        // fir may write whatever it likes under its own name; elm would run fir's program with what it opens.
        var secrets = Seal(new Dictionary<string, string> { ["TOKEN"] = "of oak" }, _oak, _elm);
        Assert.NotNull(Open(_elmKey, _elm, secrets));
        Assert.Null(Open(_elmKey, _elm, secrets with { Owner = _fir.Peer }));
        Assert.Null(Open(_elmKey, _elm, secrets with { Name = "spy" }));
        Assert.False(SecretBox.TryOpen(_elmKey, _elm.Peer, Others, secrets, out _));
        Assert.Null(SecretBox.TryShare(_elmKey, _elm.Peer, Friends, secrets with { Owner = _fir.Peer }, [_fir]));
    }

    [Fact]
    public void A_keeper_seals_them_to_a_later_one()
    {
        var secrets = Seal(new Dictionary<string, string> { ["TOKEN"] = "x" }, _oak, _elm);
        Assert.Null(SecretBox.TryShare(_firKey, _fir.Peer, Friends, secrets, [_fir]));
        var shared = SecretBox.TryShare(_elmKey, _elm.Peer, Friends, secrets, [_fir])!;
        Assert.Equal(secrets.Entry, shared.Of);
        Assert.Equal("x", Open(_firKey, _fir, secrets with { Keys = [.. secrets.Keys, .. shared.Keys] })!["TOKEN"]);
    }

    [Fact]
    public void Damage_is_noticed_at_every_byte()
    {
        var secrets = Seal(new Dictionary<string, string> { ["TOKEN"] = "x" }, _oak);
        for (var i = 0; i < secrets.Box.Length; i++)
        {
            var damaged = secrets.Box.ToArray();
            damaged[i] ^= 0x40;
            Assert.Null(Open(_oakKey, _oak, secrets with { Box = damaged }));
            Assert.Null(Open(_oakKey, _oak, secrets with { Box = i == 0 ? [1] : secrets.Box[..i] }));
        }
    }

    [Fact]
    public void Whatever_a_keeper_wrote_inside_is_read_or_refused()
    {
        var plain = SecretBox.Encode(new Dictionary<string, string> { ["A"] = "1", ["LONG_NAME"] = new string('x', 300) });
        for (var i = 0; i < plain.Length; i++)
        {
            SecretBox.Fuzz(plain.AsSpan(0, i));
            var damaged = plain.ToArray();
            damaged[i] ^= 0xff;
            SecretBox.Fuzz(damaged);
        }
        Assert.Null(SecretBox.TryDecode(SecretBox.Encode(new Dictionary<string, string> { ["PATH"] = "/tmp" })));
        Assert.Null(SecretBox.TryDecode(SecretBox.Encode(new Dictionary<string, string> { ["A"] = "nul\0" })));
    }

    [Fact]
    public void What_is_no_variable_or_too_large_is_refused_without_its_value()
    {
        foreach (var (name, value) in new[] { ("", "hunter2"), ("1A", "hunter2"), ("A B", "hunter2"), ("A=B", "hunter2"), ("PATH", "hunter2"), ("A", "hunter2\0"), ("A", "hunter2" + new string('x', SecretBox.MaxValueBytes)) })
        {
            var error = Assert.Throws<PcException>(() => SecretRules.Check(new Dictionary<string, string> { [name] = value }));
            Assert.Equal(ErrorCode.SecretInvalid, error.Code);
            Assert.DoesNotContain("hunter2", error.Message, StringComparison.Ordinal);
        }
        var many = Enumerable.Range(0, 3).ToDictionary(i => $"V{i}", _ => new string('x', 9 << 10));
        Refused.With(ErrorCode.SecretTooLarge, "the secrets of bot have", () => Seal(many, _oak));
    }

    private static ProgramSecrets Seal(Dictionary<string, string> values, params Member[] keepers)
    {
        var set = SecretBox.Seal(Friends, keepers[0].Peer, "bot", values, keepers);
        return new ProgramSecrets(EntryHash.Of([3]), keepers[0].Peer, "bot", set.Box, set.Keys);
    }

    private static IReadOnlyDictionary<string, string>? Open(X25519Key key, Member member, ProgramSecrets secrets) => SecretBox.TryOpen(key, member.Peer, Friends, secrets, out var values) ? values : null;

    private static Member MemberOf(byte fill, X25519Key key)
    {
        var peer = PeerId.FromEd25519(Enumerable.Repeat(fill, 32).ToArray());
        return new Member(peer, $"node-{fill}", Role.Member, key.PublicKey.ToArray(), MemberStatus.Active, peer, default);
    }
}
