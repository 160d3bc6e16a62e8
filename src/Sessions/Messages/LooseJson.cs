using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Messages;

/// <summary>
/// JSON as people and other programs write it by hand: single quotes for double ones, and Python's <c>True</c>, <c>False</c> and <c>None</c>. What is JSON
/// already is read as it is.
/// </summary>
internal static class LooseJson
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = SessionLimits.MaxJsonDepth };

    /// <summary>Reads a document that its caller disposes; null when it is neither. The caller has bounded its length.</summary>
    public static JsonDocument? Read(ReadOnlySpan<byte> text) =>
        !Utf8.IsValid(text) ? null : TryParse(text.ToArray()) ?? (text.Contains((byte)'\'') ? TryParse(Convert(text)) : null);

    private static JsonDocument? TryParse(byte[] json)
    {
        try
        {
            return JsonDocument.Parse(json, Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // One pass: a text in single quotes becomes one in double quotes, three words become JSON's; the rest stays, to be judged by the parser.
    private static byte[] Convert(ReadOnlySpan<byte> text)
    {
        var output = new ArrayBufferWriter<byte>(text.Length + 16);
        while (!text.IsEmpty)
        {
            var taken = text[0] switch
            {
                (byte)'"' => CopyText(text, output),
                (byte)'\'' => Requote(text, output),
                _ => CopyWord(text, output),
            };
            text = text[taken..];
        }
        return output.WrittenSpan.ToArray();
    }

    private static int CopyText(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> output)
    {
        var end = EndOf(text, (byte)'"');
        output.Write(text[..end]);
        return end;
    }

    private static int Requote(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> output)
    {
        var end = EndOf(text, (byte)'\'');
        if (end == 1 || text[end - 1] != '\'')
        {
            // It has no end: what is written is no JSON either.
            output.Write(text);
            return text.Length;
        }
        output.Write("\""u8);
        for (var i = 1; i < end - 1; i++)
        {
            if (text[i] == '"') output.Write("\\\""u8);
            else if (text[i] == '\\' && i + 1 < end && text[i + 1] == '\'')
            {
                i++;
                output.Write("'"u8);
            }
            else if (text[i] == '\\' && i + 1 < end)
            {
                output.Write(text[i..(i + 2)]);
                i++;
            }
            else output.Write(text[i..(i + 1)]);
        }
        output.Write("\""u8);
        return end;
    }

    // After the closing quote, or the end of all.
    private static int EndOf(ReadOnlySpan<byte> text, byte quote)
    {
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] == '\\') i++;
            else if (text[i] == quote) return i + 1;
        }
        return text.Length;
    }

    private static int CopyWord(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> output)
    {
        var length = 0;
        while (length < text.Length && char.IsAsciiLetter((char)text[length])) length++;
        var word = text[..Math.Max(1, length)];
        output.Write(word.SequenceEqual("True"u8) ? "true"u8 : word.SequenceEqual("False"u8) ? "false"u8 : word.SequenceEqual("None"u8) ? "null"u8 : word);
        return word.Length;
    }

    // Fuzz target: what is JSON means itself, and whatever is converted is JSON again or refused.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (input.Length > SessionLimits.MaxRankBytes) return;
        using var document = Read(input);
        if (document is null) return;
        using var again = Read(Encoding.UTF8.GetBytes(document.RootElement.GetRawText()));
        Invariant.Check(again is not null && again.RootElement.ValueKind == document.RootElement.ValueKind, "what was read can be read again");
    }
}
