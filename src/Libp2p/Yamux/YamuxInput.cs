using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace PeoplesCloud.Libp2p.Yamux;

/// <summary>
/// The reading half of a stream: a queue of segments between the connection's reading loop and the application. It does what
/// <see cref="Pipe"/> does for one reader, with two differences that pay on a bulk stream and under attack: bytes are copied in without
/// holding a lock that the reader needs, and memory is given back as soon as the stream fails, not when the application comes to complete it.
/// </summary>
/// <remarks>The reading loop appends, <see cref="Wake"/>s and ends; everything else is the application's. One reader at a time.</remarks>
internal sealed class YamuxInput(YamuxStream stream) : PipeReader, IValueTaskSource<ReadResult>
{
    private const int MinSegmentBytes = 4 * 1024;

    private readonly Lock _gate = new(); // guards everything below; never held while bytes are copied

    private Segment? _head;
    private Segment? _tail;
    private int _headIndex;    // consumed bytes of the head
    private long _unread;
    private long _examined;    // of the unread bytes, those that the reader has seen and left
    private bool _isAppending; // the tail is being filled
    private bool _isEnded;     // the peer closed its half
    private Exception? _failure;

    private ManualResetValueTaskSourceCore<ReadResult> _read = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _cancellation;
    private bool _isWaiting;
    private bool _isHandedOut; // a buffer is in the application's hands
    private bool _isCanceled;
    private bool _isCompleted; // by the application

    private bool IsReadable => _unread > _examined || _isEnded || _isCanceled;

    // -- the application --------------------------------------------------------------------------------------

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested) return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        _cancellation.Dispose(); // before a new wait begins, which the last token must not end
        lock (_gate)
        {
            if (Refusal() is { } failure) return ValueTask.FromException<ReadResult>(failure);
            if (IsReadable) return new ValueTask<ReadResult>(HandOut());
            _read.Reset();
            _isWaiting = true;
        }
        _cancellation = cancellationToken.UnsafeRegister(static (input, token) => ((YamuxInput)input!).Cancel(token), this);
        return new ValueTask<ReadResult>(this, _read.Version);
    }

    public override bool TryRead(out ReadResult result)
    {
        lock (_gate)
        {
            if (Refusal() is { } failure) throw failure;
            var isReadable = IsReadable;
            result = isReadable ? HandOut() : default;
            return isReadable;
        }
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        long count;
        bool waitsForMore;
        lock (_gate)
        {
            _isHandedOut = false;
            if (_isCompleted || _failure is not null)
            {
                FreeAll();
                return;
            }
            var seen = Measure(examined);
            count = Free(consumed);
            _unread -= count;
            _examined = Math.Max(0, seen - count);
            waitsForMore = _examined > 0 && _examined == _unread;
        }
        stream.OnConsumed((int)count, waitsForMore);
    }

    public override void CancelPendingRead()
    {
        lock (_gate) _isCanceled = true;
        Wake();
    }

    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _isCompleted = true;
            _isHandedOut = false;
            FreeAll();
        }
        _cancellation.Dispose();
        stream.OnReaderDone();
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _read.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    // -- the reading loop -------------------------------------------------------------------------------------

    /// <summary>Takes bytes; the reader learns of them from <see cref="Wake"/>. Dropped when nobody will read them.</summary>
    internal void Append(ReadOnlySpan<byte> bytes)
    {
        Segment tail;
        lock (_gate)
        {
            if (_isCompleted || _failure is not null) return;
            _isAppending = true;
            tail = _tail ??= _head = new Segment(bytes.Length, 0);
        }
        // Room beyond a segment's end belongs to this method alone.
        var total = bytes.Length;
        var (first, firstEnd) = (tail, tail.End);
        while (true)
        {
            var end = tail == first ? firstEnd : 0;
            var count = Math.Min(bytes.Length, tail.Capacity - end);
            bytes[..count].CopyTo(tail.RoomAt(end));
            end += count;
            bytes = bytes[count..];
            if (tail == first) firstEnd = end;
            else tail.End = end;
            if (bytes.IsEmpty) break;
            tail = tail.NewNext(bytes.Length, end);
        }
        lock (_gate)
        {
            _isAppending = false;
            first.End = firstEnd;
            first.Publish();
            _tail = tail;
            _unread += total;
            if (_isCompleted || (_failure is not null && !_isHandedOut)) FreeAll();
        }
    }

    /// <summary>Takes bytes where they are, and their holder's place; false when nobody will read them.</summary>
    internal bool Append(ReadOnlyMemory<byte> bytes, SharedBuffer holder)
    {
        lock (_gate)
        {
            if (_isCompleted || _failure is not null) return false;
            var segment = new Segment(bytes, holder, _tail is null ? 0 : _tail.RunningIndex + _tail.End);
            if (_tail is null) _head = segment;
            else _tail.Append(segment);
            _tail = segment;
            _unread += bytes.Length;
            return true;
        }
    }

    /// <summary>Wakes the reader if it waits for what is there now.</summary>
    internal void Wake()
    {
        ReadResult result;
        lock (_gate)
        {
            if (!_isWaiting || !IsReadable) return;
            _isWaiting = false;
            result = HandOut();
        }
        _read.SetResult(result);
    }

    /// <summary>The peer closed its half: what is there is read first.</summary>
    internal void End()
    {
        lock (_gate) _isEnded = true;
        Wake();
    }

    /// <summary>Lets every later read fail, and frees what is held as soon as nobody looks at it.</summary>
    internal void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            if (!_isHandedOut) FreeAll();
            if (!_isWaiting) return;
            _isWaiting = false;
        }
        _read.SetException(failure);
    }

    // -- inside; all guarded by _gate ---------------------------------------------------------------------------

    private Exception? Refusal()
    {
        if (_isCompleted) return new InvalidOperationException("reading is not allowed after the reader was completed");
        if (_isWaiting || _isHandedOut) return new InvalidOperationException("one read at a time, each ended by AdvanceTo");
        return _failure;
    }

    private ReadResult HandOut()
    {
        _isHandedOut = true;
        var buffer = _head is null ? ReadOnlySequence<byte>.Empty : new ReadOnlySequence<byte>(_head, _headIndex, _tail!, _tail!.End);
        var isCanceled = _isCanceled;
        _isCanceled = false;
        return new ReadResult(buffer, isCanceled, _isEnded);
    }

    /// <summary>How many unread bytes are before a position.</summary>
    private long Measure(SequencePosition position)
    {
        long count = -_headIndex;
        for (var segment = _head; segment is not null; segment = segment.NextSegment)
        {
            if (ReferenceEquals(segment, position.GetObject())) return count + position.GetInteger();
            count += segment.End;
        }
        return 0; // of an empty buffer
    }

    /// <summary>Frees what is before a position; answers how much that was.</summary>
    private long Free(SequencePosition position)
    {
        if (position.GetObject() is not Segment last) return 0;
        long count = -_headIndex;
        while (!ReferenceEquals(_head, last))
        {
            count += _head!.End;
            _head = _head.Return();
        }
        _headIndex = position.GetInteger();
        count += _headIndex;
        var isDrained = _headIndex == last.End && (last != _tail || !_isAppending);
        if (isDrained)
        {
            if (last == _tail) _tail = null;
            _head = last.Return();
            _headIndex = 0;
        }
        return count;
    }

    private void FreeAll()
    {
        if (_isAppending) return; // Append does it when it is through
        while (_head is not null) _head = _head.Return();
        _tail = null;
        (_headIndex, _unread, _examined) = (0, 0, 0);
    }

    private void Cancel(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_isWaiting) return;
            _isWaiting = false;
        }
        _read.SetException(new OperationCanceledException(cancellationToken));
    }

    /// <summary>A pooled piece of memory, filled up to <see cref="End"/>; or a part of the channel's, which is full.</summary>
    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        private readonly byte[] _array = [];
        private readonly SharedBuffer? _holder;

        public Segment(int wantedBytes, long runningIndex)
        {
            _array = ArrayPool<byte>.Shared.Rent(Math.Max(wantedBytes, MinSegmentBytes));
            RunningIndex = runningIndex;
        }

        public Segment(ReadOnlyMemory<byte> bytes, SharedBuffer holder, long runningIndex)
        {
            (Memory, RunningIndex, End, _holder) = (bytes, runningIndex, bytes.Length, holder);
        }

        public int Capacity => _holder is null ? _array.Length : End;

        public int End { get; set; }

        public Segment? NextSegment => (Segment?)Next;

        public Span<byte> RoomAt(int index) => _holder is null ? _array.AsSpan(index) : default;

        public void Append(Segment next) => Next = next;

        /// <summary>A following segment; this one is full up to <paramref name="end"/>.</summary>
        public Segment NewNext(int wantedBytes, int end)
        {
            var next = new Segment(wantedBytes, RunningIndex + end);
            _pendingNext = next;
            return next;
        }

        private Segment? _pendingNext;

        /// <summary>Makes what was filled, here and in the segments added behind, part of the sequence.</summary>
        public void Publish()
        {
            for (var segment = this; segment is not null; segment = segment.NextSegment)
            {
                if (segment._holder is null) segment.Memory = segment._array.AsMemory(0, segment.End);
                segment.Next = segment._pendingNext;
            }
        }

        /// <summary>Gives the memory back; answers the next segment.</summary>
        public Segment? Return()
        {
            if (_holder is not null) _holder.Release();
            else ArrayPool<byte>.Shared.Return(_array);
            Memory = default;
            return NextSegment;
        }
    }
}
