using System.Diagnostics.CodeAnalysis;

namespace PeoplesCloud.Libp2p.Yamux;

/// <content>
/// Puts frames out. Whoever has something to send and finds the writer idle becomes the writer, on its own thread, so that a
/// lone message needs no hop. Each round fills one buffer of the channel: session frames, then control frames of streams, then
/// data: streams that were idle first, the others in turn. The reading loop never writes, since a peer that does not
/// read could then stop us from reading.
/// </content>
internal sealed partial class YamuxConnection
{
    // What a stream may send as one of those that were idle; beyond, it waits its turn behind them. As fq_codel has it (RFC 8290).
    private const int QuantumBytes = 16 * 1024;

    // After so many bytes of the connection a stream counts as having been idle.
    private const int IdleAfterBytes = 512 * 1024;

    // Below this a Data frame is left to the next buffer rather than cut into crumbs.
    private const int MinDataRoomBytes = 512;

    // How long a caller is kept as the writer for others before a pool thread takes over, in writes of up to 128 KiB.
    private const int MaxInlineWrites = 4;

    // Idle streams go first; after this many in a row one of the waiting ones has its turn.
    private const int MaxFreshInARow = 8;

    private readonly Queue<YamuxFrame> _sessionFrames = new();
    private readonly Queue<YamuxStream> _control = new();
    private readonly Queue<YamuxStream> _fresh = new();
    private readonly Queue<YamuxStream> _waiting = new();
    private int _freshInARow;
    private int _queuedPings;
    private int _queuedRefusals;
    private bool _goesAway;
    private bool _drains;
    private bool _isWriting;
    private TaskCompletionSource? _writerIdle;
    private long _writeStarted;
    private long _bytesOut;

    /// <summary>Whether somebody was writing a moment ago.</summary>
    internal bool IsWriting => Volatile.Read(ref _isWriting);

    internal void ScheduleControl(YamuxStream stream, bool inline)
    {
        lock (_gate)
        {
            if (!stream.InControlQueue)
            {
                stream.InControlQueue = true;
                _control.Enqueue(stream);
            }
            if (!TryBecomeWriter()) return;
        }
        Write(inline);
    }

    internal void ScheduleData(YamuxStream stream, bool inline)
    {
        lock (_gate)
        {
            if (!stream.InDataQueue)
            {
                stream.InDataQueue = true;
                var wasIdle = stream.RecentBytes < QuantumBytes || _bytesOut - stream.LastSentAt > IdleAfterBytes;
                if (wasIdle) stream.RecentBytes = 0;
                (wasIdle ? _fresh : _waiting).Enqueue(stream);
            }
            if (!TryBecomeWriter()) return;
        }
        Write(inline);
    }

    private void EnqueueSession(YamuxFrame frame, bool inline)
    {
        lock (_gate)
        {
            _sessionFrames.Enqueue(frame);
            if (!TryBecomeWriter()) return;
        }
        Write(inline);
    }

    private void EnqueuePong(uint value)
    {
        lock (_gate)
        {
            if (++_queuedPings > Limits.MaxQueuedPings) throw new Libp2pException(Libp2pError.LimitReached, $"more than {Limits.MaxQueuedPings} pings were sent by a peer that does not read");
        }
        EnqueueSession(new YamuxFrame(YamuxType.Ping, YamuxFlags.Ack, YamuxFrame.Session, value), inline: false);
    }

    private void EnqueueRefusal(uint streamId)
    {
        lock (_gate)
        {
            if (++_queuedRefusals > Limits.MaxQueuedRefusals) throw new Libp2pException(Libp2pError.LimitReached, $"more than {Limits.MaxQueuedRefusals} streams were opened by a peer that does not read");
        }
        EnqueueSession(new YamuxFrame(YamuxType.WindowUpdate, YamuxFlags.Rst, streamId, 0), inline: false);
    }

    // Guarded by _gate.
    private bool TryBecomeWriter()
    {
        if (_isWriting || _end is not null) return false;
        return _isWriting = true;
    }

    // Nothing awaits the task: it handles every failure itself, and WaitForWriterAsync waits for its end.
    private void Write(bool inline)
    {
        if (inline) _ = WriteAsync();
        else ThreadPool.UnsafeQueueUserWorkItem(static connection => _ = connection.WriteAsync(), this, preferLocal: true);
    }

    /// <summary>Writes until nothing is left. The caller holds <see cref="_isWriting"/>.</summary>
    private async Task WriteAsync()
    {
        try
        {
            for (var writes = 1; ; writes++)
            {
                if (!FillChannel())
                {
                    lock (_gate)
                    {
                        if (_sessionFrames.Count + _control.Count + _fresh.Count + _waiting.Count > 0) continue;
                        _channel.ReleaseWriteBuffer();
                        StopWriting();
                        return;
                    }
                }
                Interlocked.Exchange(ref _writeStarted, _time.GetTimestamp());
                await _channel.FlushAsync(_lifetime.Token);
                Interlocked.Exchange(ref _writeStarted, 0);
                if (writes % MaxInlineWrites == 0) await Task.Yield();
            }
        }
        catch (Exception failure)
        {
            if (failure is not (IOException or OperationCanceledException or ObjectDisposedException)) YamuxLog.Failed(_logger, RemotePeer, failure);
            EndNow(new Libp2pException(Libp2pError.ConnectionClosed, "the connection ended", failure));
            lock (_gate) StopWriting();
        }
    }

    // Guarded by _gate.
    private void StopWriting()
    {
        _isWriting = false;
        _writerIdle?.TrySetResult();
        _writerIdle = null;
    }

    /// <summary>Waits until everything queued was written or could not be, at most the last write's time.</summary>
    private async Task WaitForWriterAsync()
    {
        Task idle;
        lock (_gate)
        {
            if (!_isWriting) return;
            _writerIdle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            idle = _writerIdle.Task;
        }
        try
        {
            await idle.WaitAsync(Limits.LastWriteTimeout, _time, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            // The peer does not read; it is cut off.
        }
    }

    /// <summary>Fills the channel with as many messages as it takes; false when there is nothing to say.</summary>
    private bool FillChannel()
    {
        var before = _bytesOut;
        var hasRoom = true;
        while (hasRoom)
        {
            var count = Fill(_channel.GetWriteBuffer().Span, ref hasRoom);
            if (count == 0) break;
            _bytesOut += count;
        }
        return _bytesOut > before;
    }

    /// <summary>Fills and seals one buffer, and answers how much of it, with what was encrypted directly; no <paramref name="hasRoom"/> when the channel is full.</summary>
    private int Fill(Span<byte> buffer, ref bool hasRoom)
    {
        var written = FillSession(buffer);
        while (buffer.Length - written >= YamuxFrame.HeaderBytes && TryNextControl(out var stream))
        {
            written += stream.FillControl(buffer[written..], out var opened);
            if (opened) FinishTurn(stream, 0, again: true); // its data may have had its turn in the last buffer, before the opening frame, and found it had to wait
        }
        while (buffer.Length - written >= YamuxFrame.HeaderBytes + MinDataRoomBytes && TryNextData(out var stream, out var quantum))
        {
            var turn = stream.FillData(_channel, buffer, written, quantum);
            FinishTurn(stream, turn.Count, turn.Again);
            written += turn.Count;
            if (!turn.IsSealed) continue;
            hasRoom = turn.HasRoom;
            return written;
        }
        if (written > 0) hasRoom = _channel.Seal(written);
        return written;
    }

    private int FillSession(Span<byte> buffer)
    {
        var written = 0;
        lock (_gate)
        {
            while (buffer.Length - written >= YamuxFrame.HeaderBytes && _sessionFrames.TryDequeue(out var frame))
            {
                frame.Write(buffer[written..]);
                written += YamuxFrame.HeaderBytes;
                if (frame.Type == YamuxType.WindowUpdate) _queuedRefusals--;
                else if (frame is { Type: YamuxType.Ping, Flags: YamuxFlags.Ack }) _queuedPings--;
            }
        }
        return written;
    }

    private bool TryNextControl([NotNullWhen(true)] out YamuxStream? stream)
    {
        lock (_gate)
        {
            if (!_control.TryDequeue(out stream)) return false;
            stream.InControlQueue = false;
            return true;
        }
    }

    private bool TryNextData([NotNullWhen(true)] out YamuxStream? stream, out int quantum)
    {
        lock (_gate)
        {
            var waitingFirst = _waiting.Count > 0 && _freshInARow >= MaxFreshInARow;
            quantum = int.MaxValue;
            if (!waitingFirst && _fresh.TryDequeue(out stream))
            {
                _freshInARow++;
                if (_fresh.Count + _waiting.Count > 0) quantum = QuantumBytes;
            }
            else if (_waiting.TryDequeue(out stream)) _freshInARow = 0;
            if (stream is null) return false;
            stream.InDataQueue = false;
            return true;
        }
    }

    private void FinishTurn(YamuxStream stream, int count, bool again)
    {
        lock (_gate)
        {
            stream.RecentBytes = Math.Min(stream.RecentBytes + count, QuantumBytes);
            stream.LastSentAt = _bytesOut;
            if (!again || stream.InDataQueue) return; // or flushed meanwhile, and queued by that
            stream.InDataQueue = true;
            _waiting.Enqueue(stream);
        }
    }
}
