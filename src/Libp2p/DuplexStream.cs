using System.Buffers;

namespace PeoplesCloud.Libp2p;

/// <summary>
/// A mesh stream as a <see cref="Stream"/>: asynchronous only, each write is sent. <paramref name="resetOnDispose"/> is for HTTP,
/// where disposing means that the connection is of no use any more and the other side should stop what it is doing.
/// </summary>
internal sealed class DuplexStream(Libp2pStream stream, bool resetOnDispose) : Stream
{
    private int _disposed;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var result = await stream.Input.ReadAsync(cancellationToken);
            if (result.IsCanceled) throw new OperationCanceledException("the read was cancelled");
            var available = result.Buffer.Slice(0, Math.Min(buffer.Length, result.Buffer.Length));
            var count = (int)available.Length;
            available.CopyTo(buffer.Span);
            // An empty buffer asks whether there is something to read: nothing is consumed, and the next read completes at once.
            stream.Input.AdvanceTo(available.End);
            if (count > 0 || buffer.IsEmpty || result.IsCompleted) return count;
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return;
        var result = await stream.Output.WriteAsync(buffer, cancellationToken);
        if (result.IsCompleted) throw new Libp2pException(Libp2pError.Reset, "the stream is closed");
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("use ReadAsync");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("use WriteAsync");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        Close(disposing: true);
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        Close(disposing);
        base.Dispose(disposing);
    }

    private void Close(bool disposing)
    {
        if (!disposing || Interlocked.Exchange(ref _disposed, 1) != 0) return;
        if (resetOnDispose) stream.Reset();
        stream.Output.Complete();
        stream.Input.Complete();
    }
}
