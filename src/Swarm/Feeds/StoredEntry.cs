using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm.Wire;

namespace PeoplesCloud.Swarm;

/// <summary>
/// An entry as it is stored and sent, together with what it says. Immutable. A decoded entry is well formed; whether its
/// signature holds and whether it counts is the replica's to say.
/// </summary>
public sealed class StoredEntry
{
    private StoredEntry(byte[] bytes, byte[] entryBytes, byte[] signature, EntryMessage m, PeerId author, EntryHash? previous, EntryHash[] parents)
    {
        Bytes = bytes;
        EntryBytes = entryBytes;
        Signature = signature;
        Hash = EntryHash.Of(entryBytes);
        Swarm = m.Swarm.IsEmpty ? new SwarmId(Hash) : SwarmId.TryFromBytes(m.Swarm.Span, out var swarm) ? swarm : default;
        IsGenesis = m.Swarm.IsEmpty;
        Author = author;
        Sequence = m.Sequence;
        Previous = previous;
        Parents = parents;
        Clock = new HybridClock(m.Clock);
        Body = EntryBody.Decode(m.Kind, m.Body);
    }

    /// <summary>What is stored and sent: the signed bytes and the signature.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The signed bytes.</summary>
    public ReadOnlyMemory<byte> EntryBytes { get; }

    /// <summary>The signature over a domain prefix and <see cref="EntryBytes"/>.</summary>
    public ReadOnlyMemory<byte> Signature { get; }

    /// <summary>The hash of <see cref="EntryBytes"/>: the entry's name.</summary>
    public EntryHash Hash { get; }

    /// <summary>The swarm; of a genesis entry its own hash.</summary>
    public SwarmId Swarm { get; }

    /// <summary>Whether this creates its swarm.</summary>
    public bool IsGenesis { get; }

    /// <summary>Who wrote it.</summary>
    public PeerId Author { get; }

    /// <summary>Its number in the author's feed, from 1.</summary>
    public ulong Sequence { get; }

    /// <summary>The author's entry before; null at 1.</summary>
    public EntryHash? Previous { get; }

    /// <summary>The entries of others that the author saw last.</summary>
    public IReadOnlyList<EntryHash> Parents { get; }

    /// <summary>The author's clock.</summary>
    public HybridClock Clock { get; }

    /// <summary>What it says.</summary>
    public EntryBody Body { get; }

    /// <summary>Reads stored or received bytes; never throws. Says nothing about the signature.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out StoredEntry? entry, out EntryRefusal refusal)
    {
        entry = null;
        refusal = EntryRefusal.TooLarge;
        if (bytes.Length > SwarmLimits.MaxEntryBytes) return false;
        refusal = EntryRefusal.Malformed;
        try
        {
            var signed = SignedEntryMessage.Parser.ParseWhole(bytes);
            var m = EntryMessage.Parser.ParseWhole(signed.Entry);
            if (signed.Signature.Length is 0 or > SwarmLimits.MaxSignatureBytes) return false;
            if (m.Parents.Count > SwarmLimits.MaxParents || m.Sequence is 0 or > uint.MaxValue) return false;
            if (!PeerId.TryFromBytes(m.Author.Span, out var author)) return false;
            if (!m.Swarm.IsEmpty && !SwarmId.TryFromBytes(m.Swarm.Span, out _)) return false;
            EntryHash? previous = null;
            if (m.Sequence > 1)
            {
                if (!EntryHash.TryFromBytes(m.Previous.Span, out var read)) return false;
                previous = read;
            }
            else if (!m.Previous.IsEmpty)
            {
                return false;
            }
            var parents = new EntryHash[m.Parents.Count];
            for (var i = 0; i < parents.Length; i++)
            {
                // In rising order, so that no parent is named twice.
                if (!EntryHash.TryFromBytes(m.Parents[i].Span, out parents[i]) || (i > 0 && parents[i] <= parents[i - 1])) return false;
            }
            // A genesis entry has nothing before it; every other entry has seen something.
            var isGenesis = m.Swarm.IsEmpty;
            if (isGenesis ? m.Sequence != 1 || parents.Length > 0 || m.Kind != (uint)EntryKind.SwarmCreated : previous is null && parents.Length == 0) return false;
            var read2 = new StoredEntry(bytes.ToArray(), signed.Entry.ToByteArray(), signed.Signature.ToByteArray(), m, author, previous, parents);
            if (isGenesis && read2.Body is not SwarmCreated) return false;
            entry = read2;
            refusal = EntryRefusal.None;
            return true;
        }
        catch (Exception thrown) when (Malformed.Is(thrown))
        {
            return false;
        }
    }

    /// <summary>Writes and signs an entry.</summary>
    internal static StoredEntry Create(
        ISigner signer, SwarmId? swarm, ulong sequence, EntryHash? previous, IEnumerable<EntryHash> parents, HybridClock clock, EntryBody body)
    {
        var m = new EntryMessage
        {
            Swarm = swarm is { } id ? ByteString.CopyFrom(id.ToBytes()) : ByteString.Empty,
            Author = ByteString.CopyFrom(signer.Self.Bytes),
            Sequence = sequence,
            Previous = previous is { } before ? ByteString.CopyFrom(before.ToBytes()) : ByteString.Empty,
            Clock = clock.Value,
            Kind = (uint)body.Kind,
            Body = ByteString.CopyFrom(body.Encode()),
        };
        foreach (var parent in parents.Order()) m.Parents.Add(ByteString.CopyFrom(parent.ToBytes()));
        var entryBytes = m.ToByteArray();
        var signed = new SignedEntryMessage
        {
            Entry = ByteString.CopyFrom(entryBytes),
            Signature = ByteString.CopyFrom(SignatureDomain.Sign(signer, SignatureDomain.Entry, entryBytes)),
        };
        // Decoded again, so that what we write passes what we demand of others.
        if (!TryDecode(signed.ToByteArray(), out var entry, out var refusal)) throw new ArgumentException($"this entry cannot be written: {refusal}", nameof(body));
        if (entry.Body is UnknownBody && body is not UnknownBody) throw new ArgumentException($"this {body.Kind} cannot be written: a field is out of bounds", nameof(body));
        return entry;
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryDecode(input, out var entry, out _)) return;
        Base.Invariant.Check(entry.Bytes.Span.SequenceEqual(input), "an entry keeps the bytes that it was read from");
        _ = EntryBody.Decode((uint)entry.Body.Kind, ByteString.CopyFrom(entry.Body.Encode()));
    }

    /// <summary>Whether the author signed it.</summary>
    internal bool VerifiedBy(ISignatureVerifier verifier) =>
        SignatureDomain.Verify(verifier, Author, SignatureDomain.Entry, EntryBytes.Span, Signature.Span);
}

/// <summary>Why an entry was not taken.</summary>
public enum EntryRefusal
{
    /// <summary>It was taken.</summary>
    None,

    /// <summary>Longer than <see cref="SwarmLimits.MaxEntryBytes"/>.</summary>
    TooLarge,

    /// <summary>Not the format, or a field out of bounds.</summary>
    Malformed,

    /// <summary>Of another swarm.</summary>
    OtherSwarm,

    /// <summary>The signature does not hold.</summary>
    BadSignature,

    /// <summary>Its number or clock does not follow the author's entry before, or a parent is of the author itself.</summary>
    BrokenChain,

    /// <summary>Its clock is further ahead than <see cref="SwarmLimits.MaxClockAhead"/>; it may be taken later.</summary>
    ClockTooFarAhead,

    /// <summary>More than <see cref="SwarmLimits.MaxEntriesPerDay"/> on one day.</summary>
    TooManyEntries,
}
