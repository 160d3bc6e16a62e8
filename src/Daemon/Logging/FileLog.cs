using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Daemon.Logging;

/// <summary>
/// logs/daemon.log: one line an event, rotated once (daemon.log.1) when it reaches its size. A log that cannot be written never
/// stops the daemon: lines are counted instead and the count is written when it works again.
/// </summary>
internal sealed class FileLog : ILoggerProvider
{
    private readonly string _path;
    private readonly long _maxBytes;
    private readonly LogLevel _level;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private FileStream? _file;
    private long _lost;

    /// <summary>Writes events of <paramref name="level"/> and above to <paramref name="path"/>.</summary>
    public FileLog(string path, long maxBytes, LogLevel level, TimeProvider time)
    {
        _path = path;
        _maxBytes = maxBytes;
        _level = level;
        _time = time;
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName[(categoryName.LastIndexOf('.') + 1)..]);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
            _file = null;
        }
    }

    private void Write(LogLevel level, string category, string message, Exception? exception)
    {
        var line = new StringBuilder(160)
            .Append(_time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture))
            .Append(' ').Append(Label(level)).Append(' ').Append(category).Append(": ");
        AppendOneLine(line, message);
        if (exception is not null) AppendOneLine(line.Append(" | "), exception.ToString());
        var bytes = Encoding.UTF8.GetBytes(line.Append('\n').ToString());
        lock (_gate)
        {
            try
            {
                var file = Current();
                if (_lost > 0)
                {
                    var lost = _lost;
                    file.Write(Encoding.UTF8.GetBytes($"({lost} lines could not be written)\n"));
                    _lost = 0;
                }
                file.Write(bytes);
                file.Flush();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
            {
                _lost++;
            }
        }
    }

    private FileStream Current()
    {
        if (_file is { } open && open.Length < _maxBytes) return open;
        if (_file is not null)
        {
            _file.Dispose();
            _file = null;
            File.Move(_path, _path + ".1", overwrite: true);
        }
        _file = new FileStream(_path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite | FileShare.Delete,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        return _file;
    }

    // What strangers say may be in a message: no line of theirs becomes a line of ours.
    private static void AppendOneLine(StringBuilder line, string text)
    {
        foreach (var c in text) line.Append(c == '\n' ? " ⏎ " : char.IsControl(c) ? "?" : c.ToString());
    }

    private static string Label(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info ",
        LogLevel.Warning => "warn ",
        LogLevel.Error => "error",
        _ => "fatal",
    };

    private sealed class Logger(FileLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= log._level && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) log.Write(logLevel, category, formatter(state, exception), exception);
        }
    }
}
