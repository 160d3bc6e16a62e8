using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Noise;

/// <summary>
/// The handshake Noise_XX_25519_ChaChaPoly_SHA256 as a synchronous state machine: message in, payload out, and the reverse.
/// Source: Noise Protocol Framework revision 34, sections 5 (processing rules) and 7.5 (interactive patterns).
/// <code>
/// -> e                 message 0, by the initiator
/// &lt;- e, ee, s, es      message 1
/// -> s, se             message 2
/// </code>
/// A method that answers false leaves a machine that must be thrown away.
/// </summary>
internal sealed class NoiseXX : IDisposable
{
    /// <summary>What a handshake message is longer than its payload, at most: two keys and two tags.</summary>
    public const int MaxOverheadBytes = 2 * X25519Key.KeyBytes + 2 * NoiseCipher.TagBytes;

    private readonly bool _initiator;
    private readonly X25519Key _static;
    private readonly X25519Key _ephemeral;
    private readonly byte[] _remoteEphemeral = new byte[X25519Key.KeyBytes];
    private readonly byte[] _chainingKey;
    private readonly byte[] _hash;
    private NoiseCipher? _cipher;
    private int _message;

    /// <summary>Starts a handshake; the keys belong to the machine from now on.</summary>
    public NoiseXX(bool initiator, X25519Key staticKey, X25519Key ephemeralKey, ReadOnlySpan<byte> prologue = default)
    {
        _initiator = initiator;
        _static = staticKey;
        _ephemeral = ephemeralKey;
        _hash = "Noise_XX_25519_ChaChaPoly_SHA256"u8.ToArray(); // exactly 32 bytes, so it is not hashed
        _chainingKey = (byte[])_hash.Clone();
        MixHash(prologue);
    }

    /// <summary>The other side's static key, 32 bytes, once it was received.</summary>
    public byte[]? RemoteStatic { get; private set; }

    /// <summary>Whether all three messages went through.</summary>
    public bool IsComplete => _message == 3;

    /// <summary>The hash of everything that was said; both sides have the same, and nobody else.</summary>
    public ReadOnlySpan<byte> HandshakeHash => _hash;

    /// <summary>Whether the next message is ours to write.</summary>
    public bool IsOurTurn => _message < 3 && (_message % 2 == 0) == _initiator;

    /// <summary>Writes the next message; false when the other side's key is unusable.</summary>
    public bool TryWrite(ReadOnlySpan<byte> payload, Span<byte> output, out int written)
    {
        Base.Invariant.Check(IsOurTurn, "Noise messages are written in turn");
        written = 0;
        if (_message < 2)
        {
            _ephemeral.PublicKey.Span.CopyTo(output);
            MixHash(output[..X25519Key.KeyBytes]);
            written += X25519Key.KeyBytes;
        }
        if (_message == 1 && !TryMixKey(_ephemeral, _remoteEphemeral)) return false; // ee
        if (_message > 0)
        {
            written += EncryptAndHash(_static.PublicKey.Span, output[written..]); // s
            if (!TryMixKey(_static, _remoteEphemeral)) return false; // es (by the responder), se (by the initiator)
        }
        written += EncryptAndHash(payload, output[written..]);
        _message++;
        return true;
    }

    /// <summary>Reads the other side's message, decrypting in place; false when it is truncated, damaged or holds an unusable key.</summary>
    public bool TryRead(Span<byte> message, out ReadOnlySpan<byte> payload)
    {
        Base.Invariant.Check(!IsOurTurn && !IsComplete, "Noise messages are read in turn");
        payload = default;
        if (_message < 2)
        {
            if (message.Length < X25519Key.KeyBytes) return false;
            message[..X25519Key.KeyBytes].CopyTo(_remoteEphemeral);
            MixHash(_remoteEphemeral);
            message = message[X25519Key.KeyBytes..];
        }
        if (_message == 1 && !TryMixKey(_ephemeral, _remoteEphemeral)) return false; // ee
        if (_message > 0)
        {
            const int sealedBytes = X25519Key.KeyBytes + NoiseCipher.TagBytes;
            if (message.Length < sealedBytes || !TryDecryptAndHash(message[..sealedBytes], out var remoteStatic)) return false; // s
            RemoteStatic = remoteStatic.ToArray();
            if (!TryMixKey(_ephemeral, RemoteStatic)) return false; // es (read by the initiator), se (read by the responder)
            message = message[sealedBytes..];
        }
        if (!TryDecryptAndHash(message, out payload)) return false;
        _message++;
        return true;
    }

    /// <summary>The two transport ciphers, ours to send with and ours to receive with.</summary>
    public (NoiseCipher Send, NoiseCipher Receive) Split()
    {
        Base.Invariant.Check(IsComplete, "a Noise handshake is split when it is complete");
        Span<byte> keys = stackalloc byte[2 * NoiseCipher.KeyBytes];
        DeriveKeys([], keys);
        var fromInitiator = new NoiseCipher(keys[..NoiseCipher.KeyBytes]);
        var fromResponder = new NoiseCipher(keys[NoiseCipher.KeyBytes..]);
        CryptographicOperations.ZeroMemory(keys);
        return _initiator ? (fromInitiator, fromResponder) : (fromResponder, fromInitiator);
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_chainingKey);
        _cipher?.Dispose();
        _ephemeral.Dispose();
        _static.Dispose();
    }

    private void MixHash(ReadOnlySpan<byte> data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(_hash);
        hash.AppendData(data);
        hash.GetHashAndReset(_hash);
    }

    private bool TryMixKey(X25519Key ours, ReadOnlySpan<byte> theirs)
    {
        Span<byte> secret = stackalloc byte[X25519Key.KeyBytes];
        if (!ours.TryDerive(theirs, secret)) return false; // of small order: the secret would not depend on our key
        Span<byte> keys = stackalloc byte[2 * NoiseCipher.KeyBytes];
        DeriveKeys(secret, keys);
        keys[..NoiseCipher.KeyBytes].CopyTo(_chainingKey);
        _cipher?.Dispose();
        _cipher = new NoiseCipher(keys[NoiseCipher.KeyBytes..]);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(keys);
        return true;
    }

    // Noise's HKDF (section 4.3) with two outputs, from HMACs: the HKDF of OpenSSL refuses the empty input of Split.
    private void DeriveKeys(ReadOnlySpan<byte> input, Span<byte> keys)
    {
        const int size = NoiseCipher.KeyBytes;
        Span<byte> temporaryKey = stackalloc byte[size];
        HMACSHA256.HashData(_chainingKey, input, temporaryKey);
        HMACSHA256.HashData(temporaryKey, [1], keys[..size]);
        HMACSHA256.HashData(temporaryKey, [.. keys[..size], 2], keys[size..]);
        CryptographicOperations.ZeroMemory(temporaryKey);
    }

    private int EncryptAndHash(ReadOnlySpan<byte> text, Span<byte> output)
    {
        var length = text.Length;
        if (_cipher is null) text.CopyTo(output);
        else
        {
            _cipher.Encrypt(text, output[..text.Length], output.Slice(text.Length, NoiseCipher.TagBytes), _hash);
            length += NoiseCipher.TagBytes;
        }
        MixHash(output[..length]);
        return length;
    }

    private bool TryDecryptAndHash(Span<byte> data, out ReadOnlySpan<byte> text)
    {
        text = data;
        if (_cipher is null)
        {
            MixHash(data);
            return true;
        }
        if (data.Length < NoiseCipher.TagBytes) return false;
        Span<byte> before = stackalloc byte[_hash.Length];
        _hash.CopyTo(before);
        MixHash(data); // the hash covers the ciphertext, which decrypting in place overwrites
        text = data[..^NoiseCipher.TagBytes];
        return _cipher.TryDecrypt(data[..^NoiseCipher.TagBytes], data[^NoiseCipher.TagBytes..], data[..^NoiseCipher.TagBytes], before);
    }
}
