using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Tests.Noise;

namespace PeoplesCloud.Libp2p.Tests.Tls;

/// <summary>How a certificate is made; the default is right in everything, each property spoils something.</summary>
internal sealed record CertificateRecipe
{
    /// <summary>The time at which a <see cref="ManualTime"/> stands.</summary>
    public static DateTimeOffset Now { get; } = new ManualTime().GetUtcNow();

    public byte[] Seed { get; init; } = Ed25519Key.NewSeed();

    public DateTimeOffset NotBefore { get; init; } = Now.AddHours(-1);

    public DateTimeOffset NotAfter { get; init; } = Now.AddHours(1);

    public string Domain { get; init; } = "libp2p-tls-handshake:";

    public bool SignsAnotherTlsKey { get; init; }

    public bool ShowsAnotherHostKey { get; init; }

    public bool IsExtensionCritical { get; init; }

    public int ExtensionCount { get; init; } = 1;

    public byte[]? ExtensionValue { get; init; }

    public IReadOnlyList<X509Extension> Others { get; init; } = [];

    public HashAlgorithmName Hash { get; init; } = HashAlgorithmName.SHA256;

    public ECCurve? Curve { get; init; } = ECCurve.NamedCurves.nistP256;

    public bool UsesRsa { get; init; }

    public bool UsesPss { get; init; }

    public bool IsSignedByAnotherKey { get; init; }

    public X509Certificate2? Issuer { get; init; }

    public PeerId Peer
    {
        get
        {
            using var host = new Ed25519Key(Seed);
            return PeerId.FromEd25519(host.PublicKey.Span);
        }
    }

    public X509Certificate2 Make()
    {
        using AsymmetricAlgorithm key = UsesRsa ? RSA.Create(2048) : ECDsa.Create(Curve!.Value);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var host = new Ed25519Key(Seed);
        using var stranger = new Ed25519Key(Ed25519Key.NewSeed());
        var signed = (SignsAnotherTlsKey ? other : key).ExportSubjectPublicKeyInfo();
        var value = ExtensionValue ?? SignedKey(PublicKeys.EncodeEd25519((ShowsAnotherHostKey ? stranger : host).PublicKey.Span), host.Sign([.. System.Text.Encoding.ASCII.GetBytes(Domain), .. signed]));

        var name = new X500DistinguishedName("CN=someone");
        var padding = UsesPss ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
        var request = key is RSA rsa ? new CertificateRequest(name, rsa, Hash, padding) : new CertificateRequest(name, (ECDsa)key, Hash);
        for (var i = 0; i < ExtensionCount; i++) request.CertificateExtensions.Add(new X509Extension(i == 0 ? Oid : $"{Oid}.{i}", value, IsExtensionCritical));
        foreach (var extension in Others) request.CertificateExtensions.Add(extension);
        if (Issuer is not null) return request.Create(Issuer, NotBefore, NotAfter, [1, 2, 3]).CopyWithPrivateKey((ECDsa)key);
        if (!IsSignedByAnotherKey) return request.CreateSelfSigned(NotBefore, NotAfter);
        return request.Create(name, X509SignatureGenerator.CreateForECDsa(other), NotBefore, NotAfter, [1, 2, 3]).CopyWithPrivateKey((ECDsa)key);
    }

    /// <summary>An authority that a root signed, and the root.</summary>
    public static X509Certificate2[] MakeAuthorities()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = Authority("CN=root", rootKey).CreateSelfSigned(Now.AddHours(-1), Now.AddHours(1));
        return [Authority("CN=authority", key).Create(root, Now.AddHours(-1), Now.AddHours(1), [4, 5, 6]).CopyWithPrivateKey(key), root];

        static CertificateRequest Authority(string name, ECDsa key)
        {
            var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
            return request;
        }
    }

    public const string Oid = "1.3.6.1.4.1.53594.1.1";

    public static byte[] SignedKey(ReadOnlySpan<byte> key, ReadOnlySpan<byte> signature)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteOctetString(key);
            writer.WriteOctetString(signature);
        }
        return writer.Encode();
    }
}
