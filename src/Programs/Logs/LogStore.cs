using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Programs.Logs;

/// <summary>
/// The log of one program on its host: lines with their time and source, in two files of which the older is dropped when the newer
/// is full. A program that floods its log costs two files of disk and one line of memory for each output; a reader that is too slow
/// misses lines and is told so. Not fsynced: a power loss may take the last seconds. Thread-safe.
/// </summary>
public sealed class LogStore : IDisposable
{
    private const string CurrentFile = "log";
    private const string OlderFile = "log.1";

    private readonly string _folder;
    private readonly LogLimits _limits;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly ArrayBufferWriter<byte> _records = new(4096);
    private readonly LineSplitter[] _splitters;
    private FileStream? _file;
    private long _bytes;
    private long _generation;
    private long _lost;
    private bool _ended;
    private bool _closed;
    private TaskCompletionSource _changed = NewSignal();
    private readonly (long Generation, long Position) _opened;
    private DateTimeOffset _last; // the time of the last line

    /// <summary>Opens or makes the log in a folder of the program's own.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public LogStore(string folder, LogLimits limits, TimeProvider time)
    {
        _folder = folder;
        _limits = limits;
        _time = time;
        _splitters = [new(limits.LineBytes), new(limits.LineBytes)];
        Directory.CreateDirectory(folder);
        OpenCurrent();
        EndTornLine();
        _opened = (_generation, _bytes);
    }

    /// <summary>Whether a folder holds a log.</summary>
    public static bool ExistsIn(string folder) => File.Exists(Path.Combine(folder, CurrentFile));

    /// <summary>What both files take, in bytes.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock) return _bytes + (new FileInfo(PathOf(OlderFile)) is { Exists: true } older ? older.Length : 0);
        }
    }

    /// <summary>Appends what the program wrote; lines are kept when they are whole. Costs one write. A full disk loses lines and stops nothing.</summary>
    public void Append(OutputKind kind, ReadOnlySpan<byte> chunk)
    {
        lock (_lock)
        {
            if (_closed) return;
            var now = _time.GetUtcNow();
            var source = kind == OutputKind.Out ? LogSource.Out : LogSource.Err;
            _splitters[(int)kind].Push(chunk, text => Add(now, source, text));
            Write();
        }
    }

    /// <summary>Appends a sentence of the host about the program.</summary>
    public void Say(string text)
    {
        lock (_lock)
        {
            if (_closed) return;
            Add(_time.GetUtcNow(), LogSource.Pc, Encoding.UTF8.GetBytes(text.ReplaceLineEndings(" ")));
            Write();
        }
    }

    /// <summary>The program's process has ended: lines that it began are kept as they are.</summary>
    public void FinishLines()
    {
        lock (_lock)
        {
            if (_closed) return;
            var now = _time.GetUtcNow();
            _splitters[0].Finish(text => Add(now, LogSource.Out, text));
            _splitters[1].Finish(text => Add(now, LogSource.Err, text));
            Write();
        }
    }

    /// <summary>The program will not run again: readers that follow end after the last line.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _ended = true;
            Signal();
        }
    }

    /// <summary>Reads lines, beginning with some of the last ones.</summary>
    /// <param name="start">With which.</param>
    /// <param name="follow">Whether to go on with lines as they are written, until the log is completed or <paramref name="cancellationToken"/> ends it.</param>
    /// <param name="cancellationToken">Ends following.</param>
    public async IAsyncEnumerable<LogLine> ReadAsync(LogStart start, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var reader = OpenReader(start, out var isWhole);
        if (!isWhole) yield return Notice("lines may be missing here: they are not kept any more");
        var lines = new List<LogLine>();
        while (true)
        {
            // The signal and the generation are taken before reading: what comes later sets the signal.
            var (signal, generation, ended) = Watch();
            while (reader.Read(lines))
            {
                foreach (var line in lines)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    yield return line;
                }
                lines.Clear();
            }
            if (reader.Generation < generation)
            {
                if (MoveOn(reader)) yield return Notice("lines are missing here: the program wrote faster than they were read");
            }
            else if (!follow || ended)
            {
                yield break;
            }
            else
            {
                await signal.WaitAsync(cancellationToken);
            }
        }
    }

    /// <summary>Ends all readers and closes the files; they stay on disk.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _file?.Dispose();
            _closed = true;
        }
        Complete();
    }

    private void Add(DateTimeOffset time, LogSource source, ReadOnlySpan<byte> text)
    {
        // A line's time is its name for whoever reads on later: no other line has it. A clock that was set back goes back all the same.
        if (time <= _last && _last - time < TimeSpan.FromSeconds(1)) time = _last + TimeSpan.FromTicks(1);
        _last = time;
        LogRecord.WritePrefix(_records, time, source);
        _records.Write(text);
        _records.Write("\n"u8);
        // A chunk of many lines is written in pieces, so that memory and files stay within their limits.
        if (_records.WrittenCount >= 64 << 10) Write();
    }

    private void Write()
    {
        if (_records.WrittenCount == 0) return;
        try
        {
            if (_file is null) OpenCurrent(); // A rotation failed on the way.
            if (_bytes > 0 && _bytes + _records.WrittenCount > _limits.FileBytes) Rotate();
            if (_lost > 0) WriteLoss();
            _file!.Write(_records.WrittenSpan);
            _bytes += _records.WrittenCount;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            _lost += _records.WrittenCount;
        }
        _records.ResetWrittenCount();
        Signal();
    }

    private void WriteLoss()
    {
        var loss = new ArrayBufferWriter<byte>();
        LogRecord.WritePrefix(loss, _time.GetUtcNow(), LogSource.Pc);
        loss.Write(Encoding.UTF8.GetBytes($"{_lost} bytes of the log are missing here: they could not be written\n"));
        _file!.Write(loss.WrittenSpan);
        _bytes += loss.WrittenCount;
        _lost = 0;
    }

    private void Rotate()
    {
        _file!.Dispose();
        _file = null;
        File.Move(PathOf(CurrentFile), PathOf(OlderFile), overwrite: true);
        OpenCurrent();
    }

    private void OpenCurrent()
    {
        _file = new FileStream(PathOf(CurrentFile), FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        _bytes = _file.Length;
        _generation++;
    }

    // The daemon was killed within a write: without an end, the next record would be taken for a part of the torn one.
    private void EndTornLine()
    {
        if (_bytes == 0) return;
        using var file = OpenFile(CurrentFile);
        file.Position = _bytes - 1;
        if (file.ReadByte() == '\n') return;
        _file!.Write("\n"u8);
        _bytes++;
    }

    private LogReader OpenReader(LogStart start, out bool isWhole)
    {
        isWhole = true;
        lock (_lock)
        {
            var current = LogReader.Open(OpenFile(CurrentFile), _generation, MaxRecordBytes);
            var missing = 0;
            if (start.After is { } after)
            {
                if (current.SeekBehind(after)) return current;
                missing = -1;
            }
            else if (start.OfRun)
            {
                if (_generation == _opened.Generation)
                {
                    current.Seek(_opened.Position);
                    return current;
                }
                missing = -1;
            }
            else
            {
                missing = current.SeekTail(start.Tail);
            }
            if (missing == 0 || !File.Exists(PathOf(OlderFile)))
            {
                isWhole = start.After is null;
                if (missing < 0) current.Seek(0);
                return current;
            }
            current.Dispose();
            var older = LogReader.Open(OpenFile(OlderFile), _generation - 1, MaxRecordBytes);
            if (start.After is { } line) isWhole = older.SeekBehind(line);
            else if (start.OfRun) isWhole = SeekRun(older);
            else older.SeekTail(missing);
            return older;
        }
    }

    private bool SeekRun(LogReader older)
    {
        var isThere = older.Generation == _opened.Generation;
        older.Seek(isThere ? _opened.Position : 0);
        return isThere;
    }

    private LogLine Notice(string text) => new(_time.GetUtcNow(), LogSource.Pc, text) { IsNotice = true };

    // True when a whole file was missed.
    private bool MoveOn(LogReader reader)
    {
        lock (_lock)
        {
            var missed = reader.Generation + 1 < _generation - 1;
            var next = Math.Max(reader.Generation + 1, _generation - 1);
            reader.MoveTo(OpenFile(next == _generation ? CurrentFile : OlderFile), next);
            return missed;
        }
    }

    private int MaxRecordBytes => (3 * _limits.LineBytes) + 256; // Each invalid byte may become three.

    private FileStream OpenFile(string name) => new(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    private string PathOf(string name) => Path.Combine(_folder, name);

    private (Task Signal, long Generation, bool Ended) Watch()
    {
        lock (_lock) return (_changed.Task, _generation, _ended);
    }

    private void Signal()
    {
        var changed = _changed;
        _changed = NewSignal();
        changed.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
