using System.Buffers.Binary;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// A node's name: the multihash of its public key (libp2p peer-ids specification). Keys of up to 42 encoded bytes (Ed25519,
/// secp256k1) are held whole in an identity multihash, so an Ed25519 peer id is also its public key.
/// Compares and orders by its bytes; <c>default</c> is no peer.
/// </summary>
public readonly struct PeerId : IEquatable<PeerId>, IComparable<PeerId>
{
    /// <summary>The longest multihash that is accepted, in bytes (identity of 42, sha2-256 of 34).</summary>
    public const int MaxBytes = 44;

    // protobuf PublicKey { Type = Ed25519 (1), Data = 32 bytes }, inside an identity multihash of 36 bytes.
    private static ReadOnlySpan<byte> Ed25519Prefix => [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

    private readonly byte[]? _multihash;

    private PeerId(byte[] multihash) => _multihash = multihash;

    /// <summary>The multihash, 34 to 44 bytes; empty for <c>default</c>.</summary>
    public ReadOnlySpan<byte> Bytes => _multihash;

    /// <summary>Whether this is <c>default</c>.</summary>
    public bool IsDefault => _multihash is null;

    /// <summary>The peer id of an Ed25519 public key of 32 bytes.</summary>
    public static PeerId FromEd25519(ReadOnlySpan<byte> publicKey)
    {
        if (publicKey.Length != Ed25519Key.PublicKeyBytes) throw new ArgumentException("an Ed25519 public key has 32 bytes", nameof(publicKey));
        return new PeerId([.. Ed25519Prefix, .. publicKey]);
    }

    /// <summary>Reads a multihash: identity (0x00) of at most 42 bytes or sha2-256 (0x12).</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> multihash, out PeerId peerId)
    {
        peerId = default;
        if (multihash.Length is < 3 or > MaxBytes || multihash[1] != multihash.Length - 2) return false;
        if (multihash[0] is not 0x00 && (multihash[0] is not 0x12 || multihash.Length != 34)) return false;
        peerId = new PeerId(multihash.ToArray());
        return true;
    }

    /// <summary>Reads the text forms: base58btc (12D3Koo..., Qm...), or a CIDv1 with codec libp2p-key in base36 or base32.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PeerId peerId)
    {
        peerId = default;
        if (text.IsEmpty || text.Length > 128) return false;
        if (text[0] is 'Q' or '1') return Multibase.TryFromBase58(text, out var plain) && TryFromBytes(plain, out peerId);
        return Multibase.TryDecode(text, out var cid) && cid is [0x01, 0x72, ..] && TryFromBytes(cid.AsSpan(2), out peerId);
    }

    /// <summary>The Ed25519 public key that this id holds; false for other key types.</summary>
    public bool TryGetEd25519(out ReadOnlySpan<byte> publicKey)
    {
        var held = _multihash is { Length: 38 } && Bytes.StartsWith(Ed25519Prefix);
        publicKey = held ? Bytes[6..] : default;
        return held;
    }

    /// <summary>CIDv1 (libp2p-key) in base36 with its prefix k: 62 characters that fit a DNS label, for host names of URIs.</summary>
    public string ToBase36() => "k" + Multibase.ToBase36([0x01, 0x72, .. Bytes]);

    /// <summary>base58btc, as people see it.</summary>
    public override string ToString() => _multihash is null ? "" : Multibase.ToBase58(_multihash);

    /// <inheritdoc/>
    public bool Equals(PeerId other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is PeerId other && Equals(other);

    /// <summary>A fixed hash of the last bytes (a key or a digest, so uniform): the same in every process.</summary>
    public override int GetHashCode() => _multihash is { Length: >= 4 } held ? BinaryPrimitives.ReadInt32LittleEndian(held.AsSpan(held.Length - 4)) : 0;

    /// <inheritdoc/>
    public int CompareTo(PeerId other) => Bytes.SequenceCompareTo(other.Bytes);

    /// <summary>Equality by bytes.</summary>
    public static bool operator ==(PeerId left, PeerId right) => left.Equals(right);

    /// <summary>Inequality by bytes.</summary>
    public static bool operator !=(PeerId left, PeerId right) => !left.Equals(right);

    /// <summary>Order by bytes.</summary>
    public static bool operator <(PeerId left, PeerId right) => left.CompareTo(right) < 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >(PeerId left, PeerId right) => left.CompareTo(right) > 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator <=(PeerId left, PeerId right) => left.CompareTo(right) <= 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >=(PeerId left, PeerId right) => left.CompareTo(right) >= 0;
}
