namespace PeoplesCloud.Programs.Logs;

/// <summary>Reads the records of one log file, and of the next ones when it is moved on. Holds one block in memory. Not thread-safe.</summary>
internal sealed class LogReader : IDisposable
{
    private const int BlockBytes = 64 << 10;

    private readonly byte[] _buffer;
    private FileStream _file;
    private int _buffered;

    private LogReader(FileStream file, long generation, int maxRecordBytes)
    {
        _file = file;
        Generation = generation;
        _buffer = new byte[Math.Max(BlockBytes, maxRecordBytes)];
    }

    /// <summary>Which file it reads; each rotation makes one more.</summary>
    public long Generation { get; private set; }

    /// <summary>Reads a file from its begin.</summary>
    public static LogReader Open(FileStream file, long generation, int maxRecordBytes) => new(file, generation, maxRecordBytes);

    /// <summary>Goes on with another file, from its begin.</summary>
    public void MoveTo(FileStream file, long generation)
    {
        _file.Dispose();
        _file = file;
        _buffered = 0;
        Generation = generation;
    }

    /// <summary>Goes to the last <paramref name="lines"/> lines; negative goes to the begin. Answers how many lines there were too few (negative stays).</summary>
    public int SeekTail(int lines)
    {
        var position = _file.Length;
        // The last line's own end does not count: begin with one more.
        var ends = 0;
        while (lines >= 0 && position > 0)
        {
            var bytes = (int)Math.Min(position, BlockBytes);
            position -= bytes;
            _file.Position = position;
            _file.ReadExactly(_buffer, 0, bytes);
            for (var index = bytes - 1; index >= 0; index--)
            {
                if (_buffer[index] != '\n' || ends++ < lines) continue;
                _file.Position = position + index + 1;
                return 0;
            }
        }
        _file.Position = 0;
        return lines - ends;
    }

    /// <summary>Goes to a place that is the begin of a line.</summary>
    public void Seek(long position) => (_file.Position, _buffered) = (position, 0);

    /// <summary>Goes behind the last line with a time; false, and to the begin, when there is none.</summary>
    public bool SeekBehind(long ticks)
    {
        Span<byte> name = stackalloc byte[LogRecord.MaxPrefixBytes];
        System.Buffers.Text.Utf8Formatter.TryFormat(ticks, name, out var digits);
        name[digits] = (byte)' ';
        name = name[..(digits + 1)];
        long position = 0, found = 0;
        var held = 0;
        Seek(0);
        while (_file.Read(_buffer, held, _buffer.Length - held) is > 0 and var read)
        {
            var rest = _buffer.AsSpan(0, held + read);
            for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
            {
                position += end + 1;
                if (rest.StartsWith(name)) found = position;
                rest = rest[(end + 1)..];
            }
            if (rest.Length == _buffer.Length)
            {
                position += rest.Length;
                rest = [];
            }
            held = rest.Length;
            rest.CopyTo(_buffer);
        }
        Seek(found);
        return found > 0;
    }

    /// <summary>Adds the whole lines of the next block; false at the end of what is written now.</summary>
    public bool Read(List<LogLine> lines)
    {
        var read = _file.Read(_buffer, _buffered, _buffer.Length - _buffered);
        if (read == 0) return false;
        _buffered += read;
        var rest = _buffer.AsSpan(0, _buffered);
        for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
        {
            if (LogRecord.TryRead(rest[..end], out var line)) lines.Add(line);
            rest = rest[(end + 1)..];
        }
        // A full buffer without a line end is no log of ours: drop it rather than stand still.
        if (rest.Length == _buffer.Length) rest = [];
        _buffered = rest.Length;
        rest.CopyTo(_buffer);
        return true;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
