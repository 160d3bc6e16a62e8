using System.Security.Cryptography;

namespace PeoplesCloud.Base.Crypto;

/// <summary>Ed25519 (RFC 8032) through the system's libcrypto.</summary>
public sealed class Ed25519Key : IDisposable
{
    /// <summary>Length of a private seed, in bytes.</summary>
    public const int SeedBytes = 32;

    /// <summary>Length of a public key, in bytes.</summary>
    public const int PublicKeyBytes = 32;

    /// <summary>Length of a signature, in bytes.</summary>
    public const int SignatureBytes = 64;

    private readonly LibCrypto.EvpKey _key;
    private readonly byte[] _publicKey = new byte[PublicKeyBytes];

    /// <summary>Loads a private key from its 32-byte seed.</summary>
    /// <exception cref="ArgumentException">The seed does not have 32 bytes.</exception>
    public Ed25519Key(ReadOnlySpan<byte> seed) => _key = LibCrypto.LoadPrivate(LibCrypto.Ed25519, seed, _publicKey);

    /// <summary>The public key, 32 bytes.</summary>
    public ReadOnlyMemory<byte> PublicKey => _publicKey;

    /// <summary>A new key from the system's random numbers; the seed is what is kept in identity.key.</summary>
    public static byte[] NewSeed() => RandomNumberGenerator.GetBytes(SeedBytes);

    /// <summary>Signs; 64 bytes. Thread-safe.</summary>
    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        using var context = LibCrypto.EVP_MD_CTX_new();
        var signature = new byte[SignatureBytes];
        var length = (nuint)signature.Length;
        Invariant.Check(LibCrypto.EVP_DigestSignInit(context, 0, 0, 0, _key) == 1
            && LibCrypto.EVP_DigestSign(context, signature, ref length, message, (nuint)message.Length) == 1
            && length == SignatureBytes, "libcrypto signs with Ed25519");
        return signature;
    }

    /// <summary>Whether the signature is valid; false for wrong lengths and invalid points. Thread-safe.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != PublicKeyBytes || signature.Length != SignatureBytes) return false;
        using var key = LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.Ed25519, 0, publicKey, (nuint)publicKey.Length);
        using var context = LibCrypto.EVP_MD_CTX_new();
        var valid = !key.IsInvalid
            && LibCrypto.EVP_DigestVerifyInit(context, 0, 0, 0, key) == 1
            && LibCrypto.EVP_DigestVerify(context, signature, (nuint)signature.Length, message, (nuint)message.Length) == 1;
        if (!valid) LibCrypto.ERR_clear_error(); // what is left on this thread's queue would surface in an unrelated TLS call
        return valid;
    }

    /// <summary>Frees the key.</summary>
    public void Dispose() => _key.Dispose();
}
