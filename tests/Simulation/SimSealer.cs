using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>Boxes without randomness, so that a run replays exactly. Nobody in a simulation opens another's: the code does not let it.</summary>
public sealed class SimSealer(PeerId self) : IKeySealer
{
    private const int TagBytes = 16;

    /// <summary>What stands for a peer's public key.</summary>
    public static byte[] PublicKeyOf(PeerId peer) => SHA256.HashData([.. "simulated sealing key "u8, .. peer.Bytes]);

    /// <inheritdoc/>
    public bool TrySeal(ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> context, ReadOnlySpan<byte> content, [NotNullWhen(true)] out byte[]? box)
    {
        box = [1, .. recipient, .. Mask(recipient, context, content), .. TagOf(recipient, context, content)];
        return true;
    }

    /// <inheritdoc/>
    public bool TryOpen(ReadOnlySpan<byte> context, ReadOnlySpan<byte> box, [NotNullWhen(true)] out byte[]? content)
    {
        content = null;
        var own = PublicKeyOf(self);
        if (box.Length != SealedSwarmKey.BoxBytes || !box.Slice(1, own.Length).SequenceEqual(own)) return false;
        var opened = Mask(own, context, box[(1 + own.Length)..^TagBytes]);
        if (!TagOf(own, context, opened).SequenceEqual(box[^TagBytes..])) return false;
        content = opened;
        return true;
    }

    private static byte[] Mask(ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> context, ReadOnlySpan<byte> content)
    {
        var mask = SHA256.HashData([.. recipient, .. context]);
        var masked = new byte[content.Length];
        for (var i = 0; i < masked.Length; i++) masked[i] = (byte)(content[i] ^ mask[i % mask.Length]);
        return masked;
    }

    private static ReadOnlySpan<byte> TagOf(ReadOnlySpan<byte> recipient, ReadOnlySpan<byte> context, ReadOnlySpan<byte> content) =>
        SHA256.HashData([.. recipient, .. context, .. content]).AsSpan(0, TagBytes);
}
