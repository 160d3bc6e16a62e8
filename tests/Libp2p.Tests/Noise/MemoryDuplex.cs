using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Tests.Noise;

/// <summary>Two ends of a connection in memory. Each direction holds at most <paramref name="bufferBytes"/>, as a socket does.</summary>
internal static class MemoryDuplex
{
    public static (Stream First, Stream Second) Create(int bufferBytes = 256 * 1024)
    {
        var options = new PipeOptions(pauseWriterThreshold: bufferBytes, resumeWriterThreshold: bufferBytes / 2, useSynchronizationContext: false);
        var (forth, back) = (new Pipe(options), new Pipe(options));
        return (new End(back.Reader, forth.Writer), new End(forth.Reader, back.Writer));
    }

    private sealed class End(PipeReader reader, PipeWriter writer) : Stream
    {
        private readonly Stream _input = reader.AsStream();
        private volatile bool _isDisposed;

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await _input.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception failure) when (_isDisposed && failure is OperationCanceledException or InvalidOperationException)
            {
                throw new ObjectDisposedException("this end is closed", failure);
            }
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var result = await writer.WriteAsync(buffer, cancellationToken);
            if (result.IsCompleted) throw new IOException("the other end is closed");
            if (result.IsCanceled) throw new IOException("this end is closed");
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _isDisposed = true;
                writer.CancelPendingFlush();
                writer.Complete();
                reader.CancelPendingRead();
                reader.Complete(); // the other end's writes fail from now on
            }
            base.Dispose(disposing);
        }
    }
}
