using System.Security.Cryptography;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Tests.Keys;

public sealed class PublicKeyTests
{
    public static TheoryData<string, string, string, string> Vectors()
    {
        var data = new TheoryData<string, string, string, string>();
        foreach (var line in File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "vectors", "peer-ids", "1", "public-keys.txt")))
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
        var encoded = Convert.FromHexString(hex);
        Assert.Equal(result == "good", PublicKeys.TryDecode(encoded, out var key));
        if (key is null) return;
        Assert.Equal(kind, key.Type.ToString().ToLowerInvariant());
        Assert.Equal(peerId, key.PeerId.ToString());
        Assert.Equal(encoded, PublicKeys.Encode(key.Type, key.Data));
        Assert.True(PeerId.TryParse(peerId, out var parsed) && parsed == key.PeerId);
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Every_truncation_and_flipped_bit_is_refused_or_another_key(string kind, string result, string hex, string peerId)
    {
        if (result != "good" || kind == "") return;
        var encoded = Convert.FromHexString(hex);
        for (var length = 0; length < encoded.Length; length++) Assert.False(PublicKeys.TryDecode(encoded.AsSpan(0, length), out _));
        for (var at = 0; at < encoded.Length; at += Math.Max(1, encoded.Length / 60))
        {
            var flipped = (byte[])encoded.Clone();
            flipped[at] ^= 1;
            if (PublicKeys.TryDecode(flipped, out var other)) Assert.NotEqual(peerId, other.PeerId.ToString());
        }
    }

    [Fact]
    public void An_Ed25519_peer_signs_for_itself_only()
    {
        using var oak = new Ed25519Key(Ed25519Key.NewSeed());
        using var elm = new Ed25519Key(Ed25519Key.NewSeed());
        Assert.True(PublicKeys.TryDecode(PublicKeys.EncodeEd25519(oak.PublicKey.Span), out var key));
        Assert.Equal(PeerId.FromEd25519(oak.PublicKey.Span), key.PeerId);
        CheckVerification(key, oak.Sign, elm.Sign);
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void An_RSA_peer_signs_for_itself_only(int bits)
    {
        using var oak = RSA.Create(bits);
        using var elm = RSA.Create(bits);
        Assert.True(PublicKeys.TryDecode(PublicKeys.Encode(KeyType.Rsa, oak.ExportSubjectPublicKeyInfo()), out var key));
        CheckVerification(key, m => Sign(oak, m), m => Sign(elm, m));
        static byte[] Sign(RSA rsa, ReadOnlySpan<byte> m) => rsa.SignData(m, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
    }

    [Fact]
    public void A_short_RSA_key_is_refused()
    {
        using var rsa = RSA.Create(1024);
        Assert.False(PublicKeys.TryDecode(PublicKeys.Encode(KeyType.Rsa, rsa.ExportSubjectPublicKeyInfo()), out _));
    }

    [Theory]
    [InlineData("nistP256")]
    [InlineData("nistP384")]
    [InlineData("nistP521")]
    public void An_ECDSA_peer_signs_for_itself_only(string curve)
    {
        using var oak = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        using var elm = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        Assert.True(PublicKeys.TryDecode(PublicKeys.Encode(KeyType.Ecdsa, oak.ExportSubjectPublicKeyInfo()), out var key));
        CheckVerification(key, m => Sign(oak, m), m => Sign(elm, m));
    }

    [Fact]
    public void A_secp256k1_peer_signs_for_itself_only()
    {
        using var oak = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10"));
        using var elm = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10"));
        var point = oak.ExportParameters(includePrivateParameters: false).Q;
        byte[] compressed = [(byte)(2 + (point.Y![^1] & 1)), .. point.X!];
        byte[] whole = [4, .. point.X!, .. point.Y!];
        Assert.True(PublicKeys.TryDecode(PublicKeys.Encode(KeyType.Secp256k1, compressed), out var key));
        CheckVerification(key, m => Sign(oak, m), m => Sign(elm, m));
        Assert.True(PublicKeys.TryDecode(PublicKeys.Encode(KeyType.Secp256k1, whole), out var same));
        Assert.True(same.Verify("m"u8, Sign(oak, "m"u8)));
    }

    private static byte[] Sign(ECDsa key, ReadOnlySpan<byte> message) => key.SignData(message, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);

    private delegate byte[] Signer(ReadOnlySpan<byte> message);

    private static void CheckVerification(RemoteKey key, Signer own, Signer foreign)
    {
        var signature = own("message"u8);
        Assert.True(key.Verify("message"u8, signature));
        Assert.False(key.Verify("massage"u8, signature));
        Assert.False(key.Verify("message"u8, foreign("message"u8)));
        Assert.False(key.Verify("message"u8, []));
        Assert.False(key.Verify("message"u8, signature.AsSpan(0, signature.Length - 1)));
        Assert.False(key.Verify("message"u8, [.. signature, 0]));
        Assert.False(key.Verify("message"u8, new byte[signature.Length]));
        Assert.False(key.Verify("message"u8, new byte[PublicKeys.MaxSignatureBytes + 1]));
        for (var at = 0; at < signature.Length; at += 7)
        {
            var flipped = (byte[])signature.Clone();
            flipped[at] ^= 0x10;
            Assert.False(key.Verify("message"u8, flipped));
        }
    }
}
