using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Content.Tests;

public sealed class CidTests
{
    [Theory] // the examples of the CID specification and of IPFS's documentation: one digest in all its forms
    [InlineData("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", 0x70)]
    [InlineData("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", 0x70)]
    public void Version_0_and_1_name_the_same_digest(string v0, string v1, byte codec)
    {
        var zero = Cid.Parse(v0);
        var one = Cid.Parse(v1);
        Assert.Equal((0, Cid.DagPb), (zero.Version, zero.Codec));
        Assert.Equal((1, codec), (one.Version, one.Codec));
        Assert.Equal(Convert.ToHexString(zero.Digest), Convert.ToHexString(one.Digest));
        Assert.Equal(v1, Cid.V1(codec, zero.Digest).ToString());
        Assert.Equal(v0, Cid.V0(one.Digest).ToString());
        Assert.NotEqual(zero, one);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Qm")]
    [InlineData("hello")]
    [InlineData("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMn")] // a letter short
    [InlineData("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnRR")] // a letter more
    [InlineData("QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMn0")] // a letter that the base lacks
    [InlineData("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzd")]
    [InlineData("BAFYBEIGDYRZT5SFP7UDM7HU76UH7Y26NF3EFUYLQABF3OCLGTQY55FBZDI")]
    [InlineData("f1220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de94391a")] // version 0 takes no multibase prefix
    [InlineData("bafkqaaa")] // the hash "identity"
    public void What_is_no_CID_is_refused_in_words(string text)
    {
        Assert.False(Cid.TryParse(text, out _));
        Assert.Equal(ErrorCode.InvalidCid, Assert.Throws<PcException>(() => Cid.Parse(text)).Code);
    }

    [Fact]
    public void Every_CID_is_read_back_from_its_bytes_and_from_each_base() => Prop.ForAll((byte[] seed, bool isRaw) =>
    {
        var cid = Cid.V1(isRaw ? Cid.Raw : Cid.DagPb, SHA256.HashData(seed));
        string[] texts = [cid.ToString(), "z" + Multibase.ToBase58(cid.Bytes), "k" + Multibase.ToBase36(cid.Bytes), "f" + Convert.ToHexStringLower(cid.Bytes)];
        return texts.All(t => Cid.TryParse(t, out var back) && back == cid) && Cid.TryFromBytes(cid.Bytes, out var same) && same == cid;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Truncated_longer_or_changed_bytes_are_refused_or_another_CID()
    {
        foreach (var cid in new[] { Cid.V0(SHA256.HashData([])), Cid.V1(Cid.Raw, SHA256.HashData([])) })
        {
            var bytes = cid.Bytes.ToArray();
            for (var i = 0; i < bytes.Length; i++)
            {
                Assert.False(Cid.TryFromBytes(bytes.AsSpan(0, i), out _));
                bytes[i] ^= 1;
                Assert.False(Cid.TryFromBytes(bytes, out var other) && other == cid);
                bytes[i] ^= 1;
            }
            Assert.False(Cid.TryFromBytes([.. bytes, 0], out _));
        }
    }

    [Fact]
    public void The_fuzz_target_holds_for_random_bytes() => Prop.ForAll((byte[] bytes) =>
    {
        Cid.Fuzz(bytes);
        Cid.Fuzz([0x01, 0x55, 0x12, 0x20, .. SHA256.HashData(bytes)]);
        Cid.Fuzz([0x12, 0x20, .. SHA256.HashData(bytes)]);
        return true;
    }).QuickCheckThrowOnFailure();
}
