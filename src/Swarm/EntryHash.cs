using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Swarm;

/// <summary>SHA-256 of an entry's signed bytes: the entry's name. Orders by its bytes; <c>default</c> is no entry.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct EntryHash : IComparable<EntryHash>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 32;

    private readonly ulong _a, _b, _c, _d; // big-endian words, so that numbers order as bytes do

    private EntryHash(ReadOnlySpan<byte> bytes)
    {
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>Whether this is <c>default</c>.</summary>
    public bool IsDefault => (_a | _b | _c | _d) == 0;

    /// <summary>The hash of an entry's bytes (without the signature).</summary>
    public static EntryHash Of(ReadOnlySpan<byte> entryBytes) => new(SHA256.HashData(entryBytes));

    /// <summary>Reads 32 bytes; false for any other length and for all zeros.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, out EntryHash hash)
    {
        hash = bytes.Length == Size ? new EntryHash(bytes) : default;
        return !hash.IsDefault;
    }

    /// <summary>Reads the text form (base32, 52 characters).</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out EntryHash hash)
    {
        hash = default;
        return Multibase.TryFromBase32(text, out var bytes) && TryFromBytes(bytes, out hash);
    }

    /// <summary>The 32 bytes.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Writes the 32 bytes.</summary>
    public void CopyTo(Span<byte> output)
    {
        BinaryPrimitives.WriteUInt64BigEndian(output, _a);
        BinaryPrimitives.WriteUInt64BigEndian(output[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(output[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(output[24..], _d);
    }

    /// <summary>The first 16 bytes, as digests name entries.</summary>
    internal UInt128 Short => new(_a, _b);

    /// <summary>base32, lower case, 52 characters.</summary>
    public override string ToString() => Multibase.ToBase32(ToBytes());

    /// <summary>The hash is uniform already; the same in every process.</summary>
    public override int GetHashCode() => (int)_d;

    /// <inheritdoc/>
    public int CompareTo(EntryHash other)
    {
        var order = _a.CompareTo(other._a);
        if (order == 0) order = _b.CompareTo(other._b);
        if (order == 0) order = _c.CompareTo(other._c);
        return order == 0 ? _d.CompareTo(other._d) : order;
    }

    /// <summary>Order by bytes.</summary>
    public static bool operator <(EntryHash left, EntryHash right) => left.CompareTo(right) < 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >(EntryHash left, EntryHash right) => left.CompareTo(right) > 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator <=(EntryHash left, EntryHash right) => left.CompareTo(right) <= 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >=(EntryHash left, EntryHash right) => left.CompareTo(right) >= 0;
}

/// <summary>A swarm's name among machines: the hash of its genesis entry. Its text is base32, 52 characters.</summary>
public readonly record struct SwarmId(EntryHash Genesis) : IComparable<SwarmId>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = EntryHash.Size;

    /// <summary>Reads 32 bytes.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, out SwarmId id)
    {
        var read = EntryHash.TryFromBytes(bytes, out var hash);
        id = new SwarmId(hash);
        return read;
    }

    /// <summary>Reads the text form.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out SwarmId id)
    {
        var read = EntryHash.TryParse(text, out var hash);
        id = new SwarmId(hash);
        return read;
    }

    /// <summary>The 32 bytes.</summary>
    public byte[] ToBytes() => Genesis.ToBytes();

    /// <summary>base32, lower case, 52 characters.</summary>
    public override string ToString() => Genesis.ToString();

    /// <inheritdoc/>
    public int CompareTo(SwarmId other) => Genesis.CompareTo(other.Genesis);

    /// <summary>Order by bytes.</summary>
    public static bool operator <(SwarmId left, SwarmId right) => left.CompareTo(right) < 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >(SwarmId left, SwarmId right) => left.CompareTo(right) > 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator <=(SwarmId left, SwarmId right) => left.CompareTo(right) <= 0;

    /// <summary>Order by bytes.</summary>
    public static bool operator >=(SwarmId left, SwarmId right) => left.CompareTo(right) >= 0;
}
