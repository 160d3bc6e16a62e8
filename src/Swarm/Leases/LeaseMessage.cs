using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>What a ballot is. Numbers are on the wire.</summary>
public enum BallotKind
{
    /// <summary>A proposer asks whether the lease is free.</summary>
    Prepare = 1,

    /// <summary>It is, and the voter listens to no lower ballot for a while.</summary>
    Promise = 2,

    /// <summary>A proposer asks for the lease, or to renew it.</summary>
    Propose = 3,

    /// <summary>The voter backs the proposer.</summary>
    Accept = 4,

    /// <summary>The voter does not, and says why.</summary>
    Refuse = 5,

    /// <summary>A holder gives the lease back, or a proposer what it did not get.</summary>
    Release = 6,
}

/// <summary>Why a voter refused. Numbers are on the wire.</summary>
public enum BallotRefusal
{
    /// <summary>Not refused.</summary>
    None = 0,

    /// <summary>The voter does not know the program yet.</summary>
    Unknown = 1,

    /// <summary>The voter knows another generation of guardians.</summary>
    Generation = 2,

    /// <summary>The voter started, or learned of this generation, less than a lease ago.</summary>
    Young = 3,

    /// <summary>The voter approved a later generation.</summary>
    Sealed = 4,

    /// <summary>The voter backs somebody else.</summary>
    Held = 5,

    /// <summary>The voter promised itself to a higher ballot.</summary>
    Ballot = 6,

    /// <summary>The epoch was used, is too low, too high, or not the proposer's.</summary>
    Epoch = 7,

    /// <summary>The proposer's lease time is another.</summary>
    Lease = 8,
}

/// <summary>More about a ballot. Bits are on the wire; unknown ones are ignored.</summary>
[Flags]
public enum BallotFlags
{
    /// <summary>Nothing more.</summary>
    None = 0,

    /// <summary>Propose: the sender holds the lease already. Refuse: whom the voter backs does.</summary>
    Holds = 1,

    /// <summary>The sender holds the lease of an earlier generation.</summary>
    Continues = 2,

    /// <summary>The sender holds it without a majority.</summary>
    Alone = 4,
}

/// <summary>One program's part of a message. What each field says for each kind is in docs/protocols/leases.md.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Program">The program.</param>
/// <param name="Generation">The generation of guardians that the sender knows.</param>
public sealed record Ballot(BallotKind Kind, EntryHash Program, ulong Generation)
{
    /// <summary>The ballot's number; of a refusal, the number that the voter promised itself to.</summary>
    public ulong Number { get; init; }

    /// <summary>The proposer's round, which an answer repeats.</summary>
    public ulong Round { get; init; }

    /// <summary>The epoch that is proposed, voted for or given back; of a promise and a refusal, the highest that the voter knows.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Whose epoch it is; of a release, who should take the lease.</summary>
    public PeerId? Holder { get; init; }

    /// <summary>Propose: the lease time. Refuse: for how long the reason lasts.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>More.</summary>
    public BallotFlags Flags { get; init; }

    /// <summary>Why it was refused.</summary>
    public BallotRefusal Refusal { get; init; }
}

/// <summary>
/// All ballots of one guardian for another. Signed as a whole, so that two messages that contradict each other prove it to everybody.
/// </summary>
/// <param name="Sender">Who signed it.</param>
/// <param name="Life">A random number of the sender's start: what it forgot by starting again is no lie.</param>
/// <param name="Number">1, 2, ... within a life.</param>
/// <param name="Ballots">At most <see cref="MaxBallots"/>.</param>
public sealed record LeaseMessage(PeerId Sender, ulong Life, ulong Number, IReadOnlyList<Ballot> Ballots)
{
    /// <summary>An encoded message, in bytes: 64 ballots of 130 and as many proofs as there are guardians.</summary>
    public const int MaxBytes = 64 << 10;

    /// <summary>Ballots in one message; more programs make more messages.</summary>
    public const int MaxBallots = 64;

    /// <summary>Proofs in one message: one vote of each guardian.</summary>
    public const int MaxProofs = SwarmLimits.MaxGuardians;

    private const uint MaxMilliseconds = 1 << 24;

    /// <summary>With a refusal by a holder: the votes that it holds by, each as its guardian signed it.</summary>
    public IReadOnlyList<LeaseMessage> Proofs { get; init; } = [];

    /// <summary>The bytes as they were signed; empty for a message that was not read from bytes.</summary>
    public ReadOnlyMemory<byte> Signed { get; init; }

    /// <summary>Writes and signs the message.</summary>
    /// <param name="swarm">The swarm, so that no vote serves in another.</param>
    /// <param name="signer">The sender.</param>
    public byte[] Encode(SwarmId swarm, ISigner signer)
    {
        var m = new LeaseBatchMessage { Swarm = ByteString.CopyFrom(swarm.ToBytes()), Sender = ByteString.CopyFrom(Sender.Bytes), Life = Life, Number = Number };
        foreach (var ballot in Ballots) m.Ballots.Add(Write(ballot));
        foreach (var proof in Proofs) m.Proofs.Add(ByteString.CopyFrom(proof.Signed.Span));
        var bytes = m.ToByteArray();
        return new SignedLeaseMessage
        {
            Message = ByteString.CopyFrom(bytes),
            Signature = ByteString.CopyFrom(SignatureDomain.Sign(signer, SignatureDomain.Lease, bytes)),
        }.ToByteArray();
    }

    /// <summary>Reads a message and verifies its signature, and those of its proofs.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="swarm">The swarm that it must be of.</param>
    /// <param name="verifier">Verifies the sender's signature. The caller still compares <see cref="Sender"/> with whom the connection proved.</param>
    /// <param name="message">The message.</param>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, SwarmId swarm, ISignatureVerifier verifier, [NotNullWhen(true)] out LeaseMessage? message) =>
        TryRead(bytes, swarm, verifier, withProofs: true, out message);

    private static bool TryRead(ReadOnlySpan<byte> bytes, SwarmId swarm, ISignatureVerifier verifier, bool withProofs, [NotNullWhen(true)] out LeaseMessage? message)
    {
        message = null;
        if (bytes.Length > MaxBytes) return false;
        try
        {
            var signed = SignedLeaseMessage.Parser.ParseWhole(bytes);
            if (signed.Signature.Length is 0 or > SwarmLimits.MaxSignatureBytes) return false;
            var m = LeaseBatchMessage.Parser.ParseWhole(signed.Message);
            if (!SwarmId.TryFromBytes(m.Swarm.Span, out var named) || named != swarm || !PeerId.TryFromBytes(m.Sender.Span, out var sender)) return false;
            if (m.Number == 0 || m.Ballots.Count > MaxBallots || m.Proofs.Count > (withProofs ? MaxProofs : 0)) return false;
            if (!SignatureDomain.Verify(verifier, sender, SignatureDomain.Lease, signed.Message.Span, signed.Signature.Span)) return false;
            var ballots = new List<Ballot>(m.Ballots.Count);
            foreach (var ballot in m.Ballots)
            {
                if (Read(ballot) is not { } read) return false;
                ballots.Add(read);
            }
            var proofs = new List<LeaseMessage>(m.Proofs.Count);
            foreach (var proof in m.Proofs)
            {
                if (!TryRead(proof.Span, swarm, verifier, withProofs: false, out var read)) return false;
                proofs.Add(read);
            }
            message = new LeaseMessage(sender, m.Life, m.Number, ballots) { Proofs = proofs, Signed = bytes.ToArray() };
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var verifier = new AnySignature();
        SwarmId.TryFromBytes(Enumerable.Repeat((byte)7, SwarmId.Size).ToArray(), out var swarm);
        if (!TryDecode(input, swarm, verifier, out var message)) return;
        Base.Invariant.Check(message.Ballots.Count <= MaxBallots && message.Proofs.Count <= MaxProofs, "a lease message is within its bounds");
        foreach (var proof in message.Proofs) _ = LeaseEvidence.Judge(message, proof, message.Ballots.Count == 0 ? default : message.Ballots[0].Program);
    }

    private static BallotMessage Write(Ballot ballot) => new()
    {
        Kind = (uint)ballot.Kind,
        Program = ByteString.CopyFrom(ballot.Program.ToBytes()),
        Generation = ballot.Generation,
        Ballot = ballot.Number,
        Round = ballot.Round,
        Epoch = ballot.Epoch,
        Holder = ballot.Holder is { } holder ? ByteString.CopyFrom(holder.Bytes) : ByteString.Empty,
        Milliseconds = (uint)Math.Clamp(Math.Ceiling(ballot.Time.TotalMilliseconds), 0, MaxMilliseconds),
        Flags = (uint)ballot.Flags,
        Refusal = (uint)ballot.Refusal,
    };

    private static Ballot? Read(BallotMessage m)
    {
        PeerId? holder = null;
        if (!m.Holder.IsEmpty)
        {
            if (!PeerId.TryFromBytes(m.Holder.Span, out var named)) return null;
            holder = named;
        }
        if (m.Kind is < (uint)BallotKind.Prepare or > (uint)BallotKind.Release || m.Milliseconds > MaxMilliseconds || m.Refusal > byte.MaxValue) return null;
        return !EntryHash.TryFromBytes(m.Program.Span, out var program) ? null : new Ballot((BallotKind)m.Kind, program, m.Generation)
        {
            Number = m.Ballot,
            Round = m.Round,
            Epoch = m.Epoch,
            Holder = holder,
            Time = TimeSpan.FromMilliseconds(m.Milliseconds),
            Flags = (BallotFlags)(m.Flags & (uint)(BallotFlags.Holds | BallotFlags.Continues | BallotFlags.Alone)),
            Refusal = (BallotRefusal)m.Refusal,
        };
    }

    private sealed class AnySignature : ISignatureVerifier
    {
        public bool Verify(PeerId author, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) => true;
    }
}
