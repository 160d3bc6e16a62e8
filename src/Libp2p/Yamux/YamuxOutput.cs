using System.Buffers;
using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Yamux;

/// <summary>The writing half of a stream: the pipe's writer, which tells the stream what was flushed.</summary>
internal sealed class YamuxOutput(YamuxStream stream, PipeWriter inner) : PipeWriter
{
    private const int MaxSegmentBytes = 64 * 1024;
    private const int MinLentBytes = 4 * 1024; // below, a copy costs less than borrowing

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

    /// <summary>Sends straight from <paramref name="source"/> what can be sent at once, and buffers the rest.</summary>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        if (source.Length > MaxSegmentBytes) return WriteInPartsAsync(source, cancellationToken);
        if (source.Length >= MinLentBytes && inner.UnflushedBytes == 0)
        {
            source = stream.Lend(source);
            if (source.IsEmpty) return default;
        }
        source.CopyTo(inner.GetMemory(source.Length)); // one segment, not many small ones
        inner.Advance(source.Length);
        return FlushAsync(cancellationToken);
    }

    public override void Complete(Exception? exception = null)
    {
        inner.Complete();
        stream.OnWriterDone(exception);
    }

    private async ValueTask<FlushResult> WriteInPartsAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken)
    {
        while (true)
        {
            var part = source[..Math.Min(source.Length, MaxSegmentBytes)];
            var result = await WriteAsync(part, cancellationToken);
            source = source[part.Length..];
            if (source.IsEmpty || result.IsCompleted || result.IsCanceled) return result;
        }
    }
}
