using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Seals to members and opens what was sealed to this node. Random, so it comes from outside. Thread-safe.</summary>
public interface IKeySealer
{
    /// <summary>A box of <see cref="SealedSwarmKey.BoxBytes"/> for a content of 32 bytes; false when the recipient's key is none.</summary>
    bool TrySeal(ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> context, ReadOnlySpan<byte> content, [NotNullWhen(true)] out byte[]? box);

    /// <summary>Opens a box that was sealed to this node; false when it was not.</summary>
    bool TryOpen(ReadOnlySpan<byte> context, ReadOnlySpan<byte> box, [NotNullWhen(true)] out byte[]? content);
}

/// <summary>Seals with <see cref="SealedBox"/> and opens with this node's key, which it does not own.</summary>
public sealed class X25519Sealer(X25519Key key) : IKeySealer
{
    /// <inheritdoc/>
    public bool TrySeal(ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> context, ReadOnlySpan<byte> content, [NotNullWhen(true)] out byte[]? box)
    {
        try
        {
            box = SealedBox.Seal(recipient, context, content);
            return true;
        }
        catch (ArgumentException)
        {
            box = null; // an admin stated a key for that member that is none
            return false;
        }
    }

    /// <inheritdoc/>
    public bool TryOpen(ReadOnlySpan<byte> context, ReadOnlySpan<byte> box, [NotNullWhen(true)] out byte[]? content) => SealedBox.TryOpen(key, context, box, out content);
}

/// <summary>
/// A new key of the swarm as an entry carries it: sealed to each remaining member, one by one, so that nobody else opens it.
/// <code>keys = *( peer:u64 box:81 )   rising by peer, at most one for each active member</code>
/// peer is the start of SHA-256 of the peer id, as in digests: whole ids would not fit an entry of a full swarm.
/// </summary>
public sealed class SealedSwarmKey
{
    /// <summary>Bytes of one box: a key of 32 bytes and what sealing adds.</summary>
    public const int BoxBytes = SealedBox.Overhead + SwarmKeyState.KeyBytes;

    private const int PeerBytes = 8;
    private const int ItemBytes = PeerBytes + BoxBytes;
    private readonly byte[] _packed;

    private SealedSwarmKey(byte[] packed) => _packed = packed;

    /// <summary>To how many it is sealed.</summary>
    public int Count => _packed.Length / ItemBytes;

    internal ReadOnlySpan<byte> Packed => _packed;

    /// <summary>Seals a key to members; who has no usable X25519 key is left out.</summary>
    internal static SealedSwarmKey Seal(IKeySealer sealer, SwarmId swarm, ReadOnlySpan<byte> key, IEnumerable<Member> members)
    {
        if (key.Length != SwarmKeyState.KeyBytes) throw new ArgumentException($"a swarm key has {SwarmKeyState.KeyBytes} bytes", nameof(key));
        var context = ContextOf(swarm);
        var items = new List<(ulong Peer, byte[] Box)>();
        foreach (var member in members)
        {
            if (sealer.TrySeal(member.X25519, context, key, out var box)) items.Add((AuthorFeed.KeyOf(member.Peer), box));
        }
        var packed = new byte[items.Count * ItemBytes];
        var at = packed.AsSpan();
        foreach (var (peer, box) in items.OrderBy(item => item.Peer))
        {
            BinaryPrimitives.WriteUInt64BigEndian(at, peer);
            box.CopyTo(at[PeerBytes..]);
            at = at[ItemBytes..];
        }
        return new SealedSwarmKey(packed);
    }

    /// <summary>Opens it as a member; false when it was not sealed to it.</summary>
    public bool TryOpen(IKeySealer sealer, SwarmId swarm, PeerId self, [NotNullWhen(true)] out byte[]? key)
    {
        var (context, name) = (ContextOf(swarm), AuthorFeed.KeyOf(self));
        for (var at = _packed.AsSpan(); at.Length > 0; at = at[ItemBytes..])
        {
            if (BinaryPrimitives.ReadUInt64BigEndian(at) != name) continue;
            if (sealer.TryOpen(context, at[PeerBytes..ItemBytes], out key) && key.Length == SwarmKeyState.KeyBytes) return true;
        }
        key = null;
        return false;
    }

    /// <summary>Reads a stranger's bytes; null when they are not the format.</summary>
    internal static SealedSwarmKey? Decode(ReadOnlySpan<byte> packed)
    {
        if (packed.Length % ItemBytes != 0 || packed.Length > SwarmLimits.MaxMembers * ItemBytes) return null;
        ulong before = 0;
        for (var at = packed; at.Length > 0; at = at[ItemBytes..])
        {
            var peer = BinaryPrimitives.ReadUInt64BigEndian(at);
            if (peer < before) return null;
            before = peer;
        }
        return new SealedSwarmKey(packed.ToArray());
    }

    private static byte[] ContextOf(SwarmId swarm) => [.. "peoples-cloud swarm key 1:"u8, .. swarm.ToBytes()];
}

/// <summary>Which key the swarm has now. The key itself is not in the state: a member opens it, or was given it when it joined.</summary>
/// <param name="Generation">1 is the creator's; one more than the highest that the entry that carries it had seen.</param>
/// <param name="Entry">The entry that carries it; null: the creator's key, which is in no entry.</param>
/// <param name="Sealed">The key, sealed to each member; null with the creator's.</param>
/// <param name="IsStale">Whether somebody who is out knows it, or somebody who is in was not given it: an admin makes a new one.</param>
public sealed record SwarmKeyState(int Generation, EntryHash? Entry, SealedSwarmKey? Sealed, bool IsStale)
{
    /// <summary>Length of a swarm's key in bytes.</summary>
    public const int KeyBytes = 32;
}
