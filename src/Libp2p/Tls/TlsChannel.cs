using System.Buffers;
using System.Net.Security;
using System.Runtime.CompilerServices;

namespace PeoplesCloud.Libp2p.Tls;

/// <summary>
/// The encrypted channel after the handshake. <see cref="SslStream"/> encrypts from and decrypts into memory that is handed to it, so messages are gathered
/// until a flush, and what is decrypted lies in one buffer until it was consumed.
/// </summary>
internal sealed class TlsChannel(SslStream tls, PeerId remotePeer, string? earlyMuxer) : ISecureChannel
{
    // Eight records of TLS; as the buffers of Noise.
    private const int WriteBufferBytes = 128 * 1024;
    private const int ReadBufferBytes = 128 * 1024;
    private const int MinPlaintextBytes = 512;

    // After so many small reads in a row the connection counts as quiet.
    private const int SmallReadBytes = 2048;
    private const int SmallReadsBeforeWaiting = 16;

    private byte[]? _writeBuffer;
    private int _sealedBytes;
    private byte[]? _readBuffer;
    private ReadOnlyMemory<byte> _plaintext;
    private int _smallReads;
    private int _disposed;

    public PeerId RemotePeer { get; } = remotePeer;

    public string? EarlyMuxer { get; } = earlyMuxer;

    public ReadOnlyMemory<byte> ChannelBinding { get; init; }

    public Memory<byte> GetWriteBuffer()
    {
        _writeBuffer ??= ArrayPool<byte>.Shared.Rent(WriteBufferBytes);
        return _writeBuffer.AsMemory(_sealedBytes, WriteBufferBytes - _sealedBytes);
    }

    public bool Seal(int count)
    {
        _sealedBytes += count;
        return WriteBufferBytes - _sealedBytes >= MinPlaintextBytes;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var count = _sealedBytes;
        _sealedBytes = 0;
        return tls.WriteAsync(_writeBuffer.AsMemory(0, count), cancellationToken);
    }

    public void ReleaseWriteBuffer()
    {
        if (Interlocked.Exchange(ref _writeBuffer, null) is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    public bool TryPeek(out ReadOnlyMemory<byte> bytes)
    {
        bytes = _plaintext;
        return !bytes.IsEmpty;
    }

    public ValueTask<ReadOnlyMemory<byte>> PeekAsync(CancellationToken cancellationToken) =>
        TryPeek(out var bytes) ? new ValueTask<ReadOnlyMemory<byte>>(bytes) : ReceiveAsync(cancellationToken);

    public void Consume(int count) => _plaintext = _plaintext[count..];

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await tls.DisposeAsync();
        // The buffers are left to the collector: an operation that was cut off may still touch them.
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadOnlyMemory<byte>> ReceiveAsync(CancellationToken cancellationToken)
    {
        if (_smallReads > SmallReadsBeforeWaiting)
        {
            // A quiet connection holds no buffer while it waits, neither here nor in SslStream.
            if (Interlocked.Exchange(ref _readBuffer, null) is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
            _ = await tls.ReadAsync(Memory<byte>.Empty, cancellationToken);
        }
        _readBuffer ??= ArrayPool<byte>.Shared.Rent(ReadBufferBytes);
        var count = await tls.ReadAsync(_readBuffer.AsMemory(), cancellationToken);
        _smallReads = count <= SmallReadBytes ? _smallReads + 1 : 0;
        return _plaintext = _readBuffer.AsMemory(0, count);
    }
}
