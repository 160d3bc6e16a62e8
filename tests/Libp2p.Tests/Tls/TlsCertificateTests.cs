using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Tls;

namespace PeoplesCloud.Libp2p.Tests.Tls;

public sealed class TlsCertificateTests
{
    private const int MaxBytes = 4096;

    public static TheoryData<string, string, string, string> Vectors()
    {
        var data = new TheoryData<string, string, string, string>();
        foreach (var line in File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "vectors", "tls", "1", "certificates.txt")))
        {
            if (line.StartsWith('#')) continue;
            var parts = line.Split(' ');
            data.Add(parts[0], parts[1], parts[2], parts.ElementAtOrDefault(3) ?? "");
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void The_vectors_of_the_specification_hold(string kind, string result, string hex, string peerId)
    {
        var key = TlsCertificate.TryVerify(Convert.FromHexString(hex), CertificateRecipe.Now, MaxBytes, out var reason);
        Assert.Equal(result == "good", key is not null);
        Assert.Equal(peerId, key?.PeerId.ToString() ?? "");
        if (key is not null) Assert.Equal(kind, key.Type.ToString().ToLowerInvariant());
        else Assert.Equal("the peer's signature does not cover its TLS key", reason);
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Every_truncation_and_every_flipped_bit_is_refused(string kind, string result, string hex, string peerId)
    {
        if (result != "good" || kind == "" || peerId == "") return;
        var certificate = Convert.FromHexString(hex);
        for (var length = 0; length < certificate.Length; length++) Assert.Null(TlsCertificate.TryVerify(certificate.AsMemory(0, length), CertificateRecipe.Now, MaxBytes, out _));
        Assert.Null(TlsCertificate.TryVerify((byte[])[.. certificate, 0], CertificateRecipe.Now, MaxBytes, out _));
        for (var at = 0; at < certificate.Length; at++)
        {
            var flipped = (byte[])certificate.Clone();
            flipped[at] ^= (byte)(1 << (at % 8));
            Assert.Null(TlsCertificate.TryVerify(flipped, CertificateRecipe.Now, MaxBytes, out _));
        }
    }

    [Fact]
    public void Our_own_certificate_proves_our_peer_id_at_any_time()
    {
        using var identity = new Ed25519Key(Ed25519Key.NewSeed());
        using var certificate = TlsCertificate.Create(identity);
        foreach (var year in new[] { 1980, 2026, 4000 })
            Assert.Equal(PeerId.FromEd25519(identity.PublicKey.Span), TlsCertificate.TryVerify(certificate.RawData, new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero), MaxBytes, out _)?.PeerId);
        Assert.Equal(CertificateRecipe.Oid, Assert.Single(certificate.Extensions).Oid?.Value); // the first is the one that js-libp2p reads
        Assert.True(certificate.HasPrivateKey);
    }

    [Fact]
    public void A_certificate_that_is_right_is_accepted_whatever_key_it_is_made_of()
    {
        Accepts(new CertificateRecipe());
        Accepts(new CertificateRecipe { IsExtensionCritical = true });
        Accepts(new CertificateRecipe { Curve = ECCurve.NamedCurves.nistP384, Hash = HashAlgorithmName.SHA384 });
        Accepts(new CertificateRecipe { Curve = ECCurve.NamedCurves.nistP521, Hash = HashAlgorithmName.SHA512 });
        Accepts(new CertificateRecipe { UsesRsa = true });
        Accepts(new CertificateRecipe { Others = [new X509BasicConstraintsExtension(false, false, 0, critical: false), new X509Extension("1.2.3.4", [5, 0], critical: false)] });
        Accepts(new CertificateRecipe { Others = [.. Enumerable.Range(1, 15).Select(i => new X509Extension($"1.2.3.{i}", [5, 0], critical: false))] });
    }

    [Fact]
    public void A_certificate_that_is_not_right_is_refused_and_says_why()
    {
        Refuses(new CertificateRecipe { NotAfter = CertificateRecipe.Now.AddSeconds(-1) }, "the certificate is not valid at this time");
        Refuses(new CertificateRecipe { NotBefore = CertificateRecipe.Now.AddSeconds(1) }, "the certificate is not valid at this time");
        Refuses(new CertificateRecipe { Domain = "" }, "the peer's signature does not cover its TLS key");
        Refuses(new CertificateRecipe { Domain = "noise-libp2p-static-key:" }, "the peer's signature does not cover its TLS key");
        Refuses(new CertificateRecipe { SignsAnotherTlsKey = true }, "the peer's signature does not cover its TLS key");
        Refuses(new CertificateRecipe { ShowsAnotherHostKey = true }, "the peer's signature does not cover its TLS key");
        Refuses(new CertificateRecipe { IsSignedByAnotherKey = true }, "the certificate is not signed by its own key");
        Refuses(new CertificateRecipe { UsesRsa = true, UsesPss = true }, "the certificate is not signed by its own key"); // a kind that no implementation makes
        Refuses(new CertificateRecipe { ExtensionCount = 0 }, "the certificate has no libp2p extension");
        Refuses(new CertificateRecipe { Others = [new X509Extension("1.2.3.4", [5, 0], critical: true)] }, "the certificate has a critical extension that is not understood, 1.2.3.4");
        Refuses(new CertificateRecipe { Others = [.. Enumerable.Range(1, 16).Select(i => new X509Extension($"1.2.3.{i}", [5, 0], critical: false))] }, "the certificate has more than 16 extensions");
        Refuses(new CertificateRecipe { ExtensionValue = [] }, "the certificate is no valid DER");
        Refuses(new CertificateRecipe { ExtensionValue = [.. CertificateRecipe.SignedKey([1], [2]), 0] }, "the certificate is no valid DER");
        Refuses(new CertificateRecipe { ExtensionValue = CertificateRecipe.SignedKey([], [2]) }, "the peer's key is damaged or of an unknown type");
        Refuses(new CertificateRecipe { Others = [new X509Extension("1.2.3.4", new byte[5000], critical: false)] }, "bytes, more than 4096");
    }

    private static void Accepts(CertificateRecipe recipe)
    {
        using var certificate = recipe.Make();
        var key = TlsCertificate.TryVerify(certificate.RawData, CertificateRecipe.Now, MaxBytes, out var reason);
        Assert.True(key is not null, reason);
        Assert.Equal(recipe.Peer, key.PeerId);
    }

    private static void Refuses(CertificateRecipe recipe, string why)
    {
        using var certificate = recipe.Make();
        Assert.Null(TlsCertificate.TryVerify(certificate.RawData, CertificateRecipe.Now, MaxBytes, out var reason));
        Assert.Contains(why, reason, StringComparison.Ordinal);
    }
}
