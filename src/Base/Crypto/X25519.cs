using System.Security.Cryptography;

namespace PeoplesCloud.Base.Crypto;

/// <summary>X25519 (RFC 7748) through the system's libcrypto.</summary>
public sealed class X25519Key : IDisposable
{
    /// <summary>Length of private keys, public keys and shared secrets, in bytes.</summary>
    public const int KeyBytes = 32;

    private readonly LibCrypto.EvpKey _key;
    private readonly byte[] _publicKey = new byte[KeyBytes];

    /// <summary>Loads a private key of 32 bytes.</summary>
    /// <exception cref="ArgumentException">The key does not have 32 bytes.</exception>
    public X25519Key(ReadOnlySpan<byte> privateKey) => _key = LibCrypto.LoadPrivate(LibCrypto.X25519, privateKey, _publicKey);

    /// <summary>The public key, 32 bytes.</summary>
    public ReadOnlyMemory<byte> PublicKey => _publicKey;

    /// <summary>32 random bytes for a new private key.</summary>
    public static byte[] NewPrivateKey() => RandomNumberGenerator.GetBytes(KeyBytes);

    /// <summary>The shared secret, 32 bytes; false when the other side's key has small order (all-zero result). Thread-safe.</summary>
    public bool TryDerive(ReadOnlySpan<byte> otherPublicKey, Span<byte> secret)
    {
        if (otherPublicKey.Length != KeyBytes || secret.Length != KeyBytes) return false;
        using var other = LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.X25519, 0, otherPublicKey, KeyBytes);
        using var context = LibCrypto.EVP_PKEY_CTX_new(_key, 0);
        var length = (nuint)KeyBytes;
        var derived = !other.IsInvalid && !context.IsInvalid
            && LibCrypto.EVP_PKEY_derive_init(context) == 1
            && LibCrypto.EVP_PKEY_derive_set_peer(context, other) == 1
            && LibCrypto.EVP_PKEY_derive(context, secret, ref length) == 1;
        if (!derived)
        {
            LibCrypto.ERR_clear_error();
            return false;
        }
        return secret.ContainsAnyExcept((byte)0);
    }

    /// <summary>Frees the key.</summary>
    public void Dispose() => _key.Dispose();
}
