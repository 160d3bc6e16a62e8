namespace PeoplesCloud.Libp2p;

/// <summary>Key types of the libp2p peer-ids specification, with the numbers of its protobuf.</summary>
internal enum KeyType
{
    /// <summary>RSA, PKIX DER, signatures RSASSA-PKCS1-v1_5 with SHA-256.</summary>
    Rsa = 0,

    /// <summary>Ed25519, 32 raw bytes.</summary>
    Ed25519 = 1,

    /// <summary>secp256k1, compressed or uncompressed point, DER signatures over SHA-256.</summary>
    Secp256k1 = 2,

    /// <summary>ECDSA, PKIX DER, DER signatures over SHA-256.</summary>
    Ecdsa = 3,
}

/// <summary>The public key of another node. Immutable and thread-safe.</summary>
internal sealed class RemoteKey
{
    internal RemoteKey(KeyType type, byte[] data, PeerId peerId) => (Type, Data, PeerId) = (type, data, peerId);

    /// <summary>The kind of key.</summary>
    public KeyType Type { get; }

    /// <summary>The key in the encoding of its type.</summary>
    public byte[] Data { get; }

    /// <summary>The peer id of exactly the bytes that were decoded.</summary>
    public PeerId PeerId { get; }

    /// <summary>Whether the signature is valid; false for anything malformed, never throws.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) => PublicKeys.Verify(Type, Data, message, signature);
}
