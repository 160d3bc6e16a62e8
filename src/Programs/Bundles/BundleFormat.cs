using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>Why bytes are no bundle header.</summary>
internal enum BundleStatus
{
    /// <summary>It is one, and the key fits.</summary>
    Done,

    /// <summary>Fewer bytes than a header has.</summary>
    NeedMore,

    /// <summary>Not the magic of a bundle.</summary>
    NotABundle,

    /// <summary>A version, cipher or chunk size that this program does not know.</summary>
    UnknownVersion,

    /// <summary>A bundle, sealed with another key.</summary>
    WrongKey,
}

/// <summary>
/// The encrypted form of a program's tar: chunked authenticated encryption in the STREAM construction (Hoang, Reyhanitabar,
/// Rogaway, Vizar: Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, 2015), bound to its header; docs/layouts/bundle.md.
/// <code>
/// bundle     = header chunk* last
/// header     = "PCBN" version:u8(1) cipher:u8(1) chunk-log2:u8(16) zero:u8 salt:24 commitment:32      64 bytes
/// chunk      = ciphertext:65536 tag:16
/// last       = ciphertext:0..65536 tag:16                                    empty only when the tar is
/// stream-key, prefix:7, commitment = HKDF-SHA256(key, salt, "peoples-cloud bundle 1" header[0..8]), 32 + 7 + 32 bytes
/// nonce      = prefix:7 index:u32 last:u8(0 or 1)                            big-endian
/// </code>
/// The cipher is ChaCha20-Poly1305 (RFC 8439), bound to the header by its associated data: it is as fast on processors without AES
/// instructions (a Raspberry Pi 4), and hashing for the CID takes longer on both. ChaCha20-Poly1305 does not commit to its key, so
/// the header does: two guardians with different keys cannot be shown two programs under one CID.
/// </summary>
internal static class BundleFormat
{
    /// <summary>Bytes of a header.</summary>
    public const int HeaderBytes = 64;

    /// <summary>Plain bytes of every chunk but the last.</summary>
    public const int ChunkBytes = 1 << ChunkLog2;

    /// <summary>Bytes that a chunk is longer than its plain bytes.</summary>
    public const int TagBytes = 16;

    /// <summary>Bytes of the salt in the header.</summary>
    public const int SaltBytes = 24;

    private const int ChunkLog2 = 16;
    private const int CommitmentBytes = 32;
    private const int PrefixBytes = 7;
    private const int StreamKeyBytes = 32;

    private static ReadOnlySpan<byte> Start => [(byte)'P', (byte)'C', (byte)'B', (byte)'N', 1, 1, ChunkLog2, 0];

    private static ReadOnlySpan<byte> Domain => "peoples-cloud bundle 1"u8;

    /// <summary>Writes a header and makes the cipher of its chunks.</summary>
    /// <param name="key">32 bytes, used for this bundle only.</param>
    /// <param name="salt">24 random bytes.</param>
    /// <param name="header">Receives 64 bytes.</param>
    public static ChunkCipher Create(ReadOnlySpan<byte> key, ReadOnlySpan<byte> salt, Span<byte> header)
    {
        Start.CopyTo(header);
        salt.CopyTo(header[Start.Length..]);
        return Derive(key, header[..HeaderBytes], header[(Start.Length + SaltBytes)..HeaderBytes]);
    }

    /// <summary>Reads a header and makes the cipher of its chunks.</summary>
    public static BundleStatus TryOpen(ReadOnlySpan<byte> key, ReadOnlySpan<byte> header, [NotNullWhen(true)] out ChunkCipher? cipher)
    {
        cipher = null;
        if (header.Length < HeaderBytes) return BundleStatus.NeedMore;
        if (!header[..4].SequenceEqual(Start[..4])) return BundleStatus.NotABundle;
        if (!header[4..8].SequenceEqual(Start[4..])) return BundleStatus.UnknownVersion;
        Span<byte> commitment = stackalloc byte[CommitmentBytes];
        var derived = Derive(key, header[..HeaderBytes], commitment);
        if (!CryptographicOperations.FixedTimeEquals(commitment, header[^CommitmentBytes..]))
        {
            derived.Dispose();
            return BundleStatus.WrongKey;
        }
        cipher = derived;
        return BundleStatus.Done;
    }

    // The commitment goes into the header before the cipher copies it as associated data.
    private static ChunkCipher Derive(ReadOnlySpan<byte> key, Span<byte> header, Span<byte> commitment)
    {
        Span<byte> derived = stackalloc byte[StreamKeyBytes + PrefixBytes + CommitmentBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, derived, header.Slice(Start.Length, SaltBytes), [.. Domain, .. header[..Start.Length]]);
        derived[^CommitmentBytes..].CopyTo(commitment);
        var cipher = new ChunkCipher(derived[..StreamKeyBytes], derived.Slice(StreamKeyBytes, PrefixBytes), header);
        CryptographicOperations.ZeroMemory(derived);
        return cipher;
    }

    private static ChunkCipher Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> header, Span<byte> commitment)
    {
        Span<byte> copy = stackalloc byte[HeaderBytes];
        header.CopyTo(copy);
        return Derive(key, copy, commitment);
    }

    /// <summary>Encrypts or decrypts chunks in their order. Not thread-safe.</summary>
    internal sealed class ChunkCipher : IDisposable
    {
        private readonly ChaCha20Poly1305 _cipher;
        private readonly byte[] _nonce = new byte[PrefixBytes + 5];
        private readonly byte[] _header;
        private uint _index;

        public ChunkCipher(ReadOnlySpan<byte> key, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> header)
        {
            _cipher = new ChaCha20Poly1305(key);
            prefix.CopyTo(_nonce);
            _header = header.ToArray();
        }

        /// <summary>Writes the encrypted chunk: as many bytes as it has, and the tag.</summary>
        public void Seal(ReadOnlySpan<byte> plain, bool last, Span<byte> chunk)
        {
            Next(last);
            _cipher.Encrypt(_nonce, plain, chunk[..plain.Length], chunk.Slice(plain.Length, TagBytes), _header);
        }

        /// <summary>Reads an encrypted chunk; false when it is damaged, out of its order, of another bundle, or not the last when it should be.</summary>
        public bool TryOpen(ReadOnlySpan<byte> chunk, bool last, Span<byte> plain)
        {
            if (chunk.Length < TagBytes) return false;
            Next(last);
            try
            {
                _cipher.Decrypt(_nonce, chunk[..^TagBytes], chunk[^TagBytes..], plain[..(chunk.Length - TagBytes)], _header);
                return true;
            }
            catch (AuthenticationTagMismatchException)
            {
                return false;
            }
        }

        public void Dispose() => _cipher.Dispose();

        // 2^32 chunks are 256 TiB; a nonce that comes twice would give the plain text away, so the count may not wrap.
        private void Next(bool last)
        {
            Base.Invariant.Check(_nonce[^1] == 0, "nothing comes after the last chunk");
            BinaryPrimitives.WriteUInt32BigEndian(_nonce.AsSpan(PrefixBytes), _index);
            _nonce[^1] = last ? (byte)1 : (byte)0;
            _index = checked(_index + 1);
        }
    }
}
