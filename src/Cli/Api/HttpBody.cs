using System.Globalization;
using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Cli.Api;

/// <summary>
/// The answer to one request on a connection of its own (HTTP/1.1, RFC 9112): status line, headers, then the body as a stream
/// that ends by Content-Length, by the last chunk, or with the connection. Blocking: a command does one thing at a time, and
/// starting the machinery of HttpClient costs more than the whole exchange.
/// </summary>
internal sealed class HttpBody : Stream
{
    private const int MaxHeadBytes = 16 * 1024;

    private readonly Stream _connection;
    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _start, _end;
    private long? _left;
    private bool _chunked, _ended;

    private HttpBody(Stream connection) => _connection = connection;

    /// <summary>The status of the answer.</summary>
    public int Status { get; private set; }

    /// <summary>Reads the head of an answer.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DaemonAnswer"/>: this is no HTTP answer.</exception>
    public static HttpBody Receive(Stream connection)
    {
        var body = new HttpBody(connection);
        var status = body.ReadLine();
        if (!status.StartsWith("HTTP/1.", StringComparison.Ordinal) || status.Length < 12 || !int.TryParse(status.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out var code))
            throw Unexpected("its answer is not HTTP");
        body.Status = code;
        var headBytes = status.Length;
        while (body.ReadLine() is { Length: > 0 } header)
        {
            if ((headBytes += header.Length) > MaxHeadBytes) throw Unexpected("its headers are too long");
            body.ReadHeader(header);
        }

        return body;
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (_ended || buffer.IsEmpty) return 0;
        if (_chunked && _left is null or 0 && !NextChunk()) return 0;
        if (_left == 0) return 0;
        if (_start == _end && !Fill()) return EndOfConnection();
        var count = (int)Math.Min(Math.Min(buffer.Length, _end - _start), _left ?? long.MaxValue);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        _left -= count;
        // The line end after a chunk's data.
        if (_chunked && _left == 0) ReadLine();
        return count;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _connection.Dispose();
        base.Dispose(disposing);
    }

    private void ReadHeader(string header)
    {
        var colon = header.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0) throw Unexpected("a header has no colon");
        var name = header.AsSpan(0, colon);
        var value = header.AsSpan(colon + 1).Trim();
        if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
            _left = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var length) ? length : throw Unexpected("its length is no number");
        else if (name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase))
            _chunked = value.Equals("chunked", StringComparison.OrdinalIgnoreCase) ? true : throw Unexpected("its transfer encoding is unknown");
    }

    private bool NextChunk()
    {
        var line = ReadLine().AsSpan();
        var size = line.IndexOf(';') is var extension and >= 0 ? line[..extension] : line;
        if (!long.TryParse(size.Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var bytes) || bytes < 0) throw Unexpected("a chunk's size is no number");
        _left = bytes;
        _ended = bytes == 0;
        return !_ended;
    }

    private int EndOfConnection()
    {
        _ended = true;
        // Without a length the end of the connection is the end of the body; with one it is a daemon that went away.
        return _left is null && !_chunked ? 0 : throw new PcException(ErrorCode.DaemonWentAway, "the daemon ended the connection in the middle of its answer");
    }

    private string ReadLine()
    {
        var line = new StringBuilder();
        while (true)
        {
            if (_start == _end && !Fill()) throw new PcException(ErrorCode.DaemonWentAway, "the daemon ended the connection before it answered");
            var next = (char)_buffer[_start++];
            if (next == '\n') return line.ToString();
            if (next != '\r') line.Append(next);
            if (line.Length > MaxHeadBytes) throw Unexpected("a line of its answer is too long");
        }
    }

    private bool Fill()
    {
        _start = 0;
        try
        {
            _end = _connection.Read(_buffer);
        }
        catch (IOException exception)
        {
            throw new PcException(ErrorCode.DaemonWentAway, "the connection to the daemon broke", inner: exception);
        }

        return _end > 0;
    }

    private static PcException Unexpected(string what) => new(ErrorCode.DaemonAnswer, $"the daemon's answer could not be understood: {what}");
}
