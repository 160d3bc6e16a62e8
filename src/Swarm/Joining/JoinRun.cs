using System.Buffers.Binary;
using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>
/// What both sides of a join bind their confirmations to: the connection's handshake hash and the messages before. A man in the middle has
/// two connections and so two hashes; the confirmation of one side is worth nothing to the other.
/// </summary>
internal static class JoinBinding
{
    public const int MinChannelBytes = 32;

    public static byte[] Of(ReadOnlySpan<byte> channelBinding, ReadOnlySpan<byte> hello, ReadOnlySpan<byte> offer)
    {
        if (channelBinding.Length < MinChannelBytes) throw new ArgumentException("a join is bound to its connection", nameof(channelBinding));
        var length = new byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)channelBinding.Length);
        return [.. "peoples-cloud join 1:"u8, .. length, .. channelBinding, .. SHA256.HashData(hello), .. SHA256.HashData(offer)];
    }
}

/// <summary>
/// The joining side of one run, side A of SPAKE2: hello out, offer in, proof out, verdict in. It believes nothing before
/// <see cref="Confirmed"/>. Synchronous; not thread-safe.
/// </summary>
/// <param name="self">This node.</param>
/// <param name="inviter">The other, as the connection proved.</param>
/// <param name="channelBinding">The connection's.</param>
/// <param name="hello">Where to join.</param>
public sealed class JoiningSide(PeerId self, PeerId inviter, ReadOnlyMemory<byte> channelBinding, JoinHello hello) : IDisposable
{
    private byte[] _offerBytes = [];
    private JoinOffer? _offer;
    private Spake2? _run;

    /// <summary>The first message.</summary>
    public byte[] Hello { get; } = hello.Encode();

    /// <summary>Whether the inviter proved that it knows the secret, over this connection.</summary>
    public bool Confirmed { get; private set; }

    /// <summary>Takes the offer; false when it is none. Then there is a refusal, or <see cref="Prove"/> is next.</summary>
    public bool TryTakeOffer(ReadOnlySpan<byte> bytes, out JoinRefusal? refusal)
    {
        if (!JoinOffer.TryDecode(bytes, out _offer, out refusal)) return false;
        _offerBytes = bytes.ToArray();
        return true;
    }

    /// <summary>The proof; null when the inviter's share is not usable. Slow: it runs scrypt.</summary>
    public byte[]? Prove(string secret, JoinApplicant applicant)
    {
        Invariant.Check(_offer is not null && _run is null, "a proof answers one offer");
        var password = JoinVerifier.Derive(secret, _offer.Salt, _offer.Cost);
        _run = new Spake2(isA: true, password);
        CryptographicOperations.ZeroMemory(password);
        if (!_run.TryTake(_offer.Share, self.Bytes, inviter.Bytes, JoinBinding.Of(channelBinding.Span, Hello, _offerBytes))) return null;
        return new JoinProof(_run.Share, _run.Confirmation!, applicant).Encode();
    }

    /// <summary>
    /// Takes the verdict; false when it is none, or claims a confirmation that is wrong. A refusal in words counts only from who is
    /// <see cref="Confirmed"/>.
    /// </summary>
    public bool TryTakeVerdict(ReadOnlySpan<byte> bytes, out JoinRefusal? refusal)
    {
        refusal = null;
        Invariant.Check(_run is not null, "a verdict answers a proof");
        if (!JoinVerdict.TryDecode(bytes, out var verdict)) return false;
        if (verdict.Confirmation is not null && !(Confirmed = _run.Confirms(verdict.Confirmation))) return false;
        if (verdict.Refusal is { Reason: JoinRefusalReason.NotAdmitted } && !Confirmed) return false;
        refusal = verdict.Refusal;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _run?.Dispose();
}

/// <summary>What the inviting side makes of a proof.</summary>
public enum JoinJudgement
{
    /// <summary>Not a proof.</summary>
    Malformed,

    /// <summary>Of another secret, or of another connection.</summary>
    Wrong,

    /// <summary>The joining side knows the secret.</summary>
    Right,
}

/// <summary>The inviting side of one run, side B of SPAKE2: offer out, proof in, verdict out. Synchronous; not thread-safe.</summary>
public sealed class InvitingSide : IDisposable
{
    private readonly PeerId _self;
    private readonly PeerId _joiner;
    private readonly byte[] _additionalData;
    private readonly Spake2 _run;
    private bool _isRight;

    /// <summary>Begins to answer a hello.</summary>
    /// <param name="self">This node.</param>
    /// <param name="joiner">The other, as the connection proved.</param>
    /// <param name="channelBinding">The connection's.</param>
    /// <param name="hello">The hello as it came.</param>
    /// <param name="verifier">What is kept of the secret.</param>
    public InvitingSide(PeerId self, PeerId joiner, ReadOnlySpan<byte> channelBinding, ReadOnlySpan<byte> hello, JoinVerifier verifier)
    {
        (_self, _joiner) = (self, joiner);
        _run = new Spake2(isA: false, verifier.Password);
        Offer = new JoinOffer(verifier.Salt, verifier.Cost, _run.Share).Encode();
        _additionalData = JoinBinding.Of(channelBinding, hello, Offer);
    }

    /// <summary>The second message.</summary>
    public byte[] Offer { get; }

    /// <summary>Looks at the proof; <paramref name="applicant"/> is set when it is right.</summary>
    public JoinJudgement Judge(ReadOnlySpan<byte> proofBytes, out JoinApplicant? applicant)
    {
        applicant = null;
        if (!JoinProof.TryDecode(proofBytes, out var proof)) return JoinJudgement.Malformed;
        if (!_run.TryTake(proof.Share, _joiner.Bytes, _self.Bytes, _additionalData) || !_run.Confirms(proof.Confirmation)) return JoinJudgement.Wrong;
        applicant = proof.Applicant;
        _isRight = true;
        return JoinJudgement.Right;
    }

    /// <summary>The verdict: our confirmation after a right proof, with a refusal when the node is not let in all the same.</summary>
    public byte[] Verdict(JoinRefusal? refusal = null)
    {
        Invariant.Check(_isRight || refusal is not null, "nobody is let in without a right proof");
        return new JoinVerdict(_isRight ? _run.Confirmation : null, refusal).Encode();
    }

    /// <summary>A refusal in place of an offer.</summary>
    public static byte[] Refuse(JoinRefusal refusal) => JoinOffer.Encode(refusal);

    /// <inheritdoc/>
    public void Dispose() => _run.Dispose();
}
