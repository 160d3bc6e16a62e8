using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>
/// Signatures that cost one hash: a keyed SHA-256 whose key the verifier knows. Nobody in a simulation can forge them either,
/// since forgers there are nodes that do not call another's signer.
/// </summary>
public sealed class SimKeys : ISignatureVerifier
{
    private readonly Dictionary<PeerId, byte[]> _secrets = [];

    /// <summary>The signer of the node with this number; its peer id is fixed by the number.</summary>
    public ISigner Signer(int number)
    {
        var secret = SHA256.HashData(Encoding.UTF8.GetBytes("simulated node " + number.ToString(CultureInfo.InvariantCulture)));
        var signer = new SimSigner(PeerId.FromEd25519(SHA256.HashData(secret)), secret);
        _secrets[signer.Self] = secret;
        return signer;
    }

    /// <inheritdoc/>
    public bool Verify(PeerId author, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        _secrets.TryGetValue(author, out var secret) && signature.SequenceEqual(Sign(secret, message));

    private static byte[] Sign(byte[] secret, ReadOnlySpan<byte> message)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(secret);
        hash.AppendData(message);
        return hash.GetHashAndReset();
    }

    private sealed class SimSigner(PeerId self, byte[] secret) : ISigner
    {
        public PeerId Self { get; } = self;

        public byte[] Sign(ReadOnlySpan<byte> message) => SimKeys.Sign(secret, message);
    }
}
