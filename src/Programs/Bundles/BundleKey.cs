using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>
/// The key of one bundle: 32 random bytes, made for it and used for nothing else. It leaves this machine only sealed to one
/// member's X25519 key. Never logged; disposing overwrites it.
/// </summary>
public sealed class BundleKey : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyBytes = 32;

    private readonly byte[] _key;

    internal BundleKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes) throw new ArgumentException($"a bundle key has {KeyBytes} bytes", nameof(key));
        _key = key.ToArray();
    }

    internal ReadOnlySpan<byte> Bytes => _key;

    /// <summary>A new key.</summary>
    public static BundleKey New() => new(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>Seals this key to a member, for one bundle in one swarm: a sealed key that is moved to another entry does not open.</summary>
    /// <param name="memberKey">The member's X25519 public key, from its feed.</param>
    /// <param name="swarm">The swarm in which the program is deployed.</param>
    /// <param name="bundle">The bundle's CID.</param>
    /// <exception cref="ArgumentException">The member's key is unusable.</exception>
    public byte[] SealTo(ReadOnlySpan<byte> memberKey, SwarmId swarm, Cid bundle) => SealedBox.Seal(memberKey, ContextOf(swarm, bundle), _key);

    /// <summary>Opens a key that was sealed to this node; false when it was sealed to another, or for another bundle or swarm.</summary>
    public static bool TryOpen(X25519Key own, SwarmId swarm, Cid bundle, ReadOnlySpan<byte> sealedKey, [NotNullWhen(true)] out BundleKey? key)
    {
        key = SealedBox.TryOpen(own, ContextOf(swarm, bundle), sealedKey, out var opened) && opened.Length == KeyBytes ? new BundleKey(opened) : null;
        if (opened is not null) CryptographicOperations.ZeroMemory(opened);
        return key is not null;
    }

    /// <summary>Overwrites the key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_key);

    private static byte[] ContextOf(SwarmId swarm, Cid bundle) => [.. "peoples-cloud bundle key 1:"u8, .. swarm.ToBytes(), .. bundle.Bytes];
}
