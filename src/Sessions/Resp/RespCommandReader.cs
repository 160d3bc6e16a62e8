using System.Buffers;
using System.Buffers.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>What reading a command came to.</summary>
internal enum RespRead
{
    /// <summary>More bytes are needed.</summary>
    NeedMore,

    /// <summary>A command; it may have no words, and is ignored then.</summary>
    Command,

    /// <summary>Not the protocol: the client is told why, and the connection ends.</summary>
    Error,
}

// command   = multibulk / inline
// multibulk = "*" count CRLF count( "$" length CRLF length( byte ) CRLF )      a count below 1: no command. The two bytes after a "\r" or an argument are not looked at
// inline    = words LF                                                         see InlineCommand

/// <summary>
/// Reads commands as Redis 7.0 does, odd cases and texts of errors included. Keeps where it is, so that bytes are looked at once however they arrive, and
/// makes room for an argument only as its bytes come. Not thread-safe.
/// </summary>
internal sealed class RespCommandReader(RespLimits limits)
{
    private readonly List<byte[]> _words = [];
    private int _count; // arguments of the command, 0 between commands
    private int _length = -1; // of the argument that comes; -1 before it is known
    private long _bytes;

    /// <summary>The last command's words. Valid until the next is read.</summary>
    public IReadOnlyList<byte[]> Words => _words;

    /// <summary>What the last error says to the client, without its dash.</summary>
    public string Error { get; private set; } = "";

    /// <summary>Bytes that are held of a command that is not complete.</summary>
    public long Held => _count > 0 ? _bytes : 0;

    /// <summary>Reads the next command and takes its bytes, or what of it is there, from <paramref name="input"/>.</summary>
    public RespRead Read(ref ReadOnlySequence<byte> input, bool isStranger)
    {
        if (_count > 0) return ReadArguments(ref input, isStranger);
        if (input.IsEmpty) return RespRead.NeedMore;
        _words.Clear();
        return input.FirstSpan[0] == (byte)'*' ? ReadCount(ref input, isStranger) : ReadLine(ref input);
    }

    private RespRead ReadLine(ref ReadOnlySequence<byte> input)
    {
        if (input.PositionOf((byte)'\n') is not { } end) return input.Length > limits.MaxLineBytes ? Fail("too big inline request") : RespRead.NeedMore;
        var line = input.Slice(0, end);
        if (line.Length > limits.MaxLineBytes) return Fail("too big inline request");
        var text = line.ToArray().AsSpan();
        if (text is [.., (byte)'\r']) text = text[..^1];
        input = input.Slice(input.GetPosition(1, end));
        return InlineCommand.TrySplit(text, _words) ? RespRead.Command : Fail("unbalanced quotes in request");
    }

    private RespRead ReadCount(ref ReadOnlySequence<byte> input, bool isStranger)
    {
        var status = ReadNumber(ref input, "mbulk", out var count);
        if (status != RespRead.Command) return status;
        if (count is null or > int.MaxValue || count > limits.MaxArguments) return Fail("invalid multibulk length");
        if (isStranger && count > limits.MaxStrangerArguments) return Fail("unauthenticated multibulk length");
        if (count <= 0) return RespRead.Command;
        (_count, _length, _bytes) = ((int)count, -1, 0);
        return ReadArguments(ref input, isStranger);
    }

    private RespRead ReadArguments(ref ReadOnlySequence<byte> input, bool isStranger)
    {
        for (; _words.Count < _count; _length = -1)
        {
            if (_length < 0)
            {
                if (input.IsEmpty) return RespRead.NeedMore;
                var first = input.FirstSpan[0];
                // As in Redis the line is found before it is judged.
                var status = ReadNumber(ref input, "bulk", out var length);
                if (status != RespRead.Command) return status;
                if (first != (byte)'$') return Fail($"expected '$', got '{(char)first}'");
                if (length is null or < 0 || length > limits.MaxBulkBytes) return Fail("invalid bulk length");
                if (isStranger && length > limits.MaxStrangerBulkBytes) return Fail("unauthenticated bulk length");
                if (_bytes + length.Value > limits.MaxCommandBytes) return Fail("invalid bulk length");
                _length = (int)length.Value;
            }
            if (input.Length < _length + 2L) return RespRead.NeedMore;
            _words.Add(input.Slice(0, _length).ToArray());
            _bytes += _length;
            input = input.Slice(_length + 2L);
        }
        _count = 0;
        return RespRead.Command;
    }

    // A byte that says what comes, a number and two bytes; null: what is there is no number.
    private RespRead ReadNumber(ref ReadOnlySequence<byte> input, string what, out long? number)
    {
        number = null;
        if (input.PositionOf((byte)'\r') is not { } end) return input.Length > limits.MaxLineBytes ? Fail($"too big {what} count string") : RespRead.NeedMore;
        var line = input.Slice(0, end);
        if (line.Length > limits.MaxLineBytes) return Fail($"too big {what} count string");
        if (input.Length < line.Length + 2) return RespRead.NeedMore;
        if (line.Length > 1) number = RespNumber.Parse(line.Slice(1));
        input = input.Slice(line.Length + 2);
        return RespRead.Command;
    }

    private RespRead Fail(string reason)
    {
        Error = $"ERR Protocol error: {RespText.OneLine(reason)}";
        return RespRead.Error;
    }

    // Fuzz target: the same commands come out however the bytes are cut.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var limits = new RespLimits { MaxBulkBytes = 4096, MaxCommandBytes = 8192, MaxArguments = 64, MaxLineBytes = 512 };
        var bytes = input.ToArray();
        var (whole, pieces) = (new RespCommandReader(limits), new RespCommandReader(limits));
        var all = Commands(whole, bytes, bytes.Length);
        Invariant.Check(bytes.Length > 4096 || all.SequenceEqual(Commands(pieces, bytes, 1), StringComparer.Ordinal), "how bytes are cut changes no command");
        Invariant.Check(whole.Held <= limits.MaxCommandBytes, "what is held is bounded");
    }

    private static List<string> Commands(RespCommandReader reader, byte[] bytes, int step)
    {
        var (found, at) = (new List<string>(), 0);
        for (var end = Math.Min(step, bytes.Length); end <= bytes.Length && bytes.Length > 0; end += step)
        {
            var input = new ReadOnlySequence<byte>(bytes, at, end - at);
            RespRead status;
            while ((status = reader.Read(ref input, isStranger: false)) == RespRead.Command) found.Add(string.Join(' ', reader.Words.Select(Convert.ToHexStringLower)));
            at = end - (int)input.Length;
            if (status != RespRead.Error) continue;
            found.Add(reader.Error);
            break;
        }
        return found;
    }
}

/// <summary>Numbers as RESP has them: an optional minus and digits, without anything else.</summary>
internal static class RespNumber
{
    private const int MaxDigits = 20;

    /// <summary>The number; null when there is none, or one that does not fit.</summary>
    public static long? Parse(ReadOnlySequence<byte> text)
    {
        if (text.Length is 0 or > MaxDigits) return null;
        Span<byte> digits = stackalloc byte[(int)text.Length];
        text.CopyTo(digits);
        return Parse(digits);
    }

    /// <inheritdoc cref="Parse(ReadOnlySequence{byte})"/>
    public static long? Parse(ReadOnlySpan<byte> text)
    {
        var digits = text is [(byte)'-', ..] ? text[1..] : text;
        if (digits.Length is 0 or > MaxDigits || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9')) return null;
        if (digits[0] == (byte)'0' && text.Length > 1) return null;
        return Utf8Parser.TryParse(text, out long number, out var read) && read == text.Length ? number : null;
    }
}

/// <summary>Texts of errors.</summary>
internal static class RespText
{
    /// <summary>Without line ends, which would end the answer.</summary>
    public static string OneLine(string text) => text.Replace('\r', ' ').Replace('\n', ' ');
}
