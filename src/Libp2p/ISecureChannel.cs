namespace PeoplesCloud.Libp2p;

/// <summary>
/// An encrypted connection to a proven peer. One reader and one writer at a time, each may be on its own thread. Both
/// directions hand out the channel's own buffers, so that bytes are encrypted and decrypted where they lie.
/// </summary>
internal interface ISecureChannel : IAsyncDisposable
{
    /// <summary>Who is on the other side, proven by its signature.</summary>
    PeerId RemotePeer { get; }

    /// <summary>The multiplexer that the handshake agreed on; null when it must be negotiated by multistream-select.</summary>
    string? EarlyMuxer { get; }

    /// <summary>Plaintext bytes received so far that were not consumed, at least one, waiting for them if need be; empty at the end. Valid until the next call of any reading method.</summary>
    ValueTask<ReadOnlyMemory<byte>> PeekAsync(CancellationToken cancellationToken);

    /// <summary>Marks the first bytes of the last <see cref="PeekAsync"/> as read.</summary>
    void Consume(int count);

    /// <summary>Where the next message is put together; at least 16 KiB. Valid until <see cref="FlushAsync"/> completes.</summary>
    Memory<byte> GetWriteBuffer();

    /// <summary>Encrypts and sends the first bytes of the write buffer. A cancelled or failed write makes the channel unusable.</summary>
    ValueTask FlushAsync(int count, CancellationToken cancellationToken);

    /// <summary>Says that nothing will be written for a while: the write buffer may go back to its pool.</summary>
    void ReleaseWriteBuffer();

    /// <summary>Reads at least one byte, or zero at the end.</summary>
    async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (destination.IsEmpty) return 0;
        var available = await PeekAsync(cancellationToken);
        var count = Math.Min(available.Length, destination.Length);
        available.Span[..count].CopyTo(destination.Span);
        Consume(count);
        return count;
    }

    /// <summary>Encrypts and sends everything in <paramref name="source"/>.</summary>
    async ValueTask WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken)
    {
        while (!source.IsEmpty)
        {
            var buffer = GetWriteBuffer();
            var count = Math.Min(buffer.Length, source.Length);
            source.Span[..count].CopyTo(buffer.Span);
            await FlushAsync(count, cancellationToken);
            source = source[count..];
        }
        ReleaseWriteBuffer();
    }
}
