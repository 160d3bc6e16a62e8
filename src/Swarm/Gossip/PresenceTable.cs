using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>What a digest says of one member.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PresenceClaim(ulong Peer, PresenceVersion Version, Liveness Liveness);

/// <summary>One member's place in the table.</summary>
internal sealed class PresenceSlot(PresenceRecord record)
{
    /// <summary>The member's name in digests.</summary>
    public ulong Key { get; } = AuthorFeed.KeyOf(record.Peer);

    public PresenceRecord Record { get; set; } = record;

    public Liveness Liveness { get; set; }

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
    private const int ClaimBytes = 21;
    private const int MaxClaims = 1_024;

    private readonly SortedDictionary<PeerId, PresenceSlot> _slots = [];
    private readonly Dictionary<ulong, PeerId> _peers = [];
    private byte[]? _digest;
    private ulong _print;

    public IEnumerable<KeyValuePair<PeerId, PresenceSlot>> Slots => _slots;

    public PresenceSlot? Find(PeerId peer) => _slots.GetValueOrDefault(peer);

    public PeerId? PeerOf(ulong key) => _peers.TryGetValue(key, out var peer) ? peer : null;

    /// <summary>Takes a record when it is newer; a newer record is awake again, unless it says goodbye.</summary>
    public bool Put(PresenceRecord record)
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
        _digest = null;
        return true;
    }

    /// <summary>Raises doubt about the version that is held; a lower doubt changes nothing.</summary>
    public bool Raise(PresenceSlot slot, Liveness liveness, TimeSpan now)
    {
        if (liveness <= slot.Liveness) return false;
        if (liveness == Liveness.Suspect) (slot.SuspectSince, slot.Nudged) = (now, false);
        slot.Liveness = liveness;
        _digest = null;
        return true;
    }

    public void Remove(PeerId peer)
    {
        if (!_slots.Remove(peer, out var slot)) return;
        _peers.Remove(slot.Key);
        _digest = null;
    }

    /// <summary>All claims, packed, in order of peers.</summary>
    public byte[] Digest()
    {
        if (_digest is not null) return _digest;
        var digest = new byte[_slots.Count * ClaimBytes];
        var at = digest.AsSpan();
        foreach (var slot in _slots.Values)
        {
            BinaryPrimitives.WriteUInt64BigEndian(at, slot.Key);
            BinaryPrimitives.WriteUInt64BigEndian(at[8..], slot.Record.Version.EpochMs);
            BinaryPrimitives.WriteUInt32BigEndian(at[16..], slot.Record.Version.Counter);
            at[20] = (byte)slot.Liveness;
            at = at[ClaimBytes..];
        }
        _print = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(digest));
        return _digest = digest;
    }

    /// <summary>Equal when two nodes hold the same.</summary>
    public ulong Print()
    {
        _ = Digest();
        return _print;
    }

    public static List<PresenceClaim>? TryDecode(ReadOnlySpan<byte> packed)
    {
        if (packed.Length % ClaimBytes != 0 || packed.Length > MaxClaims * ClaimBytes) return null;
        var claims = new List<PresenceClaim>(packed.Length / ClaimBytes);
        for (var at = packed; at.Length > 0; at = at[ClaimBytes..])
        {
            if (at[20] > (byte)Liveness.Asleep) return null;
            var version = new PresenceVersion(BinaryPrimitives.ReadUInt64BigEndian(at[8..]), BinaryPrimitives.ReadUInt32BigEndian(at[16..]));
            claims.Add(new PresenceClaim(BinaryPrimitives.ReadUInt64BigEndian(at), version, (Liveness)at[20]));
        }
        return claims;
    }
}
