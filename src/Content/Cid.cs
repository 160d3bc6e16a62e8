using System.Buffers.Binary;
using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Content;

/// <summary>
/// A content identifier (multiformats CID specification) of version 0 or 1 with a sha2-256 digest; other hash functions are
/// refused for now. Version 0 means dag-pb. Compares by its binary form.
/// </summary>
public readonly struct Cid : IEquatable<Cid>, IComparable<Cid>
{
    /// <summary>Multicodec of dag-pb.</summary>
    public const byte DagPb = 0x70;

    /// <summary>Multicodec of raw bytes.</summary>
    public const byte Raw = 0x55;

    private readonly byte[]? _bytes;

    private Cid(byte[] bytes) => _bytes = bytes;

    /// <summary>0 or 1.</summary>
    public int Version => _bytes is { Length: 34 } ? 0 : 1;

    /// <summary><see cref="DagPb"/> or <see cref="Raw"/>.</summary>
    public byte Codec => Version == 0 ? DagPb : _bytes![1];

    /// <summary>The sha2-256 digest, 32 bytes.</summary>
    public ReadOnlySpan<byte> Digest => _bytes is null ? default : Bytes[^32..];

    /// <summary>The binary form: 34 bytes (version 0) or 36 bytes (version 1); empty for <c>default</c>.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Whether this is <c>default</c>.</summary>
    public bool IsDefault => _bytes is null;

    /// <summary>Version 0 of a sha2-256 digest.</summary>
    public static Cid V0(ReadOnlySpan<byte> digest) => new([0x12, 0x20, .. Checked(digest)]);

    /// <summary>Version 1 of a sha2-256 digest.</summary>
    public static Cid V1(byte codec, ReadOnlySpan<byte> digest) => new([0x01, codec, 0x12, 0x20, .. Checked(digest)]);

    /// <summary>Whether these bytes are what this CID names.</summary>
    public bool Matches(ReadOnlySpan<byte> block) => Digest.SequenceEqual(SHA256.HashData(block));

    /// <summary>Reads the binary form, all of it.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, out Cid cid)
    {
        var known = bytes is [0x12, 0x20, ..] && bytes.Length == 34
            || bytes is [0x01, DagPb or Raw, 0x12, 0x20, ..] && bytes.Length == 36;
        cid = known ? new Cid(bytes.ToArray()) : default;
        return known;
    }

    /// <summary>Reads the text forms: Qm... (version 0), or version 1 in base32, base36, base58 or hex with its multibase prefix.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Cid cid)
    {
        cid = default;
        if (text.Length == 46 && text.StartsWith("Qm")) return Multibase.TryFromBase58(text, out var zero) && TryFromBytes(zero, out cid) && cid.Version == 0;
        return Multibase.TryDecode(text, out var one) && TryFromBytes(one, out cid) && cid.Version == 1;
    }

    /// <summary>Reads a text form that a person gave.</summary>
    /// <exception cref="PcException">The text is no CID that we know (<see cref="ErrorCode.InvalidCid"/>).</exception>
    public static Cid Parse(string text) => TryParse(text, out var cid)
        ? cid
        : throw new PcException(ErrorCode.InvalidCid, $"\"{(text.Length > 80 ? text[..80] + "..." : text)}\" is not a CID");

    /// <summary>Qm... for version 0, bafy.../bafk... (base32) for version 1.</summary>
    public override string ToString() => _bytes is null ? "" : Version == 0 ? Multibase.ToBase58(_bytes) : "b" + Multibase.ToBase32(_bytes);

    /// <inheritdoc/>
    public bool Equals(Cid other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Cid other && Equals(other);

    /// <summary>A fixed hash of the digest: the same in every process.</summary>
    public override int GetHashCode() => _bytes is null ? 0 : BinaryPrimitives.ReadInt32LittleEndian(Digest);

    /// <inheritdoc/>
    public int CompareTo(Cid other) => Bytes.SequenceCompareTo(other.Bytes);

    /// <summary>Equality by bytes.</summary>
    public static bool operator ==(Cid left, Cid right) => left.Equals(right);

    /// <summary>Inequality by bytes.</summary>
    public static bool operator !=(Cid left, Cid right) => !left.Equals(right);

    /// <summary>Order by bytes.</summary>
    public static bool operator <(Cid left, Cid right) => left.CompareTo(right) < 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >(Cid left, Cid right) => left.CompareTo(right) > 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator <=(Cid left, Cid right) => left.CompareTo(right) <= 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >=(Cid left, Cid right) => left.CompareTo(right) >= 0;

    // Fuzz target: what is accepted is written back the same, in both forms.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryFromBytes(input, out var cid))
        {
            Invariant.Check(cid.Bytes.SequenceEqual(input), "a CID is written as it was read");
            Invariant.Check(TryParse(cid.ToString(), out var again) && again == cid, "a CID's text names the same CID");
        }
        var text = System.Text.Encoding.Latin1.GetString(input);
        if (TryParse(text, out var parsed)) Invariant.Check(TryFromBytes(parsed.Bytes, out var same) && same == parsed, "a parsed CID is valid");
    }

    private static ReadOnlySpan<byte> Checked(ReadOnlySpan<byte> digest) =>
        digest.Length == 32 ? digest : throw new ArgumentException("a sha2-256 digest has 32 bytes", nameof(digest));
}
