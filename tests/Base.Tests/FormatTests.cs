using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Base.Tests;

public sealed class FormatTests
{
    [Fact] // examples of the multibase and unsigned-varint specifications
    public void The_specifications_examples_hold()
    {
        var yes = "yes mani !"u8;
        Assert.Equal("7paNL19xttacUY", Multibase.ToBase58(yes));
        Assert.Equal("pfsxgidnmfxgsibb", Multibase.ToBase32(yes));
        Assert.Equal("2lcpzo5yikidynfl", Multibase.ToBase36(yes));
        Assert.Equal("11", Multibase.ToBase58([0, 0]));
        Span<byte> output = stackalloc byte[9];
        Assert.Equal("ac02", Convert.ToHexStringLower(output[..Varint.Write(output, 300)]));
        Assert.Equal(ParseStatus.Invalid, Varint.TryRead([0x81, 0x00], out _, out _));
        Assert.Equal(ParseStatus.NeedMore, Varint.TryRead([0x81], out _, out _));
        Assert.Equal(ParseStatus.Invalid, Varint.TryRead([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], out _, out _));
    }

    [Fact]
    public void Every_base_gives_back_the_bytes() => Prop.ForAll((byte[] bytes) =>
        Multibase.TryFromBase58(Multibase.ToBase58(bytes), out var a) && a.AsSpan().SequenceEqual(bytes)
        && Multibase.TryFromBase36(Multibase.ToBase36(bytes), out var b) && b.AsSpan().SequenceEqual(bytes)
        && Multibase.TryFromBase32(Multibase.ToBase32(bytes), out var c) && c.AsSpan().SequenceEqual(bytes)).QuickCheckThrowOnFailure();

    [Fact]
    public void Every_varint_gives_back_its_value_and_each_truncation_needs_more() => Prop.ForAll((ulong any) =>
    {
        var value = any >> 1;
        var bytes = new byte[Varint.MaxBytes];
        var length = Varint.Write(bytes, value);
        if (length != Varint.SizeOf(value)) return false;
        for (var i = 0; i < length; i++)
            if (Varint.TryRead(bytes.AsSpan(0, i), out _, out _) != ParseStatus.NeedMore) return false;
        return Varint.TryRead(bytes, out var back, out var read) == ParseStatus.Done && back == value && read == length;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_text_that_is_too_long_is_refused_before_it_costs_time() =>
        Assert.False(Multibase.TryFromBase58(new string('z', 10_000_000), out _));
}
