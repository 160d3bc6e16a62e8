using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

// hello -> offer -> proof -> verdict [admission]       each a protobuf message after its length; see docs/protocols/join.md

/// <summary>How somebody joins who has no ticket. Numbers are on the wire.</summary>
public enum JoinKind
{
    /// <summary>By the name of a swarm and its secret.</summary>
    Secret = 1,

    /// <summary>By a spoken code.</summary>
    Code = 2,
}

/// <summary>Why a node is not let in. Numbers are on the wire.</summary>
public enum JoinRefusalReason
{
    /// <summary>The secret is wrong, or there is no such swarm: who does not know the secret cannot tell which.</summary>
    Wrong = 1,

    /// <summary>Too many wrong ones from this network or for this name.</summary>
    TooManyGuesses = 2,

    /// <summary>As many are joining as the node serves at once.</summary>
    Busy = 3,

    /// <summary>No code with this first word is open.</summary>
    CodeUnknown = 4,

    /// <summary>The proof was right, and the swarm does not take the node all the same.</summary>
    NotAdmitted = 5,
}

/// <summary>A refusal. Only <see cref="JoinRefusalReason.NotAdmitted"/> says something in words, and only to who proved the secret.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Wait">With TooManyGuesses: when it is worth trying again, from now; whole seconds.</param>
/// <param name="Code">With NotAdmitted: the number of an <see cref="Base.ErrorCode"/>.</param>
/// <param name="Text">With NotAdmitted: what happened, at most 300 characters.</param>
public sealed record JoinRefusal(JoinRefusalReason Reason, TimeSpan Wait = default, int Code = 0, string Text = "")
{
    private const int MaxTextCharacters = 300;
    private const uint MaxWaitSeconds = 7 * 24 * 3600;

    internal JoinRefusalMessage ToMessage() => new()
    {
        Reason = (uint)Reason,
        WaitSeconds = (uint)Math.Clamp(Math.Ceiling(Wait.TotalSeconds), 0, MaxWaitSeconds),
        Code = (uint)Code,
        Text = Text.Length > MaxTextCharacters ? Text[..MaxTextCharacters] : Text,
    };

    internal static JoinRefusal? From(JoinRefusalMessage m) =>
        m.Reason is >= (uint)JoinRefusalReason.Wrong and <= (uint)JoinRefusalReason.NotAdmitted && m.WaitSeconds <= MaxWaitSeconds && m.Code <= 9999 && m.Text.Length <= MaxTextCharacters
            ? new JoinRefusal((JoinRefusalReason)m.Reason, TimeSpan.FromSeconds(m.WaitSeconds), (int)m.Code, m.Text)
            : null;
}

/// <summary>The first message: where the node wants to join.</summary>
/// <param name="Kind">How.</param>
/// <param name="Name">The swarm's name, or the code's first word.</param>
public sealed record JoinHello(JoinKind Kind, string Name)
{
    /// <summary>Writes it.</summary>
    public byte[] Encode() => new JoinHelloMessage { Kind = (uint)Kind, Name = Name }.ToByteArray();

    /// <summary>Reads a stranger's bytes; never throws.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out JoinHello? hello)
    {
        hello = null;
        if (Read(bytes, JoinHelloMessage.Parser) is not { } m || m.Kind is not ((uint)JoinKind.Secret or (uint)JoinKind.Code) || !Names.IsValid(m.Name)) return false;
        hello = new JoinHello((JoinKind)m.Kind, m.Name);
        return true;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _);

    internal static T? Read<T>(ReadOnlySpan<byte> bytes, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        if (bytes.Length > SwarmLimits.MaxJoinMessageBytes) return null;
        try
        {
            return parser.ParseWhole(bytes);
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return null;
        }
    }
}

/// <summary>The inviter's share, and how the secret becomes a number.</summary>
/// <param name="Salt">16 bytes.</param>
/// <param name="Cost">What deriving costs.</param>
/// <param name="Share">pB.</param>
internal sealed record JoinOffer(byte[] Salt, ScryptCost Cost, byte[] Share)
{
    public byte[] Encode() => new JoinOfferMessage
    {
        Salt = ByteString.CopyFrom(Salt),
        LogN = (uint)Cost.LogN,
        R = (uint)Cost.R,
        P = (uint)Cost.P,
        Share = ByteString.CopyFrom(Share),
    }.ToByteArray();

    public static byte[] Encode(JoinRefusal refusal) => new JoinOfferMessage { Refusal = refusal.ToMessage() }.ToByteArray();

    /// <summary>Reads an offer or a refusal, exactly one of them; false for anything else, and for a cost that nobody should pay.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out JoinOffer? offer, out JoinRefusal? refusal)
    {
        (offer, refusal) = (null, null);
        if (JoinHello.Read(bytes, JoinOfferMessage.Parser) is not { } m) return false;
        if (m.Refusal is not null) return (refusal = JoinRefusal.From(m.Refusal)) is not null;
        if (m.Salt.Length != SlowPassword.SaltBytes || m.Share.Length != Spake2.ShareBytes || (m.LogN | m.R | m.P) > byte.MaxValue) return false;
        var cost = new ScryptCost((int)m.LogN, (int)m.R, (int)m.P);
        if (!cost.IsAcceptable) return false;
        offer = new JoinOffer(m.Salt.ToByteArray(), cost, m.Share.ToByteArray());
        return true;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _, out _);
}

/// <summary>Who joins, as it says itself.</summary>
/// <param name="Name">How the node wants to be called; it may become name-2.</param>
/// <param name="X25519">Its public key for sealed boxes, 32 bytes.</param>
/// <param name="Clock">Its wall clock, so that a wrong one is noticed now.</param>
public sealed record JoinApplicant(string Name, byte[] X25519, DateTimeOffset Clock);

/// <summary>The joining node's share and proof, with what it says about itself.</summary>
internal sealed record JoinProof(byte[] Share, byte[] Confirmation, JoinApplicant Applicant)
{
    public byte[] Encode() => new JoinProofMessage
    {
        Share = ByteString.CopyFrom(Share),
        Confirmation = ByteString.CopyFrom(Confirmation),
        Name = Applicant.Name,
        X25519 = ByteString.CopyFrom(Applicant.X25519),
        ClockMs = (ulong)Math.Max(0, Applicant.Clock.ToUnixTimeMilliseconds()),
    }.ToByteArray();

    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out JoinProof? proof)
    {
        proof = null;
        if (JoinHello.Read(bytes, JoinProofMessage.Parser) is not { } m) return false;
        if (m.Share.Length != Spake2.ShareBytes || m.Confirmation.Length != Spake2.ConfirmationBytes || !Names.IsValid(m.Name) || m.X25519.Length != 32 || m.ClockMs >= 253_402_300_800_000) return false;
        proof = new JoinProof(m.Share.ToByteArray(), m.Confirmation.ToByteArray(), new JoinApplicant(m.Name, m.X25519.ToByteArray(), DateTimeOffset.FromUnixTimeMilliseconds((long)m.ClockMs)));
        return true;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _);
}

/// <summary>The inviter's answer to a proof: its own confirmation when the proof was right, and why the node is not let in when it is not.</summary>
internal sealed record JoinVerdict(byte[]? Confirmation, JoinRefusal? Refusal)
{
    public byte[] Encode() => new JoinVerdictMessage { Confirmation = Confirmation is null ? ByteString.Empty : ByteString.CopyFrom(Confirmation), Refusal = Refusal?.ToMessage() }.ToByteArray();

    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out JoinVerdict? verdict)
    {
        verdict = null;
        if (JoinHello.Read(bytes, JoinVerdictMessage.Parser) is not { } m || m.Confirmation.Length is not (0 or Spake2.ConfirmationBytes)) return false;
        var refusal = m.Refusal is null ? null : JoinRefusal.From(m.Refusal);
        if ((m.Refusal is not null && refusal is null) || (refusal is null && m.Confirmation.IsEmpty)) return false;
        verdict = new JoinVerdict(m.Confirmation.IsEmpty ? null : m.Confirmation.ToByteArray(), refusal);
        return true;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _);
}

/// <summary>What a node that was let in gets: which swarm it is, its entries and its key. Read only after the inviter proved the secret.</summary>
/// <param name="Swarm">The swarm's id.</param>
/// <param name="Reply">Entries and key.</param>
public sealed record JoinAdmission(SwarmId Swarm, JoinReply Reply)
{
    /// <summary>Writes it.</summary>
    public byte[] Encode() => new JoinAdmissionMessage { Swarm = ByteString.CopyFrom(Swarm.ToBytes()), Reply = UnsafeByteOperations.UnsafeWrap(Reply.Encode()) }.ToByteArray();

    /// <summary>Reads it; never throws.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out JoinAdmission? admission)
    {
        admission = null;
        if (bytes.Length > SwarmLimits.MaxJoinAdmissionBytes) return false;
        try
        {
            var m = JoinAdmissionMessage.Parser.ParseWhole(bytes);
            if (!SwarmId.TryFromBytes(m.Swarm.Span, out var swarm) || !JoinReply.TryDecode(m.Reply.Span, out var reply)) return false;
            admission = new JoinAdmission(swarm, reply);
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input) => _ = TryDecode(input, out _);
}
