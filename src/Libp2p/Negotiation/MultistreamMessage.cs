using System.Text;
using System.Text.Unicode;
using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Negotiation;

// message = length:varint text 0x0a          length counts text and newline, 1..1024; text is UTF-8 without control characters
// Source: github.com/multiformats/multistream-select, version 1.0.0.
/// <summary>One message of multistream-select.</summary>
internal static class MultistreamMessage
{
    /// <summary>The first message of both sides.</summary>
    public const string Header = "/multistream/1.0.0";

    /// <summary>The answer to a protocol that is not served.</summary>
    public const string NotAvailable = "na";

    /// <summary>Bytes that a length may take: two groups of 7 bits hold every length up to the limit.</summary>
    public const int MaxLengthBytes = 2;

    /// <summary>Encodes messages one after the other, to be sent in one write.</summary>
    public static byte[] Encode(params ReadOnlySpan<string> texts)
    {
        var output = new List<byte>(64);
        Span<byte> length = stackalloc byte[Varint.MaxBytes];
        foreach (var text in texts)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            output.AddRange(length[..Varint.Write(length, (ulong)bytes.Length + 1)]);
            output.AddRange(bytes);
            output.Add((byte)'\n');
        }
        return [.. output];
    }

    /// <summary>Reads the length at the start of a message, before any of the text is asked for.</summary>
    public static ParseStatus TryReadLength(ReadOnlySpan<byte> input, int maxBytes, out int length, out int bytesRead)
    {
        length = 0;
        var status = Varint.TryRead(input, out var value, out bytesRead);
        if (status == ParseStatus.NeedMore && input.Length >= MaxLengthBytes) return ParseStatus.Invalid;
        if (status != ParseStatus.Done) return status;
        if (value == 0 || value > (ulong)maxBytes || bytesRead > MaxLengthBytes) return ParseStatus.Invalid;
        length = (int)value;
        return ParseStatus.Done;
    }

    /// <summary>Reads the text of a message, its newline included in <paramref name="body"/>.</summary>
    public static bool TryReadText(ReadOnlySpan<byte> body, out string text)
    {
        text = "";
        if (body is not [.., (byte)'\n']) return false;
        body = body[..^1];
        if (!Utf8.IsValid(body)) return false;
        foreach (var b in body)
            if (b is < 0x20 or 0x7f) return false;
        text = Encoding.UTF8.GetString(body);
        return true;
    }

    /// <summary>Reads one whole message from the start of <paramref name="input"/>.</summary>
    public static ParseStatus TryRead(ReadOnlySpan<byte> input, int maxBytes, out string text, out int bytesRead)
    {
        text = "";
        var status = TryReadLength(input, maxBytes, out var length, out bytesRead);
        if (status != ParseStatus.Done) return status;
        if (input.Length - bytesRead < length) return ParseStatus.NeedMore;
        var valid = TryReadText(input.Slice(bytesRead, length), out text);
        bytesRead += length;
        return valid ? ParseStatus.Done : ParseStatus.Invalid;
    }

    /// <summary>For the fuzzer: messages in a row; what is accepted is encoded to the same bytes.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        while (TryRead(input, Libp2pLimits.Default.MaxNegotiationMessageBytes, out var text, out var bytes) == ParseStatus.Done)
        {
            Base.Invariant.Check(Encode(text).AsSpan().SequenceEqual(input[..bytes]), "a message has one encoding");
            input = input[bytes..];
        }
    }
}
