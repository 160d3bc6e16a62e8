using System.Buffers;
using System.Text;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Sessions.Tests.Redis;

public sealed class RespReplyTests
{
    [Theory]
    [InlineData("+OK\r\n", "Text OK")]
    [InlineData("-ERR no\r\n", "Error ERR no")]
    [InlineData(":-5\r\n", "Integer -5")]
    [InlineData("$3\r\na\r\n\r\n", "Bytes a\r\n")]
    [InlineData("$-1\r\n", "Null ")]
    [InlineData("*-1\r\n", "Null ")]
    [InlineData("_\r\n", "Null ")]
    [InlineData("#t\r\n", "Integer 1")]
    [InlineData(",3.5\r\n", "Text 3.5")]
    [InlineData("(123456789012345678901234567890\r\n", "Text 123456789012345678901234567890")]
    [InlineData("!5\r\nERR x\r\n", "Error ERR x")]
    [InlineData("=6\r\ntxt:hi\r\n", "Bytes txt:hi")]
    [InlineData("*2\r\n:1\r\n*1\r\n+a\r\n", "Array [Integer 1,Array [Text a]]")]
    [InlineData("%1\r\n+a\r\n:1\r\n", "Array [Text a,Integer 1]")]
    [InlineData(">2\r\n+a\r\n~0\r\n", "Push [Text a,Array []]")]
    public void Values_of_both_versions_are_read_when_all_of_them_is_there(string bytes, string expected)
    {
        var all = Encoding.Latin1.GetBytes(bytes);
        for (var length = 0; length < all.Length; length++)
        {
            var beginning = new ReadOnlySequence<byte>(all, 0, length);
            Assert.Equal(ParseStatus.NeedMore, RespReply.TryRead(ref beginning, RedisLimits.Default, out _));
            Assert.Equal(length, beginning.Length);
        }
        var input = new ReadOnlySequence<byte>(all);
        Assert.Equal(ParseStatus.Done, RespReply.TryRead(ref input, RedisLimits.Default, out var reply));
        Assert.True(input.IsEmpty);
        Assert.Equal(expected, Shown(reply!));
    }

    [Theory]
    [InlineData("x\r\n")]
    [InlineData("\r\n")]
    [InlineData("$99999999999\r\n")]
    [InlineData("$-2\r\n")]
    [InlineData("*4097\r\n")]
    [InlineData(":1x\r\n")]
    [InlineData("#x\r\n")]
    [InlineData("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n")]
    public void What_is_none_or_claims_too_much_is_refused(string bytes)
    {
        var input = new ReadOnlySequence<byte>(Encoding.Latin1.GetBytes(bytes));
        Assert.Equal(ParseStatus.Invalid, RespReply.TryRead(ref input, RedisLimits.Default, out _));
    }

    private static string Shown(RespReply reply) => reply.Kind switch
    {
        RespKind.Array or RespKind.Push => $"{reply.Kind} [{string.Join(',', reply.Items.Select(Shown))}]",
        RespKind.Integer => $"{reply.Kind} {reply.Number}",
        _ => $"{reply.Kind} {Encoding.Latin1.GetString(reply.Bytes)}",
    };
}
