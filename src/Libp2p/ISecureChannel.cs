namespace PeoplesCloud.Libp2p;

/// <summary>
/// An encrypted connection to a proven peer. One reader and one writer at a time, each may be on its own thread. Both
/// directions hand out the channel's own buffers, so that bytes are encrypted and decrypted where they lie.
/// </summary>
internal interface ISecureChannel : IAsyncDisposable
{
    /// <summary>Who is on the other side, proven by its signature.</summary>
    PeerId RemotePeer { get; }

    /// <summary>
    /// What both sides of this connection know and no other connection has, at least 32 bytes, not secret: the hash of the whole
    /// handshake. What is bound to it cannot be passed on by a man in the middle, who has two connections.
    /// </summary>
    ReadOnlyMemory<byte> ChannelBinding { get; }

    /// <summary>The multiplexer that the handshake agreed on; null when it must be negotiated by multistream-select.</summary>
    string? EarlyMuxer { get; }

    /// <summary>
    /// Plaintext bytes received so far that were not consumed, if there are any without receiving more. Valid until the next call of
    /// any reading method.
    /// </summary>
    bool TryPeek(out ReadOnlyMemory<byte> bytes);

    /// <summary>As <see cref="TryPeek"/>, but waits for at least one byte; empty at the end.</summary>
    ValueTask<ReadOnlyMemory<byte>> PeekAsync(CancellationToken cancellationToken);

    /// <summary>Marks the first bytes of what was peeked as read.</summary>
    void Consume(int count);

    /// <summary>
    /// Keeps the memory of what was peeked: it stays valid until the answer's <see cref="SharedBuffer.Release"/>. Null when the channel needs
    /// that memory back, and the bytes have to be copied; always, unless a channel says otherwise.
    /// </summary>
    SharedBuffer? Hold() => null;

    /// <summary>Where the next message is put together; at least 512 bytes, usually 64 KiB. Valid until <see cref="Seal(int)"/>.</summary>
    Memory<byte> GetWriteBuffer();

    /// <summary>Encrypts the first bytes of the write buffer for the next <see cref="FlushAsync"/>; whether there is room for another message before it.</summary>
    bool Seal(int count);

    /// <summary>How many bytes <see cref="Seal(int, ReadOnlySpan{byte})"/> takes behind <paramref name="count"/> of the write buffer; zero when it is not to be called.</summary>
    int DirectBytes(int count) => 0;

    /// <summary>As <see cref="Seal(int)"/>, and then encrypts <paramref name="payload"/> as the next message, without a copy in between.</summary>
    bool Seal(int count, ReadOnlySpan<byte> payload) => throw new NotSupportedException();

    /// <summary>Sends what was sealed. A cancelled or failed write makes the channel unusable.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken);

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
            if (!Seal(count) || count == source.Length) await FlushAsync(cancellationToken);
            source = source[count..];
        }
        ReleaseWriteBuffer();
    }
}
