using Microsoft.Win32.SafeHandles;

namespace PeoplesCloud.Base.Files;

/// <summary>A new file of the owner's alone, written from front to back; its bytes are durable when it is closed. Its name is the caller's to flush.</summary>
public sealed class DurableFileStream : Stream
{
    private const int BufferBytes = 128 << 10;

    private readonly IDisk _disk;
    private readonly SafeFileHandle _file;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _filled;
    private long _written;

    /// <summary>Makes the file, which must not be there.</summary>
    /// <param name="disk">Where.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="IOException">It is there, or cannot be made.</exception>
    public DurableFileStream(IDisk disk, string path)
    {
        _disk = disk;
        _file = disk.Create(path, [], DurableWrites.OwnerFile);
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => _written + _filled; set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            if (_filled == BufferBytes) Flush();
            var part = Math.Min(buffer.Length, BufferBytes - _filled);
            buffer[..part].CopyTo(_buffer.AsSpan(_filled));
            _filled += part;
            buffer = buffer[part..];
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Gives the system what is still here; durable it is only when this is closed.</summary>
    public override void Flush()
    {
        _disk.Write(_file, _buffer.AsSpan(0, _filled), _written);
        _written += _filled;
        _filled = 0;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_file.IsClosed)
        {
            using (_file)
            {
                Flush();
                _disk.Flush(_file);
            }
        }
        base.Dispose(disposing);
    }
}
