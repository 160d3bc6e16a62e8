using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>A connection to a program's port whose bytes are counted, both ways.</summary>
/// <param name="connection">The connection.</param>
/// <param name="meter">Counts them.</param>
/// <param name="passed">Called when bytes pass, either way.</param>
/// <param name="closed">Called when it is disposed of; maybe more than once.</param>
internal sealed class MeteredStream(Stream connection, RunMeter meter, Action passed, Action<MeteredStream> closed) : Stream, IHalfClosable
{
    private volatile bool _isAsked = true;

    /// <summary>Whether somebody seems to wait for an answer: the last bytes went to the program, or none went at all yet.</summary>
    public bool IsAsked => _isAsked;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public void CloseWrite() => (connection as IHalfClosable)?.CloseWrite();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Counted(connection.Read(buffer, offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer) => Counted(connection.Read(buffer));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Counted(await connection.ReadAsync(buffer, cancellationToken));

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Asked();
        connection.Write(buffer);
        meter.Transferred(buffer.Length);
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Asked();
        await connection.WriteAsync(buffer, cancellationToken);
        meter.Transferred(buffer.Length);
    }

    /// <inheritdoc/>
    public override void Flush() => connection.Flush();

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => connection.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        closed(this);
        await connection.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        closed(this);
        if (disposing) connection.Dispose();
        base.Dispose(disposing);
    }

    private void Asked()
    {
        _isAsked = true;
        passed();
    }

    private int Counted(int bytes)
    {
        _isAsked = false;
        passed();
        meter.Transferred(bytes);
        return bytes;
    }
}

/// <summary>A way for datagrams to a program's port whose bytes are counted, both ways.</summary>
internal sealed class MeteredDatagrams(IDatagramChannel way, RunMeter meter) : IDatagramChannel
{
    /// <inheritdoc/>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken)
    {
        await way.SendAsync(datagram, cancellationToken);
        meter.Transferred(datagram.Length);
    }

    /// <inheritdoc/>
    public ValueTask WaitAsync(CancellationToken cancellationToken) => way.WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var length = await way.ReceiveAsync(buffer, cancellationToken);
        meter.Transferred(length);
        return length;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => way.DisposeAsync();
}
