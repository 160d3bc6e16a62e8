using System.Buffers;
using System.Buffers.Binary;

namespace PeoplesCloud.Libp2p.Noise;

// frame = length:u16 ciphertext:(length-16) tag:16      big-endian; length counts ciphertext and tag; see docs/protocols/noise.md

/// <summary>
/// The encrypted channel after the handshake. Both directions work in place: a message is put together where it is encrypted,
/// and received bytes are decrypted where the socket put them.
/// </summary>
internal sealed class NoiseChannel : ISecureChannel
{
    /// <summary>The most plaintext in a frame of ours: one byte under the limit, so that a whole frame fits a pooled buffer of 64 KiB.</summary>
    public const int MaxPlaintextBytes = WriteBufferBytes - LengthBytes - NoiseCipher.TagBytes;

    private const int LengthBytes = 2;
    private const int WriteBufferBytes = 64 * 1024;

    // Two frames: while one is used up, most of the next one is there.
    private const int LargeBufferBytes = 128 * 1024;
    private const int SmallBufferBytes = 4096;
    private const int SmallReadsBeforeShrinking = 16;

    private readonly Stream _transport;
    private readonly NoiseCipher _send;
    private readonly NoiseCipher _receive;
    private byte[]? _writeBuffer;
    private byte[] _readBuffer = ArrayPool<byte>.Shared.Rent(SmallBufferBytes);
    private int _readStart; // received bytes that are not decrypted yet: [_readStart, _readEnd)
    private int _readEnd;
    private Memory<byte> _plaintext;
    private int _smallReads;
    private int _disposed;

    public NoiseChannel(Stream transport, NoiseCipher send, NoiseCipher receive, PeerId remotePeer, string? earlyMuxer)
    {
        (_transport, _send, _receive) = (transport, send, receive);
        (RemotePeer, EarlyMuxer) = (remotePeer, earlyMuxer);
    }

    public PeerId RemotePeer { get; }

    public string? EarlyMuxer { get; }

    public Memory<byte> GetWriteBuffer()
    {
        _writeBuffer ??= ArrayPool<byte>.Shared.Rent(WriteBufferBytes);
        return _writeBuffer.AsMemory(LengthBytes, MaxPlaintextBytes);
    }

    public ValueTask FlushAsync(int count, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)MaxPlaintextBytes);
        if (count == 0) return default;
        var buffer = _writeBuffer ?? throw new InvalidOperationException("nothing was written");
        BinaryPrimitives.WriteUInt16BigEndian(buffer, (ushort)(count + NoiseCipher.TagBytes));
        _send.Encrypt(buffer.AsSpan(LengthBytes, count), buffer.AsSpan(LengthBytes + count, NoiseCipher.TagBytes));
        return _transport.WriteAsync(buffer.AsMemory(0, LengthBytes + count + NoiseCipher.TagBytes), cancellationToken);
    }

    public void ReleaseWriteBuffer()
    {
        if (Interlocked.Exchange(ref _writeBuffer, null) is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    public ValueTask<ReadOnlyMemory<byte>> PeekAsync(CancellationToken cancellationToken) =>
        !_plaintext.IsEmpty || TryDecryptFrame() ? new ValueTask<ReadOnlyMemory<byte>>(_plaintext) : ReceiveAsync(cancellationToken);

    public void Consume(int count) => _plaintext = _plaintext[count..];

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _transport.DisposeAsync();
        // The buffers are left to the collector: an operation that was cut off may still touch them.
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            MakeRoom();
            var count = await _transport.ReadAsync(_readBuffer.AsMemory(_readEnd), cancellationToken);
            if (count == 0)
            {
                if (_readEnd > _readStart) throw new Libp2pException(Libp2pError.ConnectionClosed, "the connection ended inside a Noise frame");
                return default;
            }
            _readEnd += count;
            _smallReads = _readEnd - _readStart <= SmallBufferBytes / 2 ? _smallReads + 1 : 0;
            if (TryDecryptFrame()) return _plaintext;
        }
    }

    /// <summary>Decrypts the next whole frame that has content; false when more bytes are needed.</summary>
    private bool TryDecryptFrame()
    {
        while (_readEnd - _readStart >= LengthBytes)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(_readBuffer.AsSpan(_readStart));
            if (length < NoiseCipher.TagBytes) throw new Libp2pException(Libp2pError.ProtocolViolation, "a Noise frame is shorter than its tag");
            if (_readEnd - _readStart - LengthBytes < length) return false;
            var text = _readBuffer.AsMemory(_readStart + LengthBytes, length - NoiseCipher.TagBytes);
            var tag = _readBuffer.AsSpan(_readStart + LengthBytes + text.Length, NoiseCipher.TagBytes);
            if (!_receive.TryDecrypt(text.Span, tag)) throw new Libp2pException(Libp2pError.ProtocolViolation, "a Noise frame was changed on the way");
            _readStart += LengthBytes + length;
            _plaintext = text;
            if (length > NoiseCipher.TagBytes) return true; // empty frames are allowed and mean nothing
        }
        return false;
    }

    /// <summary>Makes room for a whole frame if one has begun; idle connections keep a small buffer only.</summary>
    private void MakeRoom()
    {
        var pending = _readEnd - _readStart;
        if (pending == 0)
        {
            _readStart = _readEnd = 0;
            if (_readBuffer.Length >= LargeBufferBytes && _smallReads > SmallReadsBeforeShrinking) Replace(SmallBufferBytes);
            return;
        }
        var needed = pending >= LengthBytes ? LengthBytes + BinaryPrimitives.ReadUInt16BigEndian(_readBuffer.AsSpan(_readStart)) : LengthBytes;
        if (_readStart + needed <= _readBuffer.Length && _readEnd < _readBuffer.Length) return;
        if (needed > _readBuffer.Length) Replace(LargeBufferBytes);
        else Move(_readBuffer);
    }

    private void Replace(int bytes)
    {
        var old = _readBuffer;
        Move(ArrayPool<byte>.Shared.Rent(bytes));
        ArrayPool<byte>.Shared.Return(old);
    }

    private void Move(byte[] target)
    {
        _readBuffer.AsSpan(_readStart, _readEnd - _readStart).CopyTo(target);
        _readBuffer = target;
        (_readStart, _readEnd) = (0, _readEnd - _readStart);
    }
}
