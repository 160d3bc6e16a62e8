using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>Writes what RESP2 and RESP3 consist of, for either side.</summary>
internal static class RespWriter
{
    private const int MaxHead = 24;

    /// <summary>A command, as clients send it.</summary>
    public static void Command(IBufferWriter<byte> output, params ReadOnlySpan<ReadOnlyMemory<byte>> words)
    {
        Head(output, '*', words.Length);
        foreach (var word in words) Bulk(output, word.Span);
    }

    /// <summary>A simple string; it has no line ends.</summary>
    public static void Simple(IBufferWriter<byte> output, string text) => Line(output, '+', text);

    /// <summary>An error, beginning with its kind: <c>ERR ...</c>.</summary>
    public static void Error(IBufferWriter<byte> output, string text) => Line(output, '-', RespText.OneLine(text));

    /// <summary>A whole number.</summary>
    public static void Integer(IBufferWriter<byte> output, long number) => Head(output, ':', number);

    /// <summary>Begins an array.</summary>
    public static void Array(IBufferWriter<byte> output, int count) => Head(output, '*', count);

    /// <summary>Begins what nobody asked for: a push in RESP3, an array before.</summary>
    public static void Push(IBufferWriter<byte> output, int version, int count) => Head(output, version >= 3 ? '>' : '*', count);

    /// <summary>Begins a map of pairs; an array of twice as many before RESP3.</summary>
    public static void Map(IBufferWriter<byte> output, int version, int pairs) => Head(output, version >= 3 ? '%' : '*', version >= 3 ? pairs : 2 * pairs);

    /// <summary>Nothing.</summary>
    public static void Null(IBufferWriter<byte> output, int version) => output.Write(version >= 3 ? "_\r\n"u8 : "$-1\r\n"u8);

    /// <summary>Bytes.</summary>
    public static void Bulk(IBufferWriter<byte> output, ReadOnlySpan<byte> bytes)
    {
        Head(output, '$', bytes.Length);
        output.Write(bytes);
        output.Write("\r\n"u8);
    }

    /// <summary>Bytes given with one character for each, as names of channels are kept.</summary>
    public static void BulkRaw(IBufferWriter<byte> output, string raw)
    {
        Head(output, '$', raw.Length);
        Encoding.Latin1.GetBytes(raw, output);
        output.Write("\r\n"u8);
    }

    /// <summary>Text for people: verbatim in RESP3, bytes before.</summary>
    public static void Verbatim(IBufferWriter<byte> output, int version, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        if (version < 3)
        {
            Bulk(output, bytes);
            return;
        }
        Head(output, '=', bytes.Length + 4);
        output.Write("txt:"u8);
        output.Write(bytes);
        output.Write("\r\n"u8);
    }

    private static void Line(IBufferWriter<byte> output, char kind, string text)
    {
        output.Write([(byte)kind]);
        Encoding.Latin1.GetBytes(text, output);
        output.Write("\r\n"u8);
    }

    private static void Head(IBufferWriter<byte> output, char kind, long number)
    {
        var span = output.GetSpan(MaxHead);
        span[0] = (byte)kind;
        Utf8Formatter.TryFormat(number, span[1..], out var written);
        "\r\n"u8.CopyTo(span[(1 + written)..]);
        output.Advance(written + 3);
    }
}
