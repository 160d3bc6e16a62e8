using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Wire;

namespace PeoplesCloud.Libp2p;

// PublicKey = { required Type = 1 (enum); required Data = 2 (bytes) }     protobuf; libp2p peer-ids specification
// peer id   = identity multihash of the encoding when it has at most 42 bytes, else its sha2-256 multihash
/// <summary>
/// Public keys of other nodes, of all four types. An encoding that is not the canonical one (fields in order, shortest varints,
/// nothing else) is refused: the peer id is a hash of these bytes, so a second encoding would be a second name for one key.
/// </summary>
internal static class PublicKeys
{
    /// <summary>The longest encoded key, in bytes: an RSA key of 8,192 bits takes 1,066.</summary>
    public const int MaxBytes = 1200;

    /// <summary>The longest signature, in bytes: RSA with 8,192 bits.</summary>
    public const int MaxSignatureBytes = 1024;

    private const int MinRsaBits = 2048, MaxRsaBits = 8192;
    private const int MaxIdentityBytes = 42;
    private const int EcdsaP256 = 256;

    /// <summary>Our own key as others read it.</summary>
    public static byte[] EncodeEd25519(ReadOnlySpan<byte> publicKey) => Encode(KeyType.Ed25519, publicKey);

    /// <summary>The canonical encoding.</summary>
    public static byte[] Encode(KeyType type, ReadOnlySpan<byte> data)
    {
        var output = new ProtoWriter();
        output.WriteVarint(1, (ulong)type);
        output.WriteBytes(2, data);
        return output.ToArray();
    }

    /// <summary>Reads a public key; false for unknown types, unusable keys and encodings that are not canonical.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out RemoteKey? key)
    {
        key = null;
        if (encoded.Length is 0 or > MaxBytes) return false;
        var reader = new ProtoReader(encoded);
        if (!reader.TryReadField(out var typeField) || typeField is not { Number: 1, IsVarint: true, Value: <= 3 }) return false;
        if (!reader.TryReadField(out var dataField) || dataField is not { Number: 2, IsVarint: false }) return false;
        var type = (KeyType)typeField.Value;
        if (!reader.AtEnd || !encoded.SequenceEqual(Encode(type, dataField.Bytes)) || !IsUsable(type, dataField.Bytes)) return false;
        key = new RemoteKey(type, dataField.Bytes.ToArray(), PeerIdOf(encoded));
        return true;
    }

    /// <summary>The peer id of an encoded key.</summary>
    public static PeerId PeerIdOf(ReadOnlySpan<byte> encoded)
    {
        byte[] multihash = encoded.Length <= MaxIdentityBytes
            ? [0x00, (byte)encoded.Length, .. encoded]
            : [0x12, SHA256.HashSizeInBytes, .. SHA256.HashData(encoded)];
        return PeerId.TryFromBytes(multihash, out var id) ? id : throw new ArgumentException("an empty key has no peer id", nameof(encoded));
    }

    internal static bool Verify(KeyType type, ReadOnlySpan<byte> data, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (signature.Length is 0 or > MaxSignatureBytes) return false;
        if (type == KeyType.Ed25519) return Ed25519Key.Verify(data, message, signature);
        try
        {
            if (type == KeyType.Rsa)
            {
                using var rsa = ImportRsa(data);
                return rsa.VerifyData(message, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            }
            using var ecdsa = type == KeyType.Ecdsa ? ImportEcdsa(data) : ImportSecp256k1(data);
            return ecdsa.VerifyData(message, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            return false; // a malformed DER signature
        }
    }

    /// <summary>For the fuzzer: a key; what is accepted is canonical, and verifies nothing that it did not sign.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryDecode(input, out var key)) return;
        Base.Invariant.Check(Encode(key.Type, key.Data).AsSpan().SequenceEqual(input), "a key has one encoding");
        Base.Invariant.Check(!key.Verify(input, input[^Math.Min(input.Length, 64)..]), "a key's own bytes are no signature");
    }

    private static bool IsUsable(KeyType type, ReadOnlySpan<byte> data)
    {
        try
        {
            switch (type)
            {
                case KeyType.Ed25519:
                    return data.Length == Ed25519Key.PublicKeyBytes;
                case KeyType.Rsa:
                    using (ImportRsa(data)) return true;
                case KeyType.Ecdsa:
                    using (var ecdsa = ImportEcdsa(data)) return ecdsa.KeySize >= EcdsaP256;
                default:
                    using (ImportSecp256k1(data)) return true;
            }
        }
        catch (Exception e) when (e is CryptographicException or PlatformNotSupportedException or ArgumentException)
        {
            return false;
        }
    }

    /// <exception cref="CryptographicException">It is no RSA key of a usable size.</exception>
    internal static RSA ImportRsa(ReadOnlySpan<byte> der)
    {
        var rsa = RSA.Create();
        try
        {
            rsa.ImportSubjectPublicKeyInfo(der, out var read);
            if (read != der.Length || rsa.KeySize is < MinRsaBits or > MaxRsaBits) throw new CryptographicException("bytes after the key, or a size out of range");
            return rsa;
        }
        catch
        {
            rsa.Dispose();
            throw;
        }
    }

    /// <exception cref="CryptographicException">It is no key on a curve that is accepted.</exception>
    internal static ECDsa ImportEcdsa(ReadOnlySpan<byte> der)
    {
        var ecdsa = ECDsa.Create();
        try
        {
            ecdsa.ImportSubjectPublicKeyInfo(der, out var read);
            // Named NIST curves only: explicit parameters let a stranger choose the group, and secp256k1 has a type of its own.
            var curve = ecdsa.ExportParameters(includePrivateParameters: false).Curve;
            if (read != der.Length || !curve.IsNamed || curve.Oid.Value is not ("1.2.840.10045.3.1.7" or "1.3.132.0.34" or "1.3.132.0.35"))
                throw new CryptographicException("not a key on P-256, P-384 or P-521");
            return ecdsa;
        }
        catch
        {
            ecdsa.Dispose();
            throw;
        }
    }

    // SEC 1 point: 02|03 x (33 bytes) or 04 x y (65 bytes). .NET reads no compressed points, so y is worked out here.
    private static ECDsa ImportSecp256k1(ReadOnlySpan<byte> point)
    {
        var q = point switch
        {
            [0x04, ..] and { Length: 65 } => new ECPoint { X = point[1..33].ToArray(), Y = point[33..].ToArray() },
            [0x02 or 0x03, ..] and { Length: 33 } => Secp256k1.Decompress(point),
            _ => throw new CryptographicException("not a point of secp256k1"),
        };
        return ECDsa.Create(new ECParameters { Curve = Secp256k1.Curve, Q = q }); // refuses what is not on the curve
    }
}

/// <summary>The curve y^2 = x^3 + 7 over p = 2^256 - 2^32 - 977. Source: SEC 2, section 2.4.1; SEC 1, section 2.3.4.</summary>
internal static class Secp256k1
{
    private const int FieldBytes = 32;

    private static readonly BigInteger P = BigInteger.Pow(2, 256) - BigInteger.Pow(2, 32) - 977;

    public static ECCurve Curve { get; } = ECCurve.CreateFromValue("1.3.132.0.10");

    /// <exception cref="CryptographicException">There is no such point.</exception>
    public static ECPoint Decompress(ReadOnlySpan<byte> point)
    {
        var x = new BigInteger(point[1..], isUnsigned: true, isBigEndian: true);
        var square = (BigInteger.ModPow(x, 3, P) + 7) % P;
        var y = BigInteger.ModPow(square, (P + 1) / 4, P); // a root, if there is one, as p = 3 mod 4
        if (x >= P || y * y % P != square) throw new CryptographicException("not a point of secp256k1");
        if (y.IsEven != (point[0] == 0x02)) y = P - y;
        var bytes = new byte[FieldBytes];
        var length = y.GetByteCount(isUnsigned: true);
        _ = y.TryWriteBytes(bytes.AsSpan(FieldBytes - length), out _, isUnsigned: true, isBigEndian: true);
        return new ECPoint { X = point[1..].ToArray(), Y = bytes };
    }
}
