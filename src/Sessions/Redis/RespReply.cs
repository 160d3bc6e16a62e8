using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Sessions.Resp;

namespace PeoplesCloud.Sessions.Redis;

/// <summary>What kind of value a server sent.</summary>
internal enum RespKind
{
    /// <summary>Nothing.</summary>
    Null,

    /// <summary>A text: simple, or a number that is no whole one, as text.</summary>
    Text,

    /// <summary>An error.</summary>
    Error,

    /// <summary>A whole number; a boolean is 1 or 0.</summary>
    Integer,

    /// <summary>Bytes.</summary>
    Bytes,

    /// <summary>Several values: an array, a set, a map with its keys and values in turn.</summary>
    Array,

    /// <summary>Several values that nobody asked for.</summary>
    Push,
}

// value = ( "+" / "-" / ":" / "#" / "," / "(" ) line / "_" CRLF / ( "$" / "!" / "=" ) length CRLF bytes CRLF / ( "*" / "~" / "%" / ">" ) count CRLF values

/// <summary>A value that a server sent, in RESP2 or RESP3.</summary>
internal sealed record RespReply(RespKind Kind, long Number, byte[] Bytes, IReadOnlyList<RespReply> Items)
{
    private const int MaxDepth = 4;
    private const int MaxLineBytes = 64 << 10;

    private static readonly RespReply Nothing = new(RespKind.Null, 0, [], []);

    /// <summary>The bytes as text.</summary>
    public string Text => Encoding.UTF8.GetString(Bytes);

    /// <summary>Reads a value and takes its bytes from <paramref name="input"/>; what is not complete is left there. Bytes are copied when all of them are there.</summary>
    public static ParseStatus TryRead(ref ReadOnlySequence<byte> input, RedisLimits limits, out RespReply? reply)
    {
        var values = limits.MaxReplyValues;
        var rest = input;
        var status = TryRead(ref rest, limits, depth: 0, ref values, out reply);
        if (status == ParseStatus.Done) input = rest;
        // A value that goes on and on is never done.
        return status == ParseStatus.NeedMore && input.Length > limits.MaxReplyBytes + MaxLineBytes ? ParseStatus.Invalid : status;
    }

    private static ParseStatus TryRead(ref ReadOnlySequence<byte> input, RedisLimits limits, int depth, ref int values, out RespReply? reply)
    {
        reply = null;
        if (--values < 0 || depth > MaxDepth) return ParseStatus.Invalid;
        var reader = new SequenceReader<byte>(input);
        if (!reader.TryReadTo(out ReadOnlySequence<byte> line, "\r\n"u8)) return input.Length > MaxLineBytes && !StartsWithLength(input) ? ParseStatus.Invalid : ParseStatus.NeedMore;
        if (line.Length is 0 or > MaxLineBytes) return ParseStatus.Invalid;
        input = reader.UnreadSequence;
        var text = line.Slice(1);
        switch ((char)line.FirstSpan[0])
        {
            case '+' or ',' or '(':
                return Done(out reply, new RespReply(RespKind.Text, 0, text.ToArray(), []));
            case '-':
                return Done(out reply, new RespReply(RespKind.Error, 0, text.ToArray(), []));
            case ':':
                return RespNumber.Parse(text) is { } number ? Done(out reply, new RespReply(RespKind.Integer, number, [], [])) : ParseStatus.Invalid;
            case '#' when text.Length == 1 && text.FirstSpan[0] is (byte)'t' or (byte)'f':
                return Done(out reply, new RespReply(RespKind.Integer, text.FirstSpan[0] == (byte)'t' ? 1 : 0, [], []));
            case '_' when text.Length == 0:
                return Done(out reply, Nothing);
            case '$' or '!' or '=':
                return TryReadBytes(ref input, RespNumber.Parse(text), line.FirstSpan[0] == (byte)'!' ? RespKind.Error : RespKind.Bytes, limits, out reply);
            case '*' or '~' or '%' or '>':
                return TryReadItems(ref input, (char)line.FirstSpan[0], RespNumber.Parse(text), limits, depth, ref values, out reply);
            default:
                return ParseStatus.Invalid;
        }
    }

    private static ParseStatus TryReadBytes(ref ReadOnlySequence<byte> input, long? length, RespKind kind, RedisLimits limits, out RespReply? reply)
    {
        reply = null;
        if (length == -1) return Done(out reply, Nothing);
        if (length is not { } bytes || bytes < 0 || bytes > limits.MaxReplyBytes) return ParseStatus.Invalid;
        if (input.Length < bytes + 2) return ParseStatus.NeedMore;
        reply = new RespReply(kind, 0, input.Slice(0, bytes).ToArray(), []);
        input = input.Slice(bytes + 2);
        return ParseStatus.Done;
    }

    private static ParseStatus TryReadItems(ref ReadOnlySequence<byte> input, char kind, long? count, RedisLimits limits, int depth, ref int values, out RespReply? reply)
    {
        reply = null;
        if (count == -1) return Done(out reply, Nothing);
        if (count is not { } items || items < 0 || items > values) return ParseStatus.Invalid;
        if (kind == '%') items *= 2;
        var all = new List<RespReply>();
        for (; items > 0; items--)
        {
            var status = TryRead(ref input, limits, depth + 1, ref values, out var item);
            if (status != ParseStatus.Done) return status;
            all.Add(item!);
        }
        reply = new RespReply(kind == '>' ? RespKind.Push : RespKind.Array, 0, [], all);
        return ParseStatus.Done;
    }

    private static ParseStatus Done([NotNull] out RespReply? reply, RespReply value)
    {
        reply = value;
        return ParseStatus.Done;
    }

    // The line of what has a length is short: a long one without an end is none.
    private static bool StartsWithLength(ReadOnlySequence<byte> input) => input.FirstSpan[0] is (byte)'$' && input.Length < 32;

    // Fuzz target: a client reads what any server sends, however it is cut.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var limits = new RedisLimits { MaxReplyBytes = 4096, MaxReplyValues = 64 };
        var all = new ReadOnlySequence<byte>(input.ToArray());
        while (TryRead(ref all, limits, out var reply) is var status && status == ParseStatus.Done)
        {
            Invariant.Check(reply is not null && reply.Bytes.Length <= 64 << 10 && reply.Items.Count <= 64, "what is read has a bound");
            if (all.IsEmpty) return;
        }
    }
}
