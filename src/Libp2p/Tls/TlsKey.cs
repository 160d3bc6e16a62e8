using System.Formats.Asn1;
using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Tls;

/// <summary>
/// Signatures by the keys of certificates: ECDSA on the NIST curves and RSA (PKCS #1 v1.5), both over SHA-256, 384 or 512, and Ed25519. These are what libp2p
/// implementations make; MD5, SHA-1 and RSA-PSS are refused.
/// </summary>
internal static class TlsKey
{
    private const string Ed25519Oid = "1.3.101.112";
    private const int Ed25519PrefixBytes = 12; // SubjectPublicKeyInfo of RFC 8410: everything before the 32 bytes of the key is constant

    private static ReadOnlySpan<byte> Ed25519Prefix => [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    /// <summary>Whether a key in its SubjectPublicKeyInfo made the signature; false for anything malformed.</summary>
    /// <param name="key">The SubjectPublicKeyInfo, DER.</param>
    /// <param name="algorithm">The AlgorithmIdentifier, DER.</param>
    /// <param name="message">What is signed.</param>
    /// <param name="signature">The signature.</param>
    public static bool Verify(ReadOnlySpan<byte> key, ReadOnlySpan<byte> algorithm, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        try
        {
            var oid = ReadAlgorithm(algorithm, out var hasNull);
            switch (oid)
            {
                case Ed25519Oid:
                    return !hasNull && key.Length == Ed25519PrefixBytes + Ed25519Key.PublicKeyBytes && key.StartsWith(Ed25519Prefix)
                        && Ed25519Key.Verify(key[Ed25519PrefixBytes..], message, signature);
                case "1.2.840.10045.4.3.2" or "1.2.840.10045.4.3.3" or "1.2.840.10045.4.3.4":
                    if (hasNull) return false;
                    using (var ecdsa = PublicKeys.ImportEcdsa(key)) return ecdsa.VerifyData(message, signature, HashOf(oid[^1] - '1'), DSASignatureFormat.Rfc3279DerSequence);
                case "1.2.840.113549.1.1.11" or "1.2.840.113549.1.1.12" or "1.2.840.113549.1.1.13":
                    using (var rsa = PublicKeys.ImportRsa(key)) return rsa.VerifyData(message, signature, HashOf(oid[^1] - '0'), RSASignaturePadding.Pkcs1);
                default:
                    return false;
            }
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException or PlatformNotSupportedException or ArgumentException)
        {
            return false;
        }
    }

    private static HashAlgorithmName HashOf(int number) => number switch { 1 => HashAlgorithmName.SHA256, 2 => HashAlgorithmName.SHA384, _ => HashAlgorithmName.SHA512 };

    // AlgorithmIdentifier = SEQUENCE { algorithm OID, parameters NULL OPTIONAL }; RFC 5280, section 4.1.1.2
    private static string ReadAlgorithm(ReadOnlySpan<byte> der, out bool hasNull)
    {
        var outer = new AsnReader(der.ToArray(), AsnEncodingRules.DER);
        var parts = outer.ReadSequence();
        outer.ThrowIfNotEmpty();
        var oid = parts.ReadObjectIdentifier();
        hasNull = parts.HasData;
        if (hasNull) parts.ReadNull();
        parts.ThrowIfNotEmpty();
        return oid;
    }
}
