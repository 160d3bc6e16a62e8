using System.Security.Cryptography;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;

namespace PeoplesCloud.Content.Tests.DagPb;

public sealed class DagPbNodeTests
{
    private static readonly JsonElement Vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "vectors/dag-pb/1/dag-pb.json"))).RootElement;

    public static TheoryData<string, string, string> Valid =>
        [.. Vectors.GetProperty("valid").EnumerateArray().Select(v => (Text(v, "what"), Text(v, "hex"), Text(v, "cid")))];

    public static TheoryData<string, string> Invalid => [.. Vectors.GetProperty("invalid").EnumerateArray().Select(v => (Text(v, "what"), Text(v, "hex")))];

    private static Gen<DagPbNode> Nodes =>
        from links in Links.ListOf().Resize(4)
        from data in Gen.OneOf(Gen.Constant<byte[]?>(null), ArbMap.Default.GeneratorFor<byte[]>().Select(b => (byte[]?)b))
        select new DagPbNode([.. links], data is null ? (ReadOnlyMemory<byte>?)null : data);

    private static Gen<DagPbLink> Links =>
        from seed in ArbMap.Default.GeneratorFor<byte[]>()
        from version in Gen.Choose(0, 2)
        from name in Gen.Elements(null, "", "a", "file.txt", "日本", "a\nb", "../..", "🦉")
        from tsize in Gen.OneOf(Gen.Constant<long?>(null), Gen.Choose(0, int.MaxValue).Select(i => (long?)i), Gen.Constant<long?>(long.MaxValue))
        let digest = SHA256.HashData(seed)
        select new DagPbLink(version switch { 0 => Cid.V0(digest), 1 => Cid.V1(Cid.DagPb, digest), _ => Cid.V1(Cid.Raw, digest) }, name, tsize);

    [Theory]
    [MemberData(nameof(Valid))]
    public void A_valid_block_is_read_and_written_back(string what, string hex, string cid)
    {
        var block = Convert.FromHexString(hex);
        Assert.True(DagPbNode.TryRead(block, out var node), what);
        Assert.Equal(hex, Convert.ToHexStringLower(node.ToBytes()));
        Assert.Equal(cid, Cid.V0(SHA256.HashData(node.ToBytes())).ToString());
    }

    [Theory]
    [MemberData(nameof(Invalid))]
    public void An_invalid_block_is_refused(string what, string hex) => Assert.False(DagPbNode.TryRead(Convert.FromHexString(hex), out _), what);

    [Fact]
    public void Every_node_is_read_back() => Prop.ForAll(Nodes.ToArbitrary(), node =>
        DagPbNode.TryRead(node.ToBytes(), out var back) && back.Links.SequenceEqual(node.Links)
        && back.Data.HasValue == node.Data.HasValue && (node.Data is not { } data || back.Data!.Value.Span.SequenceEqual(data.Span))).QuickCheckThrowOnFailure();

    [Fact]
    public void A_truncated_node_is_refused_or_a_smaller_node_and_a_changed_one_never_crashes() => Prop.ForAll(Nodes.ToArbitrary(), node =>
    {
        var bytes = node.ToBytes();
        for (var i = 0; i < bytes.Length; i++)
        {
            // Cut between two links, or before the data, it is the shorter node that these bytes are: still canonical.
            DagPbNode.Fuzz(bytes.AsSpan(0, i));
            if (DagPbNode.TryRead(bytes.AsMemory(0, i), out var shorter)) Assert.True(shorter.Links.Count <= node.Links.Count && !shorter.Data.HasValue);
            foreach (var bit in (byte[])[1, 8, 128])
            {
                bytes[i] ^= bit;
                DagPbNode.Fuzz(bytes);
                bytes[i] ^= bit;
            }
        }
        return true;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_block_larger_than_any_block_is_refused_unread() => Assert.False(DagPbNode.TryRead(new byte[IBlockStore.MaxBlockBytes + 1], out _));

    [Fact]
    public void A_name_that_is_not_Unicode_cannot_be_written() =>
        Assert.ThrowsAny<ArgumentException>(() => new DagPbNode([new DagPbLink(Cid.V0(new byte[32]), "\ud800", null)], null).ToBytes());

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
