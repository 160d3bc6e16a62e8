using System.Buffers;
using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Yamux;

/// <summary>
/// The reading half of a stream: the pipe's reader, which tells the stream what was consumed, and which gives its memory back
/// as soon as the stream fails, not only when the application comes to complete it.
/// </summary>
internal sealed class YamuxInput(YamuxStream stream, PipeReader inner) : PipeReader
{
    private readonly Lock _gate = new();
    private ReadOnlySequence<byte> _last;
    private Exception? _failure;
    private bool _isBusy; // a read is pending, or its buffer is in the application's hands
    private bool _isCompleted;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (BeginRead() is { } failure) return ValueTask.FromException<ReadResult>(failure);
        var read = inner.ReadAsync(cancellationToken);
        if (!read.IsCompletedSuccessfully) return WaitAsync(read);
        var result = read.Result;
        _last = result.Buffer;
        return new ValueTask<ReadResult>(result);
    }

    public override bool TryRead(out ReadResult result)
    {
        if (BeginRead() is { } failure) throw failure;
        var isRead = false;
        try
        {
            isRead = inner.TryRead(out result);
        }
        finally
        {
            if (!isRead) EndRead();
        }
        if (isRead) _last = result.Buffer;
        return isRead;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        var count = (int)_last.Slice(_last.Start, consumed).Length;
        var waitsForMore = _last.End.Equals(examined);
        _last = default;
        inner.AdvanceTo(consumed, examined);
        EndRead();
        stream.OnConsumed(count, waitsForMore);
    }

    public override void CancelPendingRead() => inner.CancelPendingRead();

    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _failure ??= new InvalidOperationException("Reading is not allowed after the reader was completed.");
            CompleteInner();
        }
        stream.OnReaderDone();
    }

    /// <summary>Lets every later read fail, and frees what is held as soon as nobody looks at it.</summary>
    internal void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            if (!_isBusy) CompleteInner();
        }
    }

    private async ValueTask<ReadResult> WaitAsync(ValueTask<ReadResult> read)
    {
        try
        {
            var result = await read;
            _last = result.Buffer;
            return result;
        }
        catch
        {
            EndRead();
            throw;
        }
    }

    private Exception? BeginRead()
    {
        lock (_gate)
        {
            _isBusy = _failure is null;
            return _failure;
        }
    }

    private void EndRead()
    {
        lock (_gate)
        {
            _isBusy = false;
            if (_failure is not null) CompleteInner();
        }
    }

    private void CompleteInner()
    {
        if (_isCompleted) return;
        _isCompleted = true;
        inner.Complete();
    }
}

/// <summary>The writing half of a stream: the pipe's writer, which tells the stream what was flushed.</summary>
internal sealed class YamuxOutput(YamuxStream stream, PipeWriter inner) : PipeWriter
{
    private const int MaxSegmentBytes = 64 * 1024;

    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.UnflushedBytes;

    public override void Advance(int bytes) => inner.Advance(bytes);

    public override Memory<byte> GetMemory(int sizeHint = 0) => inner.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => inner.GetSpan(sizeHint);

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    /// <summary>A cancelled flush leaves the bytes in the stream: they are sent all the same.</summary>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        var flush = inner.FlushAsync(cancellationToken);
        stream.OnFlushed(); // often writes at once on this thread, after which the flush is complete
        return flush;
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        for (var rest = source.Span; !rest.IsEmpty;)
        {
            var room = inner.GetSpan(Math.Min(rest.Length, MaxSegmentBytes));
            var count = Math.Min(rest.Length, room.Length);
            rest[..count].CopyTo(room);
            inner.Advance(count);
            rest = rest[count..];
        }
        return FlushAsync(cancellationToken);
    }

    public override void Complete(Exception? exception = null)
    {
        inner.Complete();
        stream.OnWriterDone(exception);
    }
}
