using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace PeoplesCloud.Base.Crypto;

/// <summary>What scrypt costs: 128 * 2^LogN * R bytes of memory, P times over.</summary>
/// <param name="LogN">The logarithm of the number of steps.</param>
/// <param name="R">The size of a block.</param>
/// <param name="P">How often.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ScryptCost(int LogN, int R, int P)
{
    /// <summary>32 MiB and about 0.1 s on a laptop, 0.5 s on a Raspberry Pi: somebody who joins waits once.</summary>
    public static ScryptCost Default => new(15, 8, 1);

    /// <summary>
    /// Whether this is neither too cheap nor a way to wear a machine out: what others ask for is checked before anything is computed.
    /// At least 4 MiB, at most 128 MiB and twice the time of that.
    /// </summary>
    public bool IsAcceptable => LogN is >= 14 and <= 17 && R is >= 2 and <= 8 && P is >= 1 and <= 2;
}

/// <summary>Makes the scalar of SPAKE2 out of a password, slowly: scrypt (RFC 7914), so that whoever steals a verifier pays for each guess.</summary>
public static class SlowPassword
{
    /// <summary>Length of a salt in bytes.</summary>
    public const int SaltBytes = 16;

    private const int OutputBytes = Spake2.PasswordBytes + 16; // so that the remainder modulo the order is uniform (RFC 9382, section 3.2)
    private const ulong MaxMemoryBytes = 160 << 20;

    /// <summary>The scalar w. Takes a tenth of a second and the memory that the cost says.</summary>
    /// <exception cref="ArgumentException">The cost is not <see cref="ScryptCost.IsAcceptable"/>.</exception>
    public static byte[] Derive(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, ScryptCost cost)
    {
        if (!cost.IsAcceptable) throw new ArgumentException($"{cost} is out of range", nameof(cost));
        Span<byte> output = stackalloc byte[OutputBytes];
        Invariant.Check(LibCrypto.EVP_PBE_scrypt(
            password, (nuint)password.Length, salt, (nuint)salt.Length, 1UL << cost.LogN, (ulong)cost.R, (ulong)cost.P, MaxMemoryBytes, output, OutputBytes) == 1, "libcrypto runs scrypt");
        var scalar = P256.Reduce(output);
        CryptographicOperations.ZeroMemory(output);
        return scalar;
    }
}
