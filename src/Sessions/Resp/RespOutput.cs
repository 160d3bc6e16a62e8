using System.Buffers;
using System.Net.Sockets;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Resp;

/// <summary>
/// What waits to be sent to one client. Whoever has something adds it and goes on; one at a time sends. A client that does not read is cut off as
/// Redis does it: at once beyond one limit, after a time beyond another. Thread-safe.
/// </summary>
internal sealed class RespOutput(Socket socket, RespLimits limits, ByteBudget budget, TimeProvider time) : ISender, IDisposable
{
    private const int RoundsAtOnce = 16;

    private readonly Lock _gate = new();
    private ByteQueue _waiting = new();
    private ByteQueue _sending = new();
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITimer? _patience;
    private TaskCompletionSource? _read;
    private bool _isSending;
    private bool _isLast;
    private bool _isOver;

    /// <summary>Raised once, when nothing more can be sent, with why the client was cut off; null when it went away or everything was sent.</summary>
    public event Action<string?>? Ended;

    /// <summary>Completes when nothing more can be sent.</summary>
    public Task Finished => _finished.Task;

    /// <summary>How many bytes wait.</summary>
    public long Length
    {
        get
        {
            lock (_gate) return _waiting.Length + _sending.Length;
        }
    }

    /// <summary>Adds what <paramref name="write"/> writes; it waits until <see cref="Send"/>.</summary>
    public void Add<T>(T state, Action<IBufferWriter<byte>, T> write)
        where T : allows ref struct
    {
        string? why = null;
        lock (_gate)
        {
            if (_isOver || _isLast) return;
            var before = _waiting.Length;
            write(_waiting, state);
            var length = _waiting.Length + _sending.Length;
            if (!budget.TryTake(_waiting.Length - before)) why = "all clients together have too much that waits for them";
            else if (length > limits.HardOutputBytes) why = $"it reads too slowly: more than {limits.HardOutputBytes} bytes wait for it";
            else if (length > limits.SoftOutputBytes) _patience ??= time.CreateTimer(_ => End($"it reads too slowly: more than {limits.SoftOutputBytes} bytes wait for it for {limits.SoftOutputTime.TotalSeconds:0} s"), null, limits.SoftOutputTime, Timeout.InfiniteTimeSpan);
        }
        if (why is not null) End(why);
    }

    /// <inheritdoc/>
    public void Send()
    {
        lock (_gate)
        {
            if (_isOver || _isSending || (_waiting.Length == 0 && !_isLast)) return;
            _isSending = true;
        }
        _ = SendAsync();
    }

    /// <summary>Sends what waits, and ends the connection then.</summary>
    public void Close()
    {
        lock (_gate) _isLast = true;
        Send();
    }

    /// <summary>Completes when no more than <paramref name="most"/> bytes wait, or nothing can be sent any more.</summary>
    public Task WaitUntilReadAsync(long most)
    {
        lock (_gate)
        {
            if (_isOver || _waiting.Length + _sending.Length <= most) return Task.CompletedTask;
            _read ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _read.Task;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => End(null);

    // Once round for what waited at its beginning.
    private async Task SendAsync()
    {
        for (var round = 1; Next(); round++)
        {
            try
            {
                foreach (var piece in _sending.Pieces)
                    for (var sent = 0; sent < piece.Length;) sent += await socket.SendAsync(piece[sent..], SocketFlags.None);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                lock (_gate)
                {
                    _isSending = false;
                    if (_isOver) Drop();
                }
                End(null);
                return;
            }
            if (round % RoundsAtOnce == 0) await Task.Yield(); // the thread is a publisher's, who has other subscribers
        }
    }

    private bool Next()
    {
        bool isDone;
        lock (_gate)
        {
            budget.Give(_sending.Length);
            _sending.Clear();
            (_waiting, _sending) = (_sending, _waiting);
            isDone = _sending.Length == 0 && _isLast;
            _isSending = !_isOver && _sending.Length > 0;
            if (_isOver) Drop();
            if (_sending.Length <= limits.SoftOutputBytes)
            {
                _patience?.Dispose();
                _patience = null;
            }
            if (_sending.Length <= limits.MaxUnreadBytes)
            {
                _read?.TrySetResult();
                _read = null;
            }
            if (_isSending) return true;
        }
        if (isDone) End(null);
        return false;
    }

    private void End(string? why)
    {
        lock (_gate)
        {
            if (_isOver) return;
            _isOver = true;
            _patience?.Dispose();
            _read?.TrySetResult();
            if (!_isSending) Drop(); // else whoever sends still reads from it, and fails now
        }
        socket.Dispose();
        Ended?.Invoke(why);
        _finished.TrySetResult();
    }

    private void Drop()
    {
        budget.Give(_waiting.Length + _sending.Length);
        _waiting.Clear();
        _sending.Clear();
    }
}

/// <summary>Bytes that several may hold together. Thread-safe.</summary>
internal sealed class ByteBudget(long most)
{
    private long _held;

    /// <summary>How many are held.</summary>
    public long Held => Interlocked.Read(ref _held);

    /// <summary>Takes bytes, which are given back in any case; false: there are more now than there should be.</summary>
    public bool TryTake(long bytes) => Interlocked.Add(ref _held, bytes) <= most;

    /// <summary>Gives bytes back.</summary>
    public void Give(long bytes) => Interlocked.Add(ref _held, -bytes);
}
