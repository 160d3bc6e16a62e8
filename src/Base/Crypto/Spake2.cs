using System.Buffers.Binary;
using System.Security.Cryptography;

namespace PeoplesCloud.Base.Crypto;

/// <summary>
/// SPAKE2 (RFC 9382), ciphersuite P256-SHA256-HKDF-HMAC: two sides that know one password agree on a key, and whoever does not know
/// it learns from a run only whether one guess was right. Source: RFC 9382, sections 3.3, 4 and 6. One object is one run of one side.
/// <code>
/// A: pA = x*G + w*M    -- pA -->                       K = x*(pB - w*N)
/// B: pB = y*G + w*N    &lt;-- pB --                       K = y*(pA - w*M)
/// TT = A B pA pB K w, each after its length (8 bytes, little-endian)
/// Ke Ka = SHA-256(TT)     KcA KcB = HKDF(Ka, "ConfirmationKeys" aad)     cA = HMAC(KcA, TT)     cB = HMAC(KcB, TT)
/// </code>
/// Neither side uses the key or believes the other before <see cref="Confirms"/>.
/// </summary>
public sealed class Spake2 : IDisposable
{
    /// <summary>Length of a share in bytes: an uncompressed point of P-256.</summary>
    public const int ShareBytes = P256.PointBytes;

    /// <summary>Length of a confirmation in bytes.</summary>
    public const int ConfirmationBytes = HMACSHA256.HashSizeInBytes;

    /// <summary>Length of the password's scalar in bytes.</summary>
    public const int PasswordBytes = P256.ScalarBytes;

    private const int HalfBytes = SHA256.HashSizeInBytes / 2;

    // RFC 9382, section 6, uncompressed: 02886e2f... and 03d8bbd6...
    private static readonly byte[] M = Convert.FromHexString("04886E2F97ACE46E55BA9DD7242579F2993B64E16EF3DCAB95AFD497333D8FA12F5FF355163E43CE224E0B0E65FF02AC8E5C7BE09419C785E0CA547D55A12E2D20");
    private static readonly byte[] N = Convert.FromHexString("04D8BBD6C639C62937B04D997F38C3770719C629D7014D49A24B4F98BAA1292B4907D60AA6BFADE45008A636337F5168C64D9BD36034808CD564490B1E656EDBE7");

    private readonly bool _isA;
    private readonly byte[] _password;
    private readonly byte[] _scalar;
    private byte[]? _theirConfirmation;

    /// <summary>Starts a run with a random scalar.</summary>
    /// <param name="isA">Whether this is side A, who speaks first.</param>
    /// <param name="password">The password's scalar w, of <see cref="SlowPassword.Derive"/>.</param>
    /// <exception cref="ArgumentException">That is not a scalar between 1 and the order of the group.</exception>
    public Spake2(bool isA, ReadOnlySpan<byte> password)
        : this(isA, password, P256.NewScalar())
    {
    }

    // With a scalar that is known, for vectors; it belongs to the run from now on.
    internal Spake2(bool isA, ReadOnlySpan<byte> password, byte[] scalar)
    {
        if (!P256.IsScalar(password) || !P256.IsScalar(scalar)) throw new ArgumentException("not a scalar of P-256", nameof(password));
        (_isA, _password, _scalar) = (isA, password.ToArray(), scalar);
        Share = P256.Blind(_scalar, _password, isA ? M : N);
    }

    /// <summary>What is sent to the other side: pA or pB.</summary>
    public byte[] Share { get; }

    /// <summary>What proves to the other side that we know the password: cA or cB, once <see cref="TryTake"/> answered true.</summary>
    public byte[]? Confirmation { get; private set; }

    /// <summary>The agreed key, 16 bytes, once <see cref="TryTake"/> answered true; worth nothing before <see cref="Confirms"/>.</summary>
    public byte[]? Key { get; private set; }

    /// <summary>Whether this is the scalar of a password.</summary>
    public static bool IsPassword(ReadOnlySpan<byte> scalar) => P256.IsScalar(scalar);

    /// <summary>Takes the other side's share; false when it is not a usable point, and then the run is over.</summary>
    /// <param name="theirShare">pB or pA.</param>
    /// <param name="idA">The identity of side A.</param>
    /// <param name="idB">The identity of side B.</param>
    /// <param name="additionalData">What the confirmations bind besides: both sides must have the same.</param>
    public bool TryTake(ReadOnlySpan<byte> theirShare, ReadOnlySpan<byte> idA, ReadOnlySpan<byte> idB, ReadOnlySpan<byte> additionalData)
    {
        if (Confirmation is not null || P256.Unblind(_scalar, theirShare, _password, _isA ? N : M) is not { } secret) return false;
        var transcript = Transcript(idA, idB, _isA ? Share : theirShare, _isA ? theirShare : Share, secret);
        Span<byte> keys = stackalloc byte[2 * HalfBytes];
        SHA256.HashData(transcript, keys);
        Key = keys[..HalfBytes].ToArray();
        Span<byte> confirmationKeys = stackalloc byte[2 * HalfBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, keys[HalfBytes..], confirmationKeys, [], [.. "ConfirmationKeys"u8, .. additionalData]);
        var ofA = HMACSHA256.HashData(confirmationKeys[..HalfBytes], transcript);
        var ofB = HMACSHA256.HashData(confirmationKeys[HalfBytes..], transcript);
        (Confirmation, _theirConfirmation) = _isA ? (ofA, ofB) : (ofB, ofA);
        foreach (var used in new[] { secret, transcript }) CryptographicOperations.ZeroMemory(used);
        CryptographicOperations.ZeroMemory(keys);
        CryptographicOperations.ZeroMemory(confirmationKeys);
        return true;
    }

    /// <summary>Whether the other side's confirmation shows that it knows the password and saw the same run. Takes the same time either way.</summary>
    public bool Confirms(ReadOnlySpan<byte> theirConfirmation) =>
        _theirConfirmation is not null && CryptographicOperations.FixedTimeEquals(_theirConfirmation, theirConfirmation);

    /// <summary>Clears what is secret; afterwards nothing is confirmed.</summary>
    public void Dispose()
    {
        foreach (var secret in new[] { _password, _scalar, Key, _theirConfirmation }) CryptographicOperations.ZeroMemory(secret);
        _theirConfirmation = null;
    }

    private byte[] Transcript(ReadOnlySpan<byte> idA, ReadOnlySpan<byte> idB, ReadOnlySpan<byte> shareA, ReadOnlySpan<byte> shareB, ReadOnlySpan<byte> secret)
    {
        // One array of the right size, so that no copy of a secret is left behind by growing.
        var transcript = new byte[6 * sizeof(ulong) + idA.Length + idB.Length + shareA.Length + shareB.Length + secret.Length + _password.Length];
        var rest = transcript.AsSpan();
        Add(idA, ref rest);
        Add(idB, ref rest);
        Add(shareA, ref rest);
        Add(shareB, ref rest);
        Add(secret, ref rest);
        Add(_password, ref rest);
        return transcript;

        static void Add(ReadOnlySpan<byte> part, ref Span<byte> rest)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rest, (ulong)part.Length);
            part.CopyTo(rest[sizeof(ulong)..]);
            rest = rest[(sizeof(ulong) + part.Length)..];
        }
    }
}
