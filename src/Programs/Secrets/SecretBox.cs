using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Secrets;

// box       = version:u8(1) ciphertext tag:16        ChaCha20-Poly1305, zero nonce: every box has a key of its own; the context is its associated data
// plaintext = count:u16 *( length:u16 name length:u32 value ) zeros     big-endian; filled up to a multiple of 256, so that lengths tell little
// key       = SealedBox of the 32 bytes, with the context
// context   = "peoples-cloud program secrets 1:" swarm:32 owner name   whoever copies a box or a key under its own name, or to another program, opens nothing

/// <summary>Secret environment variables as they travel and are kept: encrypted once, the key sealed to each keeper. Nothing of them is logged.</summary>
public static class SecretBox
{
    private const byte Version = 1;
    private const int KeyBytes = 32;
    private const int TagBytes = 16;
    private const int Block = 256;

    /// <summary>The most of one value, in UTF-8 bytes: private keys and certificates fit, files do not.</summary>
    public const int MaxValueBytes = 16 << 10;

    /// <summary>Encrypts variables and seals the key to the keepers.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SecretTooLarge"/>.</exception>
    public static SecretSet Seal(SwarmId swarm, PeerId owner, string name, IReadOnlyDictionary<string, string> values, IEnumerable<Member> keepers)
    {
        if (values.Count == 0) return new SecretSet(name, [], []);
        var context = ContextOf(swarm, owner, name);
        var key = RandomNumberGenerator.GetBytes(KeyBytes);
        var plain = Encode(values);
        if (1 + plain.Length + TagBytes > SwarmLimits.MaxSecretBoxBytes)
            throw new PcException(ErrorCode.SecretTooLarge, $"the secrets of {name} have {plain.Length} bytes together, {SwarmLimits.MaxSecretBoxBytes - 1 - TagBytes} are the most");
        var box = new byte[1 + plain.Length + TagBytes];
        box[0] = Version;
        using (var cipher = new ChaCha20Poly1305(key)) cipher.Encrypt(stackalloc byte[12], plain, box.AsSpan(1, plain.Length), box.AsSpan(box.Length - TagBytes), context);
        var keys = keepers.Select(keeper => new SealedKey(keeper.Peer, SealedBox.Seal(keeper.X25519, context, key))).ToList();
        CryptographicOperations.ZeroMemory(plain);
        CryptographicOperations.ZeroMemory(key);
        return new SecretSet(name, box, keys);
    }

    /// <summary>Opens them as one of the keepers; false when this node is none, or they were made for another program, owner or swarm.</summary>
    public static bool TryOpen(X25519Key own, PeerId self, SwarmId swarm, ProgramSecrets secrets, [NotNullWhen(true)] out IReadOnlyDictionary<string, string>? values)
    {
        values = null;
        if (secrets.Box.Length == 0)
        {
            values = new Dictionary<string, string>(StringComparer.Ordinal);
            return true;
        }
        if (secrets.Box.Length < 1 + TagBytes || secrets.Box[0] != Version || !TryOpenKey(own, self, swarm, secrets, out var key)) return false;
        var plain = new byte[secrets.Box.Length - 1 - TagBytes];
        try
        {
            using var cipher = new ChaCha20Poly1305(key);
            cipher.Decrypt(stackalloc byte[12], secrets.Box.AsSpan(1, plain.Length), secrets.Box.AsSpan(secrets.Box.Length - TagBytes), plain, ContextOf(swarm, secrets.Owner, secrets.Name));
            values = TryDecode(plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            // Not made for this program.
        }
        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(plain);
        return values is not null;
    }

    /// <summary>Seals the key to more keepers, as one of those who have it; null when this node is none.</summary>
    public static SecretSet? TryShare(X25519Key own, PeerId self, SwarmId swarm, ProgramSecrets secrets, IEnumerable<Member> more)
    {
        if (!TryOpenKey(own, self, swarm, secrets, out var key)) return null;
        var context = ContextOf(swarm, secrets.Owner, secrets.Name);
        var shared = new SecretSet("", [], [.. more.Select(keeper => new SealedKey(keeper.Peer, SealedBox.Seal(keeper.X25519, context, key)))], secrets.Entry);
        CryptographicOperations.ZeroMemory(key);
        return shared;
    }

    // Fuzz target: the plaintext is written by a member, so that it is another's word too.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryDecode(input) is { } values) Invariant.Check(TryDecode(Encode(values))!.Count == values.Count, "variables are read as they are written");
    }

    internal static byte[] Encode(IReadOnlyDictionary<string, string> values)
    {
        var size = 2 + values.Sum(value => 6 + Encoding.UTF8.GetByteCount(value.Key) + Encoding.UTF8.GetByteCount(value.Value));
        var plain = new byte[(size + Block - 1) / Block * Block];
        BinaryPrimitives.WriteUInt16BigEndian(plain, (ushort)values.Count);
        var rest = plain.AsSpan(2);
        foreach (var (name, value) in values.OrderBy(value => value.Key, StringComparer.Ordinal))
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)Encoding.UTF8.GetBytes(name, rest[2..]));
            rest = rest[(2 + BinaryPrimitives.ReadUInt16BigEndian(rest))..];
            BinaryPrimitives.WriteUInt32BigEndian(rest, (uint)Encoding.UTF8.GetBytes(value, rest[4..]));
            rest = rest[(4 + (int)BinaryPrimitives.ReadUInt32BigEndian(rest))..];
        }
        return plain;
    }

    internal static Dictionary<string, string>? TryDecode(ReadOnlySpan<byte> plain)
    {
        if (plain.Length < 2 || plain.Length > SwarmLimits.MaxSecretBoxBytes) return null;
        var count = BinaryPrimitives.ReadUInt16BigEndian(plain);
        if (count > SwarmLimits.MaxVariables) return null;
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var rest = plain[2..];
        for (var i = 0; i < count; i++)
        {
            if (rest.Length < 2 || BinaryPrimitives.ReadUInt16BigEndian(rest) is var nameBytes && rest.Length - 2 < nameBytes) return null;
            var name = Encoding.UTF8.GetString(rest.Slice(2, nameBytes));
            rest = rest[(2 + nameBytes)..];
            if (rest.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(rest) is var valueBytes && rest.Length - 4 < valueBytes) return null;
            var value = Encoding.UTF8.GetString(rest.Slice(4, (int)valueBytes));
            rest = rest[(4 + (int)valueBytes)..];
            if (SecretRules.ProblemOf(name, value) is not null || !values.TryAdd(name, value)) return null;
        }
        return rest.Length < Block && !rest.ContainsAnyExcept((byte)0) ? values : null;
    }

    private static bool TryOpenKey(X25519Key own, PeerId self, SwarmId swarm, ProgramSecrets secrets, [NotNullWhen(true)] out byte[]? key)
    {
        key = null;
        return secrets.SealedKeyOf(self) is { } sealedKey && SealedBox.TryOpen(own, ContextOf(swarm, secrets.Owner, secrets.Name), sealedKey, out key) && key.Length == KeyBytes;
    }

    private static byte[] ContextOf(SwarmId swarm, PeerId owner, string name) => [.. "peoples-cloud program secrets 1:"u8, .. swarm.ToBytes(), .. owner.Bytes, .. Encoding.UTF8.GetBytes(name)];
}
