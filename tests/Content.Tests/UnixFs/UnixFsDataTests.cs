using FsCheck;
using FsCheck.Fluent;

namespace PeoplesCloud.Content.Tests.UnixFs;

public sealed class UnixFsDataTests
{
    private static Gen<UnixFsData> Values =>
        from type in Gen.Choose(0, 5)
        from data in ArbMap.Default.GeneratorFor<byte[]>()
        from size in Gen.OneOf(Gen.Constant<long?>(null), Gen.Choose(0, int.MaxValue).Select(i => (long?)i), Gen.Constant<long?>(long.MaxValue))
        from sizes in Gen.Choose(0, int.MaxValue).Select(i => (long)i * 5).ListOf()
        select new UnixFsData((UnixFsType)type, data, size, [.. sizes]);

    [Theory]
    [InlineData("0801", UnixFsType.Directory, null)]
    [InlineData("0802120668656c6c6f0a1806", UnixFsType.File, 6L)]
    [InlineData("120668656c6c6f0a08021806", UnixFsType.File, 6L)] // any order
    [InlineData("080218062202030320ff01", UnixFsType.File, 6L)] // sizes packed and not
    [InlineData("08021800381b42020801", UnixFsType.File, 0L)] // mode and time are read over
    [InlineData("0800", UnixFsType.Raw, null)]
    [InlineData("080218009a06020000", UnixFsType.File, 0L)] // an unknown field
    [InlineData("080428223000", UnixFsType.Symlink, null)] // hash type and fan-out
    public void Data_that_other_programs_write_is_read(string hex, UnixFsType type, long? size)
    {
        Assert.True(UnixFsData.TryRead(Convert.FromHexString(hex), out var data));
        Assert.Equal((type, size), (data.Type, data.FileSize));
    }

    [Theory]
    [InlineData("")] // no type
    [InlineData("1806")]
    [InlineData("0806")] // a type that does not exist
    [InlineData("08020802")] // twice
    [InlineData("0a0102")] // the type as bytes
    [InlineData("08021202ff")] // data past the end
    [InlineData("080212ffffffffffffffff7f")]
    [InlineData("08021881808080808080808001")] // more than 63 bits
    [InlineData("08022202ffff")] // a packed size that does not end
    [InlineData("0802188000")] // not in shortest form
    [InlineData("080219")] // size with another wire type
    [InlineData("0802bb06")] // a group, which nobody writes
    public void Invalid_data_is_refused(string hex) => Assert.False(UnixFsData.TryRead(Convert.FromHexString(hex), out _));

    [Fact]
    public void All_data_is_read_back() => Prop.ForAll(Values.ToArbitrary(), value =>
        UnixFsData.TryRead(value.ToBytes(), out var back) && back.Type == value.Type && back.FileSize == value.FileSize
        && back.BlockSizes.SequenceEqual(value.BlockSizes) && back.Data.Span.SequenceEqual(value.Data.Span)).QuickCheckThrowOnFailure();

    [Fact]
    public void Truncated_and_changed_data_never_crashes() => Prop.ForAll(Values.ToArbitrary(), value =>
    {
        var bytes = value.ToBytes();
        for (var i = 0; i < bytes.Length; i++)
        {
            UnixFsData.Fuzz(bytes.AsSpan(0, i));
            UnixFsNode.Fuzz(new DagPbNode([], bytes.AsMemory(0, i)).ToBytes());
            foreach (var bit in (byte[])[1, 8, 128])
            {
                bytes[i] ^= bit;
                UnixFsData.Fuzz(bytes);
                bytes[i] ^= bit;
            }
        }
        return true;
    }).QuickCheckThrowOnFailure();
}
