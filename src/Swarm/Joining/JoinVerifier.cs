using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Swarm;

/// <summary>
/// What is kept of a secret: salt, cost and the number that scrypt makes of it. It lets its holder answer and ask as if it knew the
/// secret (SPAKE2 is balanced), so it is kept as a key is; the secret itself takes guessing, each at that cost.
/// </summary>
/// <param name="Salt">16 random bytes.</param>
/// <param name="Cost">What deriving costs.</param>
/// <param name="Password">The scalar w of SPAKE2.</param>
public sealed record JoinVerifier(byte[] Salt, ScryptCost Cost, byte[] Password)
{
    private static ReadOnlySpan<byte> Domain => "peoples-cloud join secret 1:"u8;

    /// <summary>Of a secret that is set. Slow.</summary>
    public static JoinVerifier Of(string secret, byte[] salt, ScryptCost cost) => new(salt, cost, Derive(secret, salt, cost));

    /// <summary>
    /// For a name that is not known: what follows looks like a run with a wrong secret. The salt of a name is always the same,
    /// else asking twice would tell; <paramref name="key"/> is a secret of this node.
    /// </summary>
    public static JoinVerifier Decoy(ReadOnlySpan<byte> key, string name)
    {
        var salt = HMACSHA256.HashData(key, [.. "peoples-cloud join decoy 1:"u8, .. Encoding.UTF8.GetBytes(name)]);
        return new JoinVerifier(salt[..SlowPassword.SaltBytes], ScryptCost.Default, [1, .. RandomNumberGenerator.GetBytes(Spake2.PasswordBytes - 1)]);
    }

    /// <summary>The number that scrypt makes of a secret. Slow.</summary>
    internal static byte[] Derive(string secret, ReadOnlySpan<byte> salt, ScryptCost cost)
    {
        var bytes = Encoding.UTF8.GetBytes(secret);
        try
        {
            return SlowPassword.Derive(bytes, [.. Domain, .. salt], cost);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>Without the number.</summary>
    public override string ToString() => $"verifier ({Cost})";
}
