using System.Security.Cryptography;

namespace PeoplesCloud.Content;

/// <summary>
/// A digest that says how it was made (multiformats): <c>multihash = code:varint length:varint digest</c>, here with the two functions
/// that are known to us, whose codes and lengths take one byte each.
/// </summary>
public static class Multihash
{
    /// <summary>The code of SHA-256.</summary>
    public const byte Sha256 = 0x12;

    /// <summary>The code of BLAKE3.</summary>
    public const byte Blake3 = 0x1e;

    /// <summary>Length in bytes, of both: code, length and 32 bytes of digest.</summary>
    public const int Bytes = 34;

    /// <summary>The multihash of some bytes.</summary>
    /// <param name="code"><see cref="Sha256"/> or <see cref="Blake3"/>.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="multihash">Gets 34 bytes.</param>
    public static void Compute(byte code, ReadOnlySpan<byte> data, Span<byte> multihash)
    {
        multihash = multihash[..Bytes];
        (multihash[0], multihash[1]) = (code, 32);
        if (code == Blake3) Content.Blake3.Hash(data, multihash[2..]);
        else if (code == Sha256) SHA256.HashData(data, multihash[2..]);
        else throw new ArgumentOutOfRangeException(nameof(code), code, "a hash function that is not known here");
    }

    /// <summary>Whether this is a multihash of one of the two functions, and that of some bytes.</summary>
    public static bool Matches(ReadOnlySpan<byte> multihash, ReadOnlySpan<byte> data)
    {
        if (multihash.Length != Bytes || multihash[1] != 32 || multihash[0] is not (Sha256 or Blake3)) return false;
        Span<byte> computed = stackalloc byte[Bytes];
        Compute(multihash[0], data, computed);
        return computed.SequenceEqual(multihash);
    }
}
