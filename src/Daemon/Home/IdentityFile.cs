using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;

namespace PeoplesCloud.Daemon.Home;

/// <summary>
/// identity.key: this node's private key, mode 0600, written once.
/// <code>file = "peoples-cloud identity 1" LF base64(seed:32) LF hex(first 8 bytes of SHA-256 of the seed) LF</code>
/// </summary>
internal static class IdentityFile
{
    private const string Header = "peoples-cloud identity 1";
    private const int MaxFileBytes = 256;
    private static ReadOnlySpan<byte> SealingDomain => "peoples-cloud sealing key 1"u8;

    /// <summary>Loads the seed, or makes one (durable when this returns).</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.IdentityDamaged"/>: the file is not what was written, or others may read it.</exception>
    public static byte[] LoadOrCreate(string path, IDisk disk)
    {
        if (!File.Exists(path)) return Create(path, disk);
        var mode = File.GetUnixFileMode(path);
        if ((mode & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != UnixFileMode.None)
            throw new PcException(ErrorCode.IdentityDamaged, $"{path} may be read by others (mode {Convert.ToString((int)mode, 8)})", $"chmod 600 {path}, if you are sure that nobody has copied it");
        return TryParse(path, out var seed)
            ? seed
            : throw new PcException(ErrorCode.IdentityDamaged, $"{path} is damaged");
    }

    /// <summary>The X25519 key that secrets are sealed to, derived from the seed so that one file is the whole identity.</summary>
    public static X25519Key SealingKey(ReadOnlySpan<byte> seed)
    {
        Span<byte> key = stackalloc byte[X25519Key.KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, seed, key, [], SealingDomain);
        var loaded = new X25519Key(key);
        CryptographicOperations.ZeroMemory(key);
        return loaded;
    }

    private static byte[] Create(string path, IDisk disk)
    {
        var seed = Ed25519Key.NewSeed();
        var text = $"{Header}\n{Convert.ToBase64String(seed)}\n{Checksum(seed)}\n";
        disk.Replace(path, Encoding.ASCII.GetBytes(text));
        return seed;
    }

    private static bool TryParse(string path, out byte[] seed)
    {
        seed = new byte[Ed25519Key.SeedBytes];
        if (new FileInfo(path).Length > MaxFileBytes) return false;
        return File.ReadAllText(path, Encoding.ASCII).Split('\n') is [Header, var key, var checksum, ""]
            && Convert.TryFromBase64String(key, seed, out var length) && length == seed.Length
            && string.Equals(checksum, Checksum(seed), StringComparison.Ordinal);
    }

    private static string Checksum(byte[] seed) => Convert.ToHexStringLower(SHA256.HashData(seed).AsSpan(0, 8));
}
