using System.Buffers;
using System.Text;

namespace PeoplesCloud.Programs.Logs;

/// <summary>
/// Makes lines of the chunks of one output: keeps the begin of a line until its end comes, drops what is longer than the limit,
/// replaces what is no UTF-8 by U+FFFD. Never holds more than one line. Not thread-safe.
/// </summary>
internal sealed class LineSplitter(int maxLineBytes)
{
    private readonly ArrayBufferWriter<byte> _partial = new(256);
    private long _dropped;

    /// <summary>Whether a line was begun and not ended.</summary>
    public bool HasPartial => _partial.WrittenCount > 0 || _dropped > 0;

    /// <summary>Takes the next chunk and gives each line that it ends.</summary>
    /// <param name="chunk">What the program wrote.</param>
    /// <param name="line">Receives a line as safe UTF-8 without its end.</param>
    public void Push(ReadOnlySpan<byte> chunk, Action<ReadOnlySpan<byte>> line)
    {
        while (!chunk.IsEmpty)
        {
            var end = chunk.IndexOf((byte)'\n');
            Keep(end < 0 ? chunk : chunk[..end]);
            if (end < 0) return;
            Emit(line);
            chunk = chunk[(end + 1)..];
        }
    }

    /// <summary>Gives the line that was begun, when the program has ended.</summary>
    public void Finish(Action<ReadOnlySpan<byte>> line)
    {
        if (HasPartial) Emit(line);
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        var kept = Math.Min(bytes.Length, maxLineBytes - _partial.WrittenCount);
        _partial.Write(bytes[..kept]);
        _dropped += bytes.Length - kept;
    }

    private void Emit(Action<ReadOnlySpan<byte>> line)
    {
        var text = _partial.WrittenSpan;
        if (_dropped == 0 && text is [.., (byte)'\r']) text = text[..^1];
        if (_dropped > 0) line(Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetString(text)} ... ({_dropped} more bytes of this line were dropped)"));
        else if (System.Text.Unicode.Utf8.IsValid(text)) line(text);
        else line(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(text)));
        _partial.ResetWrittenCount();
        _dropped = 0;
    }
}
