using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace PeoplesCloud.Base.Crypto;

/// <summary>
/// A box that only the owner of an X25519 key opens: an ephemeral key, HKDF-SHA256 (RFC 5869) over the shared secret with both
/// public keys and the context as info, ChaCha20-Poly1305 (RFC 8439) with a zero nonce, since every box has a key of its own.
/// <code>box = version:u8(1) ephemeral:32 ciphertext:n tag:16</code>
/// </summary>
public static class SealedBox
{
    /// <summary>Bytes that a box is longer than its content.</summary>
    public const int Overhead = 1 + X25519Key.KeyBytes + TagBytes;

    private const byte Version = 1;
    private const int TagBytes = 16;
    private static ReadOnlySpan<byte> Domain => "peoples-cloud sealed box 1:"u8;

    /// <summary>Seals to a public key of 32 bytes; <paramref name="context"/> (what the secret is for) must be the same when opened.</summary>
    /// <exception cref="ArgumentException">The public key is no usable X25519 key.</exception>
    public static byte[] Seal(ReadOnlySpan<byte> recipientPublicKey, ReadOnlySpan<byte> context, ReadOnlySpan<byte> content)
    {
        using var ephemeral = new X25519Key(X25519Key.NewPrivateKey());
        Span<byte> secret = stackalloc byte[X25519Key.KeyBytes];
        if (!ephemeral.TryDerive(recipientPublicKey, secret)) throw new ArgumentException("not a usable X25519 public key", nameof(recipientPublicKey));
        var box = new byte[Overhead + content.Length];
        box[0] = Version;
        ephemeral.PublicKey.Span.CopyTo(box.AsSpan(1));
        using var cipher = CipherFor(secret, ephemeral.PublicKey.Span, recipientPublicKey, context);
        cipher.Encrypt(stackalloc byte[12], content, box.AsSpan(1 + X25519Key.KeyBytes, content.Length), box.AsSpan(box.Length - TagBytes));
        CryptographicOperations.ZeroMemory(secret);
        return box;
    }

    /// <summary>Opens a box; false when it is damaged, of another version, for another key or of another context.</summary>
    public static bool TryOpen(X25519Key recipient, ReadOnlySpan<byte> context, ReadOnlySpan<byte> box, [NotNullWhen(true)] out byte[]? content)
    {
        content = null;
        if (box.Length < Overhead || box[0] != Version) return false;
        var ephemeral = box.Slice(1, X25519Key.KeyBytes);
        Span<byte> secret = stackalloc byte[X25519Key.KeyBytes];
        if (!recipient.TryDerive(ephemeral, secret)) return false;
        using var cipher = CipherFor(secret, ephemeral, recipient.PublicKey.Span, context);
        CryptographicOperations.ZeroMemory(secret);
        var opened = new byte[box.Length - Overhead];
        try
        {
            cipher.Decrypt(stackalloc byte[12], box.Slice(1 + X25519Key.KeyBytes, opened.Length), box[^TagBytes..], opened);
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        content = opened;
        return true;
    }

    private static ChaCha20Poly1305 CipherFor(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> ephemeral, ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> context)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, [], [.. Domain, .. ephemeral, .. recipient, .. context]);
        var cipher = new ChaCha20Poly1305(key);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }
}
