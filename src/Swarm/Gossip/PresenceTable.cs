using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>What a digest says of one member.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PresenceClaim(ulong Peer, PresenceVersion Version, Liveness Liveness)
{
    public const int Bytes = 21;

    /// <summary>What the claim adds to a sum over claims: the start of SHA-256 of its bytes.</summary>
    public ulong Item
    {
        get
        {
            Span<byte> bytes = stackalloc byte[Bytes];
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            Write(bytes);
            SHA256.HashData(bytes, hash);
            return BinaryPrimitives.ReadUInt64BigEndian(hash);
        }
    }

    public void Write(Span<byte> output)
    {
        BinaryPrimitives.WriteUInt64BigEndian(output, Peer);
        BinaryPrimitives.WriteUInt64BigEndian(output[8..], Version.EpochMs);
        BinaryPrimitives.WriteUInt32BigEndian(output[16..], Version.Counter);
        output[20] = (byte)Liveness;
    }
}

/// <summary>One member's place in the table.</summary>
internal sealed class PresenceSlot(PresenceRecord record)
{
    /// <summary>The member's name in digests.</summary>
    public ulong Key { get; } = AuthorFeed.KeyOf(record.Peer);

    public PresenceRecord Record { get; set; } = record;

    public Liveness Liveness { get; set; }

    /// <summary>What it adds to the table's sum.</summary>
    public ulong Item { get; set; }

    public PresenceClaim Claim => new(Key, Record.Version, Liveness);

    /// <summary>Since when it is suspected here.</summary>
    public TimeSpan SuspectSince { get; set; }

    /// <summary>The version that the digest at hand names; scratch.</summary>
    public PresenceVersion Theirs { get; set; }

    /// <summary>Whether we told it that it is suspected.</summary>
    public bool Nudged { get; set; }
}

/// <summary>The newest record of each member and whether it is believed awake; what of it two nodes compare.</summary>
internal sealed class PresenceTable
{
    private const int MaxClaims = SwarmLimits.MaxAuthors / 2;
    private const int MaxRemembered = 512;

    private readonly SortedDictionary<PeerId, PresenceSlot> _slots = [];
    private readonly Dictionary<ulong, PeerId> _peers = [];
    private readonly Queue<(TimeSpan At, PresenceSlot Slot)> _recent = new();
    private byte[]? _digest;
    private ulong _print;

    public IEnumerable<KeyValuePair<PeerId, PresenceSlot>> Slots => _slots;

    /// <summary>The sum of what all claims add: equal when two nodes hold the same, and the difference of two is that of the claims that differ.</summary>
    public ulong Sum { get; private set; }

    public PresenceSlot? Find(PeerId peer) => _slots.GetValueOrDefault(peer);

    public PeerId? PeerOf(ulong key) => _peers.TryGetValue(key, out var peer) ? peer : null;

    /// <summary>Takes a record when it is newer; a newer record is awake again, unless it says goodbye.</summary>
    public bool Put(PresenceRecord record, TimeSpan now)
    {
        if (_slots.TryGetValue(record.Peer, out var slot))
        {
            if (record.Version <= slot.Record.Version) return false;
            slot.Record = record;
        }
        else
        {
            _slots[record.Peer] = slot = new PresenceSlot(record);
            _peers[slot.Key] = record.Peer;
        }
        slot.Liveness = record.Info.Leaving ? Liveness.Asleep : Liveness.Awake;
        Note(slot, now);
        return true;
    }

    /// <summary>Raises doubt about the version that is held; a lower doubt changes nothing.</summary>
    public bool Raise(PresenceSlot slot, Liveness liveness, TimeSpan now)
    {
        if (liveness <= slot.Liveness) return false;
        if (liveness == Liveness.Suspect) (slot.SuspectSince, slot.Nudged) = (now, false);
        slot.Liveness = liveness;
        Note(slot, now);
        return true;
    }

    public void Remove(PeerId peer)
    {
        if (!_slots.Remove(peer, out var slot)) return;
        Sum -= slot.Item;
        _peers.Remove(slot.Key);
        _digest = null;
    }

    /// <summary>All claims, packed, in order of peers.</summary>
    public byte[] Digest()
    {
        if (_digest is not null) return _digest;
        var digest = Encode([.. _slots.Values.Select(slot => slot.Claim)]);
        _print = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(digest));
        return _digest = digest;
    }

    /// <summary>Equal when two nodes hold the same.</summary>
    public ulong Print()
    {
        _ = Digest();
        return _print;
    }

    /// <summary>What changed since then, each once; more than <see cref="MaxRemembered"/> changes are not kept.</summary>
    public List<PresenceSlot> Recent(TimeSpan since)
    {
        while (_recent.TryPeek(out var oldest) && oldest.At < since) _recent.Dequeue();
        return [.. _recent.Select(recent => recent.Slot).Distinct().Where(slot => _slots.GetValueOrDefault(slot.Record.Peer) == slot)];
    }

    public static byte[] Encode(List<PresenceClaim> claims)
    {
        var packed = new byte[claims.Count * PresenceClaim.Bytes];
        for (var i = 0; i < claims.Count; i++) claims[i].Write(packed.AsSpan(i * PresenceClaim.Bytes));
        return packed;
    }

    private void Note(PresenceSlot slot, TimeSpan now)
    {
        Sum -= slot.Item;
        Sum += slot.Item = slot.Claim.Item;
        _recent.Enqueue((now, slot));
        if (_recent.Count > MaxRemembered) _recent.Dequeue();
        _digest = null;
    }

    public static List<PresenceClaim>? TryDecode(ReadOnlySpan<byte> packed)
    {
        if (packed.Length % PresenceClaim.Bytes != 0 || packed.Length > MaxClaims * PresenceClaim.Bytes) return null;
        var claims = new List<PresenceClaim>(packed.Length / PresenceClaim.Bytes);
        for (var at = packed; at.Length > 0; at = at[PresenceClaim.Bytes..])
        {
            if (at[20] > (byte)Liveness.Asleep) return null;
            var version = new PresenceVersion(BinaryPrimitives.ReadUInt64BigEndian(at[8..]), BinaryPrimitives.ReadUInt32BigEndian(at[16..]));
            claims.Add(new PresenceClaim(BinaryPrimitives.ReadUInt64BigEndian(at), version, (Liveness)at[20]));
        }
        return claims;
    }
}
