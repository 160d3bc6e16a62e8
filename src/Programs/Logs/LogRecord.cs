using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace PeoplesCloud.Programs.Logs;

/// <summary>
/// One line of a log file.
/// <code>
/// record = time " " source " " text "\n"                time: decimal ticks of 100 ns since 0001-01-01 UTC
/// source = "o" | "e" | "p"                               out, err, pc
/// text   = UTF-8 without "\n"
/// </code>
/// </summary>
internal static class LogRecord
{
    /// <summary>The most bytes before the text.</summary>
    public const int MaxPrefixBytes = 24;

    private static ReadOnlySpan<byte> Letters => "oep"u8;

    /// <summary>Writes the part before the text.</summary>
    public static void WritePrefix(IBufferWriter<byte> output, DateTimeOffset time, LogSource source)
    {
        var prefix = output.GetSpan(MaxPrefixBytes);
        Utf8Formatter.TryFormat(time.UtcTicks, prefix, out var length);
        prefix[length++] = (byte)' ';
        prefix[length++] = Letters[(int)source];
        prefix[length++] = (byte)' ';
        output.Advance(length);
    }

    /// <summary>Reads a record without its line end; false for what is none (a file that was damaged or cut by a power loss).</summary>
    public static bool TryRead(ReadOnlySpan<byte> record, [NotNullWhen(true)] out LogLine? line)
    {
        line = null;
        if (!Utf8Parser.TryParse(record, out long ticks, out var length) || ticks < 0 || ticks > DateTimeOffset.MaxValue.UtcTicks) return false;
        record = record[length..];
        if (record is not [(byte)' ', _, (byte)' ', ..]) return false;
        var source = Letters.IndexOf(record[1]);
        if (source < 0) return false;
        line = new LogLine(new DateTimeOffset(ticks, TimeSpan.Zero), (LogSource)source, Encoding.UTF8.GetString(record[3..]));
        return true;
    }

    // Fuzz target: a record that is read and written again is read the same.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryRead(input, out var line)) return;
        var again = new ArrayBufferWriter<byte>();
        WritePrefix(again, line.Time, line.Source);
        again.Write(Encoding.UTF8.GetBytes(line.Text));
        Base.Invariant.Check(TryRead(again.WrittenSpan, out var same) && same == line, "a log line is read as it was written");
    }
}
