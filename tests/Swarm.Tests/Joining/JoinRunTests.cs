using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm.Tests.Joining;

public sealed class JoinRunTests
{
    private static readonly ScryptCost Cheap = new(14, 2, 1);
    private static readonly JoinVerifier Verifier = JoinVerifier.Of("open sesame", RandomNumberGenerator.GetBytes(16), Cheap);
    private static readonly PeerId Fir = PeerId.FromEd25519(Enumerable.Repeat((byte)1, 32).ToArray());
    private static readonly PeerId Oak = PeerId.FromEd25519(Enumerable.Repeat((byte)2, 32).ToArray());
    private static readonly byte[] Channel = Enumerable.Repeat((byte)3, 32).ToArray();
    private static readonly JoinHello Hello = new(JoinKind.Secret, "friends");
    private static readonly JoinApplicant Applicant = new("fir", Enumerable.Repeat((byte)4, 32).ToArray(), DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_123));

    [Fact]
    public void Who_knows_the_secret_is_let_in_and_knows_that_the_other_knows_it()
    {
        using var joining = new JoiningSide(Fir, Oak, Channel, Hello);
        using var inviting = new InvitingSide(Oak, Fir, Channel, joining.Hello, Verifier);
        Assert.True(joining.TryTakeOffer(inviting.Offer, out var refusal) && refusal is null);
        var proof = joining.Prove("open sesame", Applicant);
        Assert.Equal(JoinJudgement.Right, inviting.Judge(proof, out var applicant));
        Assert.Equal((Applicant.Name, Applicant.Clock), (applicant!.Name, applicant.Clock));
        Assert.Equal(Applicant.X25519, applicant.X25519);
        Assert.False(joining.Confirmed);
        Assert.True(joining.TryTakeVerdict(inviting.Verdict(), out refusal) && refusal is null);
        Assert.True(joining.Confirmed);
    }

    [Fact]
    public void A_wrong_secret_is_refused_and_teaches_nothing_more()
    {
        using var joining = new JoiningSide(Fir, Oak, Channel, Hello);
        using var inviting = new InvitingSide(Oak, Fir, Channel, joining.Hello, Verifier);
        Assert.True(joining.TryTakeOffer(inviting.Offer, out _));
        Assert.Equal(JoinJudgement.Wrong, inviting.Judge(joining.Prove("open sesamE", Applicant), out var applicant));
        Assert.Null(applicant);
        Assert.True(joining.TryTakeVerdict(inviting.Verdict(new JoinRefusal(JoinRefusalReason.Wrong)), out var refusal));
        Assert.Equal(JoinRefusalReason.Wrong, refusal!.Reason);
        Assert.False(joining.Confirmed);
    }

    // Everything is right but one thing that a man in the middle cannot have right on both of his connections.
    [Theory]
    [InlineData("channel")]
    [InlineData("joiner")]
    [InlineData("inviter")]
    [InlineData("hello")]
    [InlineData("cost")]
    public void A_proof_is_worth_nothing_where_something_else_was_seen(string what)
    {
        var otherChannel = (byte[])Channel.Clone();
        otherChannel[31] ^= 1;
        using var joining = new JoiningSide(Fir, Oak, Channel, Hello);
        using var inviting = new InvitingSide(what == "inviter" ? Fir : Oak, what == "joiner" ? Oak : Fir, what == "channel" ? otherChannel : Channel,
            what == "hello" ? new JoinHello(JoinKind.Code, "friends").Encode() : joining.Hello, Verifier);
        var offer = inviting.Offer;
        if (what == "cost") offer = [.. offer, 0x38, 0x01]; // a field that is not known, added on the way
        Assert.True(joining.TryTakeOffer(offer, out _));
        Assert.Equal(JoinJudgement.Wrong, inviting.Judge(joining.Prove("open sesame", Applicant), out _));
    }

    [Fact]
    public void Words_of_a_refusal_count_only_from_who_proved_the_secret()
    {
        var said = new JoinRefusal(JoinRefusalReason.NotAdmitted, default, 4009, "friends has 512 members already");
        using var joining = Proven(out var inviting);
        using (inviting)
        {
            Assert.False(joining.TryTakeVerdict(new JoinVerdict(null, said).Encode(), out _));
            Assert.False(joining.TryTakeVerdict(new JoinVerdict(new byte[32], said).Encode(), out _));
            Assert.False(joining.Confirmed);
            Assert.True(joining.TryTakeVerdict(inviting.Verdict(said), out var refusal));
            Assert.Equal(said, refusal);
            Assert.True(joining.Confirmed);
        }
    }

    [Fact]
    public void A_verdict_without_the_right_confirmation_is_none()
    {
        using var joining = Proven(out var inviting);
        using (inviting)
        {
            var verdict = inviting.Verdict();
            verdict[^1] ^= 1;
            Assert.False(joining.TryTakeVerdict(verdict, out _));
            Assert.False(joining.TryTakeVerdict([], out _));
            Assert.False(joining.Confirmed);
        }
    }

    [Fact]
    public void Nobody_is_let_in_before_a_right_proof()
    {
        using var inviting = new InvitingSide(Oak, Fir, Channel, Hello.Encode(), Verifier);
        Assert.ThrowsAny<Exception>(() => inviting.Verdict());
        Assert.Equal(JoinJudgement.Malformed, inviting.Judge([], out _));
        Assert.Throws<ArgumentException>(() => new InvitingSide(Oak, Fir, new byte[31], Hello.Encode(), Verifier)); // a connection without a binding
    }

    [Fact]
    public void A_name_that_is_not_known_is_answered_like_one_that_is()
    {
        byte[] key = [1, 2, 3];
        var decoy = JoinVerifier.Decoy(key, "friends");
        Assert.Equal(decoy.Salt, JoinVerifier.Decoy(key, "friends").Salt); // asking twice tells nothing
        Assert.NotEqual(decoy.Salt, JoinVerifier.Decoy(key, "people").Salt);
        Assert.NotEqual(decoy.Salt, JoinVerifier.Decoy([4], "friends").Salt);
        var real = JoinVerifier.Of("open sesame", RandomNumberGenerator.GetBytes(16), ScryptCost.Default);
        using var known = new InvitingSide(Oak, Fir, Channel, Hello.Encode(), real);
        using var unknown = new InvitingSide(Oak, Fir, Channel, Hello.Encode(), decoy);
        Assert.Equal(known.Offer.Length, unknown.Offer.Length);
        Assert.Equal(known.Offer.AsSpan(18, 8).ToArray(), unknown.Offer.AsSpan(18, 8).ToArray()); // the cost
        using var joining = new JoiningSide(Fir, Oak, Channel, Hello);
        Assert.True(joining.TryTakeOffer(unknown.Offer, out _));
        Assert.Equal(JoinJudgement.Wrong, unknown.Judge(joining.Prove("open sesame", Applicant), out _));
    }

    [Fact]
    public void A_cost_that_would_wear_a_machine_out_is_not_paid()
    {
        using var joining = new JoiningSide(Fir, Oak, Channel, Hello);
        foreach (var cost in new[] { new ScryptCost(40, 8, 1), new ScryptCost(15, 255, 1), new ScryptCost(15, 8, 200), new ScryptCost(1, 1, 1), default })
            Assert.False(joining.TryTakeOffer(new JoinOffer(new byte[16], cost, new byte[65]).Encode(), out _));
    }

    [Fact]
    public void Messages_that_are_cut_off_or_too_long_are_refused()
    {
        using var joining = Proven(out var inviting);
        using (inviting)
        {
            var proof = new JoinProof(new byte[65], new byte[32], Applicant).Encode();
            Assert.True(JoinProof.TryDecode(proof, out _));
            for (var i = 0; i < proof.Length; i++) Assert.False(JoinProof.TryDecode(proof.AsSpan(0, i), out _) && i < 100);
            for (var i = 0; i < inviting.Offer.Length; i++) Assert.False(JoinOffer.TryDecode(inviting.Offer.AsSpan(0, i), out _, out _));
            var hello = Hello.Encode();
            for (var i = 0; i < hello.Length; i++) Assert.False(JoinHello.TryDecode(hello.AsSpan(0, i), out var read) && read == Hello);
            byte[] filler = [0x7a, .. Enumerable.Repeat((byte)0x80, 1), 0x20, .. new byte[4096]];
            Assert.False(JoinHello.TryDecode([.. hello, .. filler], out _));
        }
    }

    [Fact]
    public void Refusals_are_read_back_as_they_were_written()
    {
        var waiting = new JoinRefusal(JoinRefusalReason.TooManyGuesses, TimeSpan.FromSeconds(90.2));
        Assert.True(JoinOffer.TryDecode(InvitingSide.Refuse(waiting), out var offer, out var read));
        Assert.Null(offer);
        Assert.Equal(waiting with { Wait = TimeSpan.FromSeconds(91) }, read);
        Assert.False(JoinOffer.TryDecode(InvitingSide.Refuse(new JoinRefusal((JoinRefusalReason)9)), out _, out _));
    }

    private static JoiningSide Proven(out InvitingSide inviting)
    {
        var joining = new JoiningSide(Fir, Oak, Channel, Hello);
        inviting = new InvitingSide(Oak, Fir, Channel, joining.Hello, Verifier);
        Assert.True(joining.TryTakeOffer(inviting.Offer, out _));
        Assert.Equal(JoinJudgement.Right, inviting.Judge(joining.Prove("open sesame", Applicant), out _));
        return joining;
    }
}
