using System.IO.Pipelines;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Tests.Ports;

/// <summary>How bytes are carried between two ends, without a network.</summary>
public sealed class PortEndTests
{
    private const int Buffer = 4096;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_nobody_takes_is_not_read()
    {
        var (near, far) = (new End(), new End());
        var joined = PortEnd.JoinAsync(near.Tunnel, far.Tunnel, Buffer, Token);
        long sent = 0;
        var stuck = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var writing = WriteAsync();

        await far.Full.Task.WaitAsync(RuntimeConformance.Patience, Token);
        await stuck.Task.WaitAsync(RuntimeConformance.Patience, Token);

        // The pipes at both ends, two buffers each, and what is in hand.
        Assert.InRange(Interlocked.Read(ref sent), Buffer, 8 * Buffer);
        near.Tunnel.Abort();
        far.Tunnel.Abort();
        await joined;
        await writing;

        async Task WriteAsync()
        {
            while (true)
            {
                var write = near.Out.WriteAsync(new byte[Buffer], Token).AsTask();
                _ = await Task.WhenAny(write, far.Full.Task);
                if (!write.IsCompleted) stuck.TrySetResult();
                if (await write is { IsCanceled: true } or { IsCompleted: true }) return;
                Interlocked.Add(ref sent, Buffer);
            }
        }
    }

    [Fact]
    public async Task Each_way_ends_on_its_own()
    {
        var (near, far) = (new End(), new End());
        var joined = PortEnd.JoinAsync(near.Tunnel, far.Tunnel, Buffer, Token);

        await near.Out.CompleteAsync();
        Assert.True((await far.Read.ReadAsync(Token)).IsCompleted);
        Assert.False(joined.IsCompleted);
        await far.Out.WriteAsync("still here"u8.ToArray(), Token);
        Assert.Equal(10, (await near.Read.ReadAtLeastAsync(10, Token)).Buffer.Length);
        await far.Out.CompleteAsync();
        await joined;
        Assert.False(near.Aborted || far.Aborted);
    }

    [Fact]
    public async Task A_way_that_breaks_breaks_both_ends()
    {
        var (near, far) = (new End(), new End());
        var joined = PortEnd.JoinAsync(near.Tunnel, far.Tunnel, Buffer, Token);

        await near.Out.CompleteAsync(new IOException("reset"));
        await joined;

        Assert.True(near.Aborted && far.Aborted);
    }

    [Fact]
    public async Task Cancelling_breaks_both_ends()
    {
        var (near, far) = (new End(), new End());
        using var stop = new CancellationTokenSource();
        var joined = PortEnd.JoinAsync(near.Tunnel, far.Tunnel, Buffer, stop.Token);

        await stop.CancelAsync();
        await joined;

        Assert.True(near.Aborted && far.Aborted);
    }

    /// <summary>One end: what the test writes to <see cref="Out"/> comes out of it, what goes into it the test reads from <see cref="Read"/>.</summary>
    private sealed class End
    {
        private readonly Pipe _in = new(new PipeOptions(pauseWriterThreshold: 2 * Buffer, resumeWriterThreshold: Buffer));
        private readonly Pipe _out = new(new PipeOptions(pauseWriterThreshold: 2 * Buffer, resumeWriterThreshold: Buffer));

        public End() => Tunnel = new PortEnd(new Both(_out.Reader.AsStream(), new Watched(_in.Writer.AsStream(), Full)), () => _in.Writer.CompleteAsync(), Abort);

        public PortEnd Tunnel { get; }

        public PipeWriter Out => _out.Writer;

        public PipeReader Read => _in.Reader;

        /// <summary>Ends when a write into it had to wait.</summary>
        public TaskCompletionSource Full { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Aborted { get; private set; }

        private void Abort()
        {
            Aborted = true;
            _in.Writer.CancelPendingFlush();
            _in.Writer.Complete(new IOException("broken off"));
            _out.Writer.CancelPendingFlush();
            _out.Writer.Complete(new IOException("broken off"));
        }
    }

    private sealed class Watched(Stream to, TaskCompletionSource full) : Wrapped(to)
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var write = To.WriteAsync(buffer, cancellationToken);
            if (!write.IsCompleted) full.TrySetResult();
            await write;
        }
    }

    private sealed class Both(Stream from, Stream to) : Wrapped(to)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => from.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => To.WriteAsync(buffer, cancellationToken);
    }

    private abstract class Wrapped(Stream to) : Stream
    {
        protected Stream To { get; } = to;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
