using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Content;
using PeoplesCloud.Libp2p;
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

    /// <summary>The newest way of sealing: 2 binds the owner. 1, which does not, is for members that know no other (docs/layouts/bundle.md, "Keys").</summary>
    public const int SealVersion = 2;

    private readonly byte[] _key;

    internal BundleKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes) throw new ArgumentException($"a bundle key has {KeyBytes} bytes", nameof(key));
        _key = key.ToArray();
    }

    internal ReadOnlySpan<byte> Bytes => _key;

    /// <summary>A new key.</summary>
    public static BundleKey New() => new(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>
    /// Seals this key to a member, for one member's programs with one bundle in one swarm: a sealed key that is moved to an entry of
    /// another author does not open.
    /// </summary>
    /// <param name="memberKey">The member's X25519 public key, from its feed.</param>
    /// <param name="version">How: the newest that the member knows, see <see cref="SealVersion"/>.</param>
    /// <param name="swarm">The swarm in which the program is deployed.</param>
    /// <param name="owner">Who deploys it.</param>
    /// <param name="bundle">The bundle's CID.</param>
    /// <exception cref="ArgumentException">The member's key is unusable.</exception>
    public byte[] SealTo(ReadOnlySpan<byte> memberKey, int version, SwarmId swarm, PeerId owner, Cid bundle) =>
        SealedBox.Seal(memberKey, version < 2 ? ContextWithoutOwner(swarm, bundle) : ContextOf(swarm, owner, bundle), _key);

    /// <summary>
    /// Opens the key of a program's bundle as one of its keepers. A key that was sealed without its owner opens only as long as nobody else may have
    /// packed the bundle: whoever copies it into an entry of its own would otherwise have this node run, and show, what is another's.
    /// </summary>
    /// <exception cref="PcException"><see cref="ErrorCode.BundleOfAnother"/>, <see cref="ErrorCode.BundleKeyMissing"/>.</exception>
    public static BundleKey Open(X25519Key own, PeerId self, ProgramSpec spec)
    {
        if (spec.SealedKeyOf(self) is { } box)
        {
            if (TryOpen(own, spec.Swarm, spec.Owner, spec.Deployed.Bundle, box, out var key)) return key;
            // One's own entry says who packed it.
            if (spec.BundleClaimedBy is { } other && spec.Owner != self)
                throw new PcException(ErrorCode.BundleOfAnother, $"the bundle of {spec.Name} is one that {other} deployed: its key does not open for a program of {spec.Owner}");
            if (TryOpenWithoutOwner(own, spec.Swarm, spec.Deployed.Bundle, box, out key)) return key;
        }
        throw new PcException(ErrorCode.BundleKeyMissing, $"no key of {spec.Name}'s bundle is sealed to this node");
    }

    /// <summary>Opens a key that was sealed to this node with its owner; false when it was sealed to another, or for another bundle, owner or swarm.</summary>
    internal static bool TryOpen(X25519Key own, SwarmId swarm, PeerId owner, Cid bundle, ReadOnlySpan<byte> sealedKey, [NotNullWhen(true)] out BundleKey? key) =>
        TryOpen(own, ContextOf(swarm, owner, bundle), sealedKey, out key);

    /// <summary>Opens a key of version 1, which says nothing of its owner.</summary>
    internal static bool TryOpenWithoutOwner(X25519Key own, SwarmId swarm, Cid bundle, ReadOnlySpan<byte> sealedKey, [NotNullWhen(true)] out BundleKey? key) =>
        TryOpen(own, ContextWithoutOwner(swarm, bundle), sealedKey, out key);

    /// <summary>Overwrites the key.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_key);

    private static bool TryOpen(X25519Key own, byte[] context, ReadOnlySpan<byte> sealedKey, [NotNullWhen(true)] out BundleKey? key)
    {
        key = SealedBox.TryOpen(own, context, sealedKey, out var opened) && opened.Length == KeyBytes ? new BundleKey(opened) : null;
        if (opened is not null) CryptographicOperations.ZeroMemory(opened);
        return key is not null;
    }

    // Peer ids and CIDs say their lengths themselves, so no two of these are alike.
    private static byte[] ContextOf(SwarmId swarm, PeerId owner, Cid bundle) => [.. "peoples-cloud bundle key 2:"u8, .. swarm.ToBytes(), .. owner.Bytes, .. bundle.Bytes];

    private static byte[] ContextWithoutOwner(SwarmId swarm, Cid bundle) => [.. "peoples-cloud bundle key 1:"u8, .. swarm.ToBytes(), .. bundle.Bytes];
}
