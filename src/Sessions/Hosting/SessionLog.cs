namespace PeoplesCloud.Sessions.Hosting;

/// <summary>
/// What a session wrote, as it wrote it, in two files of which the older is dropped when the newer is full. A session that floods its log costs
/// two files of disk; a full disk loses output and stops nothing. Thread-safe.
/// </summary>
internal sealed class SessionLog : IDisposable
{
    private const string CurrentFile = "log";
    private const string OlderFile = "log.1";

    private readonly string _folder;
    private readonly int _maxBytes;
    private readonly Lock _lock = new();
    private FileStream? _file;
    private bool _closed;

    /// <summary>Opens the log in a folder that is there.</summary>
    public SessionLog(string folder, int maxBytes) => (_folder, _maxBytes) = (folder, maxBytes);

    /// <summary>Appends.</summary>
    public void Append(ReadOnlySpan<byte> chunk)
    {
        lock (_lock)
        {
            if (_closed) return;
            try
            {
                _file ??= new FileStream(Path.Combine(_folder, CurrentFile), FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
                if (_file.Length + chunk.Length > _maxBytes && _file.Length > 0) Turn();
                _file.Write(chunk.Length > _maxBytes ? chunk[^_maxBytes..] : chunk);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Lost.
            }
        }
    }

    /// <summary>What both files hold, the older first.</summary>
    public static byte[] Read(string folder)
    {
        var all = new MemoryStream();
        foreach (var name in new[] { OlderFile, CurrentFile })
        {
            try
            {
                using var file = new FileStream(Path.Combine(folder, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                file.CopyTo(all);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                // It has written nothing yet, or nothing for long enough.
            }
        }
        return all.ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            _file?.Dispose();
        }
    }

    private void Turn()
    {
        _file!.Dispose();
        File.Move(Path.Combine(_folder, CurrentFile), Path.Combine(_folder, OlderFile), overwrite: true);
        _file = new FileStream(Path.Combine(_folder, CurrentFile), FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
    }
}
