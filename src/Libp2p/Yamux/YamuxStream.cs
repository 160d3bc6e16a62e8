using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Libp2p.Yamux;

/// <summary>
/// One stream of a connection. Completing <see cref="Output"/> closes our half after what was written is sent; completing
/// <see cref="Input"/> says that we read no more; <see cref="Reset"/> ends both at once and drops what is under way.
/// The peer's reset, and the connection's end, surface as <see cref="Libp2pException"/> from both sides.
/// A reader that waits for a message without consuming it gets at most <see cref="Libp2pLimits.MaxStreamWindowBytes"/> of it.
/// </summary>
/// <remarks>
/// Two locks, one a direction; neither is held while the connection's gate is wanted by somebody who holds it. The stream is
/// on the wire until both directions are closed there, and counts against the limits until the application is done with it too.
/// </remarks>
#pragma warning disable CA1001 // a token source without a timer and a wait handle has nothing to dispose of
internal sealed class YamuxStream : IDuplexPipe
#pragma warning restore CA1001
{
    // A piece of so many bytes is not copied into the channel's buffer; below, that costs less than a frame of its own.
    private const int MinDirectBytes = 8 * 1024;

    // What of a piece may go with its header.
    private const int MaxHeadBytes = 64;

    private readonly YamuxConnection _connection;
    private readonly Pipe _written;
    private readonly YamuxInput _input;

    // -- sending, guarded by _sendGate
    private readonly Lock _sendGate = new();
    private YamuxFlags _openFlags;
    private long _sendWindow = YamuxFrame.InitialWindowBytes;
    private bool _announced;
    private bool _isBlocked;
    private bool _sendClosed;
    private bool _resetPending;
    private bool _writerDone;
    private ReadOnlyMemory<byte> _borrowed; // the application's own bytes, while its WriteAsync runs

    // -- receiving, guarded by _receiveGate
    private readonly Lock _receiveGate = new();
    private long _receiveWindow = YamuxFrame.InitialWindowBytes;
    private int _windowBytes = YamuxFrame.InitialWindowBytes;
    private int _uncredited;
    private int _unread;
    private bool _receiveClosed;
    private bool _readerDone;
    private bool _discarded;
    private bool _mustWake;

    private readonly CancellationTokenSource _aborted = new();
    private int _credit;       // window to announce; interlocked
    private int _awaitsAck;    // interlocked
    private int _released;     // interlocked

    public YamuxStream(YamuxConnection connection, uint id, bool isInbound, Libp2pLimits limits)
    {
        (_connection, Id, IsInbound) = (connection, id, isInbound);
        _openFlags = isInbound ? YamuxFlags.Ack : YamuxFlags.Syn;
        _announced = isInbound;
        _awaitsAck = isInbound ? 0 : 1;
        _written = new Pipe(new PipeOptions(pauseWriterThreshold: limits.StreamSendBufferBytes, resumeWriterThreshold: limits.StreamSendBufferBytes / 2, useSynchronizationContext: false));
        _input = new YamuxInput(this);
        Output = new YamuxOutput(this, _written.Writer);
    }

    public uint Id { get; }

    public bool IsInbound { get; }

    public PipeReader Input => _input;

    public PipeWriter Output { get; }

    /// <summary>Cancelled when the stream did not end in order: reset by either side, or cut off with its connection.</summary>
    public CancellationToken Aborted => _aborted.Token;

    /// <summary>Bytes that were received and not read yet.</summary>
    public int UnreadBytes => Volatile.Read(ref _unread);

    /// <summary>Where the stream waits in the connection's queues; guarded by the connection's gate.</summary>
    internal bool InControlQueue { get; set; }

    /// <inheritdoc cref="InControlQueue"/>
    internal bool InDataQueue { get; set; }

    /// <summary>Bytes sent since the stream was idle, up to the quantum; guarded by the connection's gate.</summary>
    internal int RecentBytes { get; set; }

    /// <summary>The connection's count of bytes when the stream sent last; guarded by the connection's gate.</summary>
    internal long LastSentAt { get; set; }

    /// <summary>When the application was done with the stream while the peer was not; guarded by the connection's gate.</summary>
    internal long? ClosingSince { get; set; }

    /// <summary>Ends the stream in both directions at once, and says that the application is done with it.</summary>
    public void Reset()
    {
        ResetOnWire(inline: true);
        lock (_sendGate) _writerDone = true;
        OnReaderDone();
    }

    // -- the application's side -------------------------------------------------------------------------------

    internal void OnFlushed() => _connection.ScheduleData(this, inline: true);

    /// <summary>Sends what can be sent at once straight from the application's memory; answers what is left of it.</summary>
    internal ReadOnlyMemory<byte> Lend(ReadOnlyMemory<byte> bytes)
    {
        if (_connection.IsWriting) return bytes; // not lent, but buffered while the writer is at work
        lock (_sendGate)
        {
            if (_sendClosed || _isBlocked) return bytes;
            _borrowed = bytes;
        }
        _connection.ScheduleData(this, inline: true);
        lock (_sendGate)
        {
            var rest = _borrowed;
            _borrowed = default;
            return rest;
        }
    }

    internal void OnWriterDone(Exception? failure)
    {
        lock (_sendGate) _writerDone = true;
        if (failure is not null) ResetOnWire(inline: true);
        else _connection.ScheduleData(this, inline: true);
        ReleaseWhenDone();
    }

    internal void OnReaderDone()
    {
        lock (_receiveGate)
        {
            if (!_readerDone)
            {
                _readerDone = true;
                _discarded |= _unread > 0;
                ReleaseUnread();
            }
        }
        ReleaseWhenDone();
    }

    /// <summary>The application took bytes: announces window once half of it is used, doubling it while the connection's budget allows.</summary>
    internal void OnConsumed(int count, bool waitsForMore)
    {
        lock (_receiveGate)
        {
            var released = Math.Min(count, _unread); // less when the stream ended meanwhile and all was given back
            _unread -= released;
            _connection.RemoveBuffered(released);
            if (_receiveClosed || _readerDone) return;
            _uncredited += count;
            var stuck = waitsForMore && _unread > _windowBytes / 2;
            if (_uncredited < _windowBytes / 2 && !stuck) return;
            var grant = _uncredited;
            _uncredited = 0;
            var growth = Math.Min(_windowBytes, _connection.Limits.MaxStreamWindowBytes - _windowBytes);
            if (growth > 0 && _connection.TryGrow(growth))
            {
                _windowBytes += growth;
                grant += growth;
            }
            if (grant == 0) return;
            _receiveWindow += grant;
            Interlocked.Add(ref _credit, grant);
        }
        _connection.ScheduleControl(this, inline: true);
    }

    // -- the connection's reader ------------------------------------------------------------------------------

    /// <summary>A Data frame begins: whether its payload is wanted. False and a reset when the peer closed this direction before.</summary>
    /// <exception cref="Libp2pException">The peer sent more than its window.</exception>
    internal bool BeginData(uint length)
    {
        lock (_receiveGate)
        {
            if (length > _receiveWindow) throw new Libp2pException(Libp2pError.ProtocolViolation, $"{length} bytes were sent into a window of {_receiveWindow}");
            _receiveWindow -= length;
            if (!_receiveClosed || length == 0) return true;
        }
        ResetOnWire(inline: false);
        return false;
    }

    /// <summary>Takes a part of a Data frame, by copy or with the place of its holder; whether the reader has to be woken for it.</summary>
    internal bool Append(ReadOnlyMemory<byte> bytes, SharedBuffer? holder)
    {
        bool mustWake;
        lock (_receiveGate)
        {
            if (_receiveClosed || _readerDone)
            {
                _discarded = true;
                holder?.Release();
                return false;
            }
            _unread += bytes.Length;
            _connection.AddBuffered(bytes.Length);
            mustWake = !_mustWake;
            _mustWake = true;
        }
        // Dropped if the stream ended just now, and given back by that.
        if (holder is null) _input.Append(bytes.Span);
        else if (!_input.Append(bytes, holder)) holder.Release();
        _connection.EnforceBudget();
        return mustWake;
    }

    /// <summary>Shows the reader what was appended.</summary>
    internal void Wake()
    {
        lock (_receiveGate) _mustWake = false;
        _input.Wake();
    }

    /// <summary>A Data frame ended. Data that nobody reads is drained; once we have nothing left to say, the peer is told.</summary>
    internal void EndData()
    {
        if (ShouldRefuse()) ResetOnWire(inline: false);
    }

    internal void OnFin()
    {
        lock (_receiveGate)
        {
            if (_receiveClosed) return;
            _receiveClosed = true;
            _input.End();
        }
        ForgetWhenClosed();
    }

    internal void OnAck()
    {
        if (Interlocked.Exchange(ref _awaitsAck, 0) == 1) _connection.OnAcknowledged();
    }

    internal void OnRemoteReset() => Abort(new Libp2pException(Libp2pError.Reset, "the stream was reset by the other side"), tellPeer: false);

    /// <exception cref="Libp2pException">The window grew beyond what its field can hold.</exception>
    internal void OnWindow(uint increment)
    {
        lock (_sendGate)
        {
            _sendWindow += increment;
            if (_sendWindow > uint.MaxValue) throw new Libp2pException(Libp2pError.ProtocolViolation, "a window grew beyond 4 GiB");
            if (!_isBlocked || _sendWindow == 0) return;
            _isBlocked = false;
        }
        _connection.ScheduleData(this, inline: false);
    }

    // -- the connection's writer ------------------------------------------------------------------------------

    /// <summary>Writes what this stream has to say besides data; at most one header. <paramref name="opened"/> when data had to wait for it.</summary>
    internal int FillControl(Span<byte> room, out bool opened)
    {
        opened = false;
        lock (_sendGate)
        {
            var receiveClosed = Volatile.Read(ref _receiveClosed);
            var credit = receiveClosed ? 0 : Interlocked.Exchange(ref _credit, 0);
            var isOver = receiveClosed && _sendClosed;
            // A stream that ended before the peer heard of it is never mentioned.
            var flags = !isOver ? _openFlags : _resetPending && _announced ? YamuxFlags.Rst : YamuxFlags.None;
            _resetPending = false;
            opened = _openFlags != YamuxFlags.None;
            _openFlags = YamuxFlags.None;
            if (flags == YamuxFlags.None && credit == 0) return 0;
            _announced = true;
            new YamuxFrame(YamuxType.WindowUpdate, flags, Id, (uint)credit).Write(room);
            return YamuxFrame.HeaderBytes;
        }
    }

    /// <summary>What <see cref="FillData"/> did: how many bytes it wrote, whether it has more that may be sent, and whether it sealed the buffer.</summary>
    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Turn(int Count, bool Again, bool IsSealed = false, bool HasRoom = false);

    /// <summary>
    /// Writes one Data frame of at most <paramref name="quantum"/> bytes behind the first <paramref name="used"/> of the buffer, and FIN behind the
    /// last one. A large frame is encrypted from where its bytes lie, which seals the buffer.
    /// </summary>
    internal Turn FillData(ISecureChannel channel, Span<byte> buffer, int used, int quantum)
    {
        var room = buffer[used..];
        bool last, again;
        int count, written = 0;
        lock (_sendGate)
        {
            if (_sendClosed || _openFlags != YamuxFlags.None) return default; // the opening frame goes first and is queued as control
            var reader = _written.Reader;
            var hasBuffer = reader.TryRead(out var result);
            var unsent = result.Buffer;
            var borrowed = unsent.IsEmpty ? _borrowed : default; // what is buffered was written before what is lent
            var available = unsent.Length + borrowed.Length;
            var allowed = (int)Math.Min(Math.Min(available, _sendWindow), quantum);

            // 1. How much, and from where: a long piece as it lies, else what fits behind the header.
            var piece = unsent.IsEmpty ? borrowed : unsent.First;
            var direct = Math.Min(Math.Min(allowed, piece.Length), channel.DirectBytes(used + YamuxFrame.HeaderBytes + MaxHeadBytes) + MaxHeadBytes);
            var isDirect = direct >= MinDirectBytes && room.Length >= YamuxFrame.HeaderBytes + MaxHeadBytes;
            count = isDirect ? direct : Math.Min(allowed, room.Length - 2 * YamuxFrame.HeaderBytes);
            last = result.IsCompleted && count == available && !isDirect;
            _isBlocked = count < available && count == _sendWindow;
            again = !_isBlocked && (count < available || unsent.Length + _borrowed.Length > count || (isDirect && result.IsCompleted));

            // 2. The frame.
            var hasRoom = true;
            if (isDirect)
            {
                // What one frame of the channel does not take goes with the header: 64 KiB are two frames, as they would be anyhow.
                var head = Math.Max(0, count - channel.DirectBytes(used + YamuxFrame.HeaderBytes + MaxHeadBytes));
                new YamuxFrame(YamuxType.Data, YamuxFlags.None, Id, (uint)count).Write(room);
                piece.Span[..head].CopyTo(room[YamuxFrame.HeaderBytes..]);
                hasRoom = channel.Seal(used + YamuxFrame.HeaderBytes + head, piece.Span[head..count]);
            }
            else if (unsent.IsEmpty) borrowed.Span[..count].CopyTo(room[YamuxFrame.HeaderBytes..]);
            else unsent.Slice(0, count).CopyTo(room[YamuxFrame.HeaderBytes..]);

            // 3. It is sent.
            if (unsent.IsEmpty) _borrowed = _borrowed[count..];
            if (hasBuffer) reader.AdvanceTo(unsent.GetPosition(unsent.IsEmpty ? 0 : count));
            _sendWindow -= count;
            if (isDirect) return new Turn(YamuxFrame.HeaderBytes + count, again, IsSealed: true, hasRoom);
            if (count == 0 && !last) return default;
            if (count > 0)
            {
                new YamuxFrame(YamuxType.Data, YamuxFlags.None, Id, (uint)count).Write(room);
                written = YamuxFrame.HeaderBytes + count;
            }
            if (last)
            {
                // In a frame of its own, as go-yamux sends it: js-libp2p drops the payload of a Data frame that has FIN.
                new YamuxFrame(YamuxType.WindowUpdate, YamuxFlags.Fin, Id, 0).Write(room[written..]);
                written += YamuxFrame.HeaderBytes;
                _sendClosed = true;
                reader.Complete();
            }
        }
        if (last)
        {
            ForgetWhenClosed();
            EndData();
        }
        return new Turn(written, again);
    }

    /// <summary>Ends the stream and tells the peer; the application learns of it from its pipes.</summary>
    internal void ResetOnWire(bool inline)
    {
        if (Abort(new Libp2pException(Libp2pError.Reset, "the stream was reset by this side"), tellPeer: true)) _connection.ScheduleControl(this, inline);
    }

    // -- the end ----------------------------------------------------------------------------------------------

    /// <summary>Ends both directions; false when they had ended before.</summary>
    internal bool Abort(Libp2pException reason, bool tellPeer)
    {
        bool wasOpen;
        lock (_sendGate)
        {
            wasOpen = !_sendClosed;
            if (!_sendClosed)
            {
                _sendClosed = true;
                _written.Reader.Complete(reason);
            }
            lock (_receiveGate)
            {
                wasOpen |= !_receiveClosed;
                if (!_receiveClosed)
                {
                    _receiveClosed = true;
                    DropUnread(reason);
                }
            }
            _resetPending |= tellPeer && wasOpen; // a second end must not take back what the first one has to say
        }
        if (wasOpen) _ = _aborted.CancelAsync(); // not on this thread: it may be the connection's reader
        ForgetWhenClosed();
        return wasOpen;
    }

    /// <summary>Resets the stream, and frees what it holds unread even if the peer had sent all of it.</summary>
    internal void Evict(Libp2pException reason)
    {
        if (Abort(reason, tellPeer: true)) _connection.ScheduleControl(this, inline: false);
        lock (_receiveGate) DropUnread(reason);
    }

    private bool ShouldRefuse()
    {
        lock (_sendGate)
        {
            if (!_sendClosed) return false;
            lock (_receiveGate) return _discarded && _readerDone && !_receiveClosed;
        }
    }

    private void ForgetWhenClosed()
    {
        lock (_sendGate)
        {
            lock (_receiveGate)
            {
                if (!_sendClosed || !_receiveClosed) return;
            }
        }
        OnAck();
        _connection.Forget(this);
        ReleaseWhenDone();
    }

    private void ReleaseWhenDone()
    {
        bool closed;
        lock (_sendGate)
        {
            lock (_receiveGate)
            {
                if (!_readerDone || !_writerDone) return;
                closed = _sendClosed && _receiveClosed;
            }
        }
        if (!closed) _connection.OnClosing(this);
        else if (Interlocked.Exchange(ref _released, 1) == 0) _connection.Release(this, _windowBytes - YamuxFrame.InitialWindowBytes);
    }

    // Guarded by _receiveGate.
    private void DropUnread(Libp2pException reason)
    {
        _input.Fail(reason);
        ReleaseUnread();
    }

    // Guarded by _receiveGate. What the application reads of it afterwards was given back already.
    private void ReleaseUnread()
    {
        _connection.RemoveBuffered(_unread);
        _unread = 0;
    }
}
