using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Tls;

// certificate = SEQUENCE { tbs, algorithm, signature BIT STRING }      X.509 version 3, DER, self-signed; RFC 5280, section 4.1
// tbs         = SEQUENCE { [0] 2, serial, algorithm, issuer, validity, subject, subjectPublicKeyInfo, [3] extensions }
// libp2p      = SEQUENCE { OID 1.3.6.1.4.1.53594.1.1, critical BOOLEAN DEFAULT FALSE, OCTET STRING of SignedKey }
// SignedKey   = SEQUENCE { publicKey OCTET STRING, signature OCTET STRING }
// Source: github.com/libp2p/specs/tls; see docs/protocols/tls.md
/// <summary>
/// The certificate that ties a TLS key to a host key, written and read without trust. The TLS key signs the certificate, the host key signs
/// the TLS key; whose certificate it is follows from the host key.
/// </summary>
internal static class TlsCertificate
{
    private const string ExtensionOid = "1.3.6.1.4.1.53594.1.1";
    private const int MaxExtensions = 16;
    private const int Version3 = 2;

    private static readonly Asn1Tag VersionTag = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 3, isConstructed: true);

    // A key that lives as long as the process needs no dates; peers with a wrong clock accept these too.
    private static readonly DateTimeOffset NotBefore = new(1975, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset NotAfter = new(4096, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static ReadOnlySpan<byte> Domain => "libp2p-tls-handshake:"u8;

    /// <summary>A certificate with a fresh P-256 key, signed by our identity.</summary>
    public static X509Certificate2 Create(Ed25519Key identity)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var signedKey = SignedKey(PublicKeys.EncodeEd25519(identity.PublicKey.Span), identity.Sign([.. Domain, .. key.ExportSubjectPublicKeyInfo()]));
        var request = new CertificateRequest("O=libp2p.io", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension(ExtensionOid, signedKey, critical: false)); // the only one: js-libp2p reads the first
        return request.CreateSelfSigned(NotBefore, NotAfter);
    }

    /// <summary>Reads a certificate and checks everything that it claims; null with a reason when anything is not right.</summary>
    /// <param name="der">The certificate as the peer sent it.</param>
    /// <param name="now">The time that its validity is held against.</param>
    /// <param name="maxBytes">The longest certificate that is read.</param>
    /// <param name="reason">Why it is refused.</param>
    public static RemoteKey? TryVerify(ReadOnlyMemory<byte> der, DateTimeOffset now, int maxBytes, out string reason)
    {
        if (der.Length > maxBytes) return Refuse($"the certificate has {der.Length} bytes, more than {maxBytes}", out reason);
        var fields = new Fields();
        try
        {
            if (Read(der, fields) is { } wrong) return Refuse(wrong, out reason);
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return Refuse("the certificate is no valid DER", out reason);
        }
        if (now < fields.NotBefore || now > fields.NotAfter) return Refuse("the certificate is not valid at this time", out reason);
        if (!PublicKeys.TryDecode(fields.HostKey.Span, out var host)) return Refuse("the peer's key is damaged or of an unknown type", out reason);
        if (!host.Verify([.. Domain, .. fields.TlsKey.Span], fields.HostSignature.Span)) return Refuse("the peer's signature does not cover its TLS key", out reason);
        if (!TlsKey.Verify(fields.TlsKey.Span, fields.Algorithm.Span, fields.Signed.Span, fields.Signature.Span)) return Refuse("the certificate is not signed by its own key", out reason);
        reason = "";
        return host;
    }

    /// <summary>For the fuzzer: a certificate; what is accepted names the same peer again, and neither a longer nor a shorter one does.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        byte[] der = [.. input];
        var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        if (TryVerify(der, now, Libp2pLimits.Default.MaxCertificateBytes, out _) is not { } key) return;
        Base.Invariant.Check(TryVerify(der, now, der.Length, out _)?.PeerId == key.PeerId, "a certificate names one peer");
        Base.Invariant.Check(TryVerify(der, now, der.Length - 1, out _) is null, "the limit holds");
        Base.Invariant.Check(TryVerify(der.AsMemory(0, der.Length - 1), now, der.Length, out _) is null, "a truncated certificate is refused");
        Base.Invariant.Check(TryVerify((byte[])[.. der, 0], now, der.Length + 1, out _) is null, "nothing follows a certificate");
    }

    private static byte[] SignedKey(ReadOnlySpan<byte> hostKey, ReadOnlySpan<byte> signature)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteOctetString(hostKey);
            writer.WriteOctetString(signature);
        }
        return writer.Encode();
    }

    private static RemoteKey? Refuse(string why, out string reason)
    {
        reason = why;
        return null;
    }

    /// <summary>Reads the parts; answers why the certificate is refused, or null.</summary>
    private static string? Read(ReadOnlyMemory<byte> der, Fields fields)
    {
        // 1. The three parts, and nothing behind them.
        var outer = new AsnReader(der, AsnEncodingRules.DER);
        var certificate = outer.ReadSequence();
        outer.ThrowIfNotEmpty();
        fields.Signed = certificate.PeekEncodedValue();
        var tbs = certificate.ReadSequence();
        fields.Algorithm = certificate.ReadEncodedValue();
        fields.Signature = certificate.ReadBitString(out var unusedBits);
        certificate.ThrowIfNotEmpty();
        if (unusedBits != 0) return "the signature is no whole number of bytes";

        // 2. What is signed. The names say nothing.
        var version = tbs.ReadSequence(VersionTag);
        if (!version.TryReadInt32(out var number) || number != Version3) return "the certificate is not of version 3";
        version.ThrowIfNotEmpty();
        _ = tbs.ReadIntegerBytes();
        if (!tbs.ReadEncodedValue().Span.SequenceEqual(fields.Algorithm.Span)) return "the certificate names two signature algorithms";
        _ = tbs.ReadSequence();
        var validity = tbs.ReadSequence();
        (fields.NotBefore, fields.NotAfter) = (ReadTime(validity), ReadTime(validity));
        validity.ThrowIfNotEmpty();
        _ = tbs.ReadSequence();
        fields.TlsKey = tbs.PeekEncodedValue();
        _ = tbs.ReadSequence();

        // 3. The extensions; the unique ids that could stand here are deprecated and refused.
        if (!tbs.HasData) return "the certificate has no libp2p extension";
        var wrapped = tbs.ReadSequence(ExtensionsTag);
        tbs.ThrowIfNotEmpty();
        var extensions = wrapped.ReadSequence();
        wrapped.ThrowIfNotEmpty();
        return ReadExtensions(extensions, fields);
    }

    private static string? ReadExtensions(AsnReader extensions, Fields fields)
    {
        var isFound = false;
        for (var count = 0; extensions.HasData; count++)
        {
            if (count == MaxExtensions) return $"the certificate has more than {MaxExtensions} extensions";
            var extension = extensions.ReadSequence();
            var oid = extension.ReadObjectIdentifier();
            var isCritical = extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean) && extension.ReadBoolean();
            var value = extension.ReadOctetString();
            extension.ThrowIfNotEmpty();
            if (oid == ExtensionOid)
            {
                if (isFound) return "the certificate has two libp2p extensions";
                isFound = true;
                var signedKey = new AsnReader(value, AsnEncodingRules.DER);
                var parts = signedKey.ReadSequence();
                signedKey.ThrowIfNotEmpty();
                (fields.HostKey, fields.HostSignature) = (parts.ReadOctetString(), parts.ReadOctetString());
                parts.ThrowIfNotEmpty();
            }
            else if (isCritical) return $"the certificate has a critical extension that is not understood, {oid}";
        }
        return isFound ? null : "the certificate has no libp2p extension";
    }

    private static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();

    /// <summary>The parts of a certificate that matter here, as they were read.</summary>
    private sealed class Fields
    {
        public ReadOnlyMemory<byte> Signed { get; set; }

        public ReadOnlyMemory<byte> Algorithm { get; set; }

        public ReadOnlyMemory<byte> Signature { get; set; }

        public DateTimeOffset NotBefore { get; set; }

        public DateTimeOffset NotAfter { get; set; }

        public ReadOnlyMemory<byte> TlsKey { get; set; }

        public ReadOnlyMemory<byte> HostKey { get; set; }

        public ReadOnlyMemory<byte> HostSignature { get; set; }
    }
}
