using System.Buffers;
using System.Text;
using PeoplesCloud.Sessions.Resp;

namespace PeoplesCloud.Sessions.Tests.Resp;

public sealed class CodecTests
{
    [Fact]
    public void What_is_written_is_read_again_and_every_beginning_of_it_needs_more()
    {
        var output = new ArrayBufferWriter<byte>();
        byte[][] words = ["PUBLISH"u8.ToArray(), [], [0, 13, 10, 255], new byte[10_000]];
        RespWriter.Command(output, [.. words.Select(word => new ReadOnlyMemory<byte>(word))]);
        var reader = new RespCommandReader(RespLimits.Default);
        var input = new ReadOnlySequence<byte>(output.WrittenMemory);
        Assert.Equal(RespRead.Command, reader.Read(ref input, isStranger: false));
        Assert.Equal(words, reader.Words);
        Assert.True(input.IsEmpty);
        for (var length = 0; length < output.WrittenCount; length += length < 60 ? 1 : 997)
        {
            var beginning = new ReadOnlySequence<byte>(output.WrittenMemory[..length]);
            Assert.Equal(RespRead.NeedMore, new RespCommandReader(RespLimits.Default).Read(ref beginning, isStranger: false));
        }
    }

    [Fact]
    public void A_claim_of_much_makes_no_room_for_it()
    {
        var reader = new RespCommandReader(RespLimits.Default);
        var input = new ReadOnlySequence<byte>("*65536\r\n$16777216\r\nx"u8.ToArray());
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(RespRead.NeedMore, reader.Read(ref input, isStranger: false));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16_384);
    }

    [Fact]
    public void Arguments_that_are_too_much_together_are_refused()
    {
        var reader = new RespCommandReader(new RespLimits { MaxCommandBytes = 10 });
        var input = new ReadOnlySequence<byte>("*2\r\n$6\r\nabcdef\r\n$5\r\n"u8.ToArray());
        Assert.Equal(RespRead.Error, reader.Read(ref input, isStranger: false));
        Assert.Equal("ERR Protocol error: invalid bulk length", reader.Error);
    }

    [Theory]
    [InlineData("0", 0L)]
    [InlineData("-1", -1L)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [InlineData("-9223372036854775808", long.MinValue)]
    [InlineData("9223372036854775808", null)]
    [InlineData("01", null)]
    [InlineData("-0", null)]
    [InlineData("+1", null)]
    [InlineData(" 1", null)]
    [InlineData("1 ", null)]
    [InlineData("", null)]
    [InlineData("-", null)]
    public void Numbers_are_written_in_one_way(string text, long? number) => Assert.Equal(number, RespNumber.Parse(Encoding.Latin1.GetBytes(text)));
}
