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
        // One end always has something to read, and the other takes a piece only when the test lets it: no clock and no thread decides.
        var (source, taker) = (new Source(), new Taker());
        using var stop = new CancellationTokenSource();
        var joined = PortEnd.JoinAsync(
            new PortEnd(source, () => ValueTask.CompletedTask, () => { }), new PortEnd(taker, () => ValueTask.CompletedTask, taker.Abort), Buffer, stop.Token);

        for (var taken = 0; taken < 5; taken++)
        {
            await taker.Offered.WaitAsync(RuntimeConformance.Patience, Token);
            Assert.Equal(taken + 1, source.Reads);
            taker.Take();
        }
        await stop.CancelAsync();
        await joined;
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

        public End() => Tunnel = new PortEnd(new Both(_out.Reader.AsStream(), _in.Writer.AsStream()), () => _in.Writer.CompleteAsync(), Abort);

        public PortEnd Tunnel { get; }

        public PipeWriter Out => _out.Writer;

        public PipeReader Read => _in.Reader;

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

    /// <summary>Has as much as one wants, at once.</summary>
    private sealed class Source() : Wrapped(Null)
    {
        private int _reads;

        public int Reads => Volatile.Read(ref _reads);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            // Who reads ahead would read without end.
            return Interlocked.Increment(ref _reads) > 1000 ? throw new IOException("read on and on") : ValueTask.FromResult(buffer.Length);
        }
    }

    /// <summary>Takes one write when it is told to; has nothing to read until it is broken off.</summary>
    private sealed class Taker() : Wrapped(Null)
    {
        private readonly TaskCompletionSource<int> _reading = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private TaskCompletionSource _writing = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Is let in once for each write that began.</summary>
        public SemaphoreSlim Offered { get; } = new(0);

        public void Take() => Interlocked.Exchange(ref _writing, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();

        public void Abort()
        {
            _reading.TrySetException(new IOException("broken off"));
            Volatile.Read(ref _writing).TrySetException(new IOException("broken off"));
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(_reading.Task);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var writing = Volatile.Read(ref _writing).Task;
            Offered.Release();
            return new ValueTask(writing);
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
