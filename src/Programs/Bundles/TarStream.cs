using PeoplesCloud.Base;

namespace PeoplesCloud.Programs.Bundles;

/// <summary>
/// The tar of a scanned folder as a stream that is read once, from front to back, in constant memory: the same folder gives the
/// same bytes on every machine. A file that changed since it was scanned ends the stream with an error.
/// </summary>
internal sealed class TarStream(ScannedFolder folder) : ReadOnlyStream
{
    private readonly IEnumerator<ScannedEntry> _entries = folder.Entries.GetEnumerator();
    private ReadOnlyMemory<byte> _pending;
    private FileStream? _file;
    private ScannedEntry? _current;
    private long _left;
    private bool _ended;

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            if (!_pending.IsEmpty) return TakePending(buffer);
            if (_file is not null)
            {
                var read = ReadFile(buffer);
                if (read > 0) return read;
            }
            else if (!MoveNext())
            {
                return 0;
            }
        }
        return 0;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file?.Dispose();
            _entries.Dispose();
        }
        base.Dispose(disposing);
    }

    private int TakePending(Span<byte> buffer)
    {
        var taken = Math.Min(buffer.Length, _pending.Length);
        _pending.Span[..taken].CopyTo(buffer);
        _pending = _pending[taken..];
        return taken;
    }

    private bool MoveNext()
    {
        if (_ended) return false;
        if (!_entries.MoveNext())
        {
            _ended = true;
            _pending = new byte[2 * TarFormat.BlockBytes];
            return true;
        }
        _current = _entries.Current;
        _pending = TarFormat.Write(new TarEntry(_current.Path, _current.Bytes, _current.Executable && !_current.IsFolder));
        if (!_current.IsFolder)
        {
            _file = Open(_current);
            _left = _current.Bytes;
        }
        return true;
    }

    // 0 means that the file is done; its padding is pending then.
    private int ReadFile(Span<byte> buffer)
    {
        if (_left > 0)
        {
            var read = ReadSome(buffer[..(int)Math.Min(buffer.Length, _left)]);
            _left -= read;
            return read;
        }
        Invariant.Check(_file is not null && _current is not null, "a file is open");
        // Its length and time are compared after its last byte was read: a write during the read is noticed.
        if (!FileStatus.TryRead(_file.SafeFileHandle, out var now, out _) || now != _current.Status) throw Changed(_current);
        _file.Dispose();
        _file = null;
        _pending = new byte[TarFormat.PaddingOf(_current.Bytes)];
        return 0;
    }

    private int ReadSome(Span<byte> buffer)
    {
        int read;
        try
        {
            read = _file!.Read(buffer);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(_current!, unreadable);
        }
        return read > 0 ? read : throw Changed(_current!); // Shorter than it was.
    }

    // The open file must be what was scanned (same device and inode): a link put in its place since then is not followed.
    private static FileStream Open(ScannedEntry entry)
    {
        FileStream file;
        try
        {
            file = new FileStream(entry.FullPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (FileNotFoundException)
        {
            throw Changed(entry);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(entry, unreadable);
        }
        if (FileStatus.TryRead(file.SafeFileHandle, out var now, out _) && now == entry.Status) return file;
        file.Dispose();
        throw Changed(entry);
    }

    private static PcException Changed(ScannedEntry entry) => new(ErrorCode.FileChanged, $"{Quoted.Text(entry.FullPath)} changed while it was packed");

    private static PcException Unreadable(ScannedEntry entry, Exception cause) =>
        new(ErrorCode.FileUnreadable, $"{Quoted.Text(entry.FullPath)} could not be read: {cause.Message}", inner: cause);
}
