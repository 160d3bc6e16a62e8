using System.Buffers.Binary;
using System.Security.Cryptography;

namespace PeoplesCloud.Libp2p.Noise;

/// <summary>
/// A Noise CipherState with ChaCha20-Poly1305: a key and a counter that is the nonce (4 zero bytes, 8 bytes little-endian).
/// Source: Noise Protocol Framework revision 34, sections 5.1 and 12.3.
/// </summary>
internal sealed class NoiseCipher : IDisposable
{
    public const int KeyBytes = 32;
    public const int TagBytes = 16;

    private readonly ChaCha20Poly1305 _cipher;
    private ulong _counter;

    public NoiseCipher(ReadOnlySpan<byte> key) => _cipher = new ChaCha20Poly1305(key);

    /// <summary>Encrypts; the target may be the text itself.</summary>
    public void Encrypt(ReadOnlySpan<byte> text, Span<byte> target, Span<byte> tag, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[12];
        NextNonce(nonce);
        _cipher.Encrypt(nonce, text, target, tag, associatedData);
    }

    /// <summary>Decrypts; the target may be the text itself. False when the tag does not fit, after which the cipher must not be used.</summary>
    public bool TryDecrypt(ReadOnlySpan<byte> text, ReadOnlySpan<byte> tag, Span<byte> target, ReadOnlySpan<byte> associatedData = default)
    {
        Span<byte> nonce = stackalloc byte[12];
        NextNonce(nonce);
        try
        {
            _cipher.Decrypt(nonce, text, tag, target, associatedData);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    public void Dispose() => _cipher.Dispose();

    private void NextNonce(Span<byte> nonce)
    {
        // The counter 2^64-1 is reserved; no connection lives that long, but a repeated nonce would give the key away.
        Base.Invariant.Check(_counter != ulong.MaxValue, "a Noise key encrypts fewer than 2^64-1 messages");
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], _counter++);
    }
}
