using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Base.Tests;

public sealed class CryptoTests
{
    [Fact] // RFC 8032, section 7.1, test 1 and 2
    public void Ed25519_gives_the_signatures_of_the_RFC()
    {
        using var key = new Ed25519Key(Convert.FromHexString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        Assert.Equal("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", Convert.ToHexStringLower(key.PublicKey.Span));
        var signature = key.Sign([]);
        Assert.Equal("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b", Convert.ToHexStringLower(signature));
        Assert.True(Ed25519Key.Verify(key.PublicKey.Span, [], signature));
        Assert.False(Ed25519Key.Verify(key.PublicKey.Span, [1], signature));
        signature[3] ^= 1;
        Assert.False(Ed25519Key.Verify(key.PublicKey.Span, [], signature));
        Assert.False(Ed25519Key.Verify(key.PublicKey.Span[..31], [], signature));
    }

    [Fact] // RFC 7748, section 6.1
    public void X25519_gives_the_shared_secret_of_the_RFC()
    {
        using var bob = new X25519Key(Convert.FromHexString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
        Assert.Equal("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", Convert.ToHexStringLower(bob.PublicKey.Span));
        var alice = Convert.FromHexString("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        var secret = new byte[32];
        Assert.True(bob.TryDerive(alice, secret));
        Assert.Equal("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", Convert.ToHexStringLower(secret));
        Assert.False(bob.TryDerive(new byte[32], secret)); // small order
    }

    [Fact]
    public void A_sealed_box_opens_only_for_its_key_and_context()
    {
        using var recipient = new X25519Key(X25519Key.NewPrivateKey());
        using var other = new X25519Key(X25519Key.NewPrivateKey());
        var box = SealedBox.Seal(recipient.PublicKey.Span, "bundle 7"u8, "the key"u8);
        Assert.Equal(SealedBox.Overhead + 7, box.Length);
        Assert.True(SealedBox.TryOpen(recipient, "bundle 7"u8, box, out var content));
        Assert.Equal("the key"u8.ToArray(), content);
        Assert.False(SealedBox.TryOpen(other, "bundle 7"u8, box, out _));
        Assert.False(SealedBox.TryOpen(recipient, "bundle 8"u8, box, out _));
        for (var i = 0; i < box.Length; i++)
        {
            box[i] ^= 0x40;
            Assert.False(SealedBox.TryOpen(recipient, "bundle 7"u8, box, out _));
            Assert.False(SealedBox.TryOpen(recipient, "bundle 7"u8, box.AsSpan(0, i), out _));
            box[i] ^= 0x40;
        }
    }
}
