using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>Signs as this node. Callers in Swarm put the domain prefix before the message. Thread-safe.</summary>
public interface ISigner
{
    /// <summary>Who signs.</summary>
    PeerId Self { get; }

    /// <summary>A signature of at most <see cref="SwarmLimits.MaxSignatureBytes"/> bytes.</summary>
    byte[] Sign(ReadOnlySpan<byte> message);
}

/// <summary>Verifies what an <see cref="ISigner"/> signed. Never throws on a stranger's bytes. Thread-safe.</summary>
public interface ISignatureVerifier
{
    /// <summary>Whether <paramref name="author"/> signed the message.</summary>
    bool Verify(PeerId author, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);
}

/// <summary>Signs with the node's identity key, which it does not own.</summary>
public sealed class Ed25519Signer(Ed25519Key key) : ISigner
{
    /// <inheritdoc/>
    public PeerId Self { get; } = PeerId.FromEd25519(key.PublicKey.Span);

    /// <inheritdoc/>
    public byte[] Sign(ReadOnlySpan<byte> message) => key.Sign(message);
}

/// <summary>Verifies with the key that an Ed25519 peer id holds; other key types are refused.</summary>
public sealed class Ed25519Verifier : ISignatureVerifier
{
    /// <inheritdoc/>
    public bool Verify(PeerId author, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        author.TryGetEd25519(out var publicKey) && Ed25519Key.Verify(publicKey, message, signature);
}

/// <summary>What is signed starts with a domain that names project, format and version, so that no signature serves twice.</summary>
internal static class SignatureDomain
{
    public static ReadOnlySpan<byte> Entry => "peoples-cloud entry 1:"u8;

    public static ReadOnlySpan<byte> Presence => "peoples-cloud presence 1:"u8;

    public static ReadOnlySpan<byte> Lease => "peoples-cloud lease 1:"u8;

    public static ReadOnlySpan<byte> TicketSecret => "peoples-cloud ticket 1:"u8;

    public static byte[] Sign(ISigner signer, ReadOnlySpan<byte> domain, ReadOnlySpan<byte> content) => signer.Sign([.. domain, .. content]);

    public static bool Verify(ISignatureVerifier verifier, PeerId author, ReadOnlySpan<byte> domain, ReadOnlySpan<byte> content, ReadOnlySpan<byte> signature) =>
        verifier.Verify(author, [.. domain, .. content], signature);
}
