using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace PeoplesCloud.Libp2p.Noise;

// frame = length:u16 ciphertext:(length-16) tag:16      big-endian; length counts ciphertext and tag; see docs/protocols/noise.md

/// <summary>
/// The encrypted channel after the handshake. Both directions work in place: a message is put together where it is encrypted,
/// and received bytes are decrypted where the socket put them.
/// </summary>
internal sealed class NoiseChannel : ISecureChannel
{
    /// <summary>The most plaintext in one frame.</summary>
    public const int MaxPlaintextBytes = ushort.MaxValue - NoiseCipher.TagBytes;

    private const int LengthBytes = 2;
    private const int OverheadBytes = LengthBytes + NoiseCipher.TagBytes;

    // A whole frame, and what is left for another: 64 KiB of a stream with their headers go out in one write.
    private const int WriteBufferBytes = 128 * 1024;
    private const int MinPlaintextBytes = 512;

    // Two frames: while one is used up, most of the next one is there.
    private const int LargeBufferBytes = 128 * 1024;
    private const int SmallBufferBytes = 4096;
    private const int SmallReadsBeforeShrinking = 16;

    private readonly Stream _transport;
    private readonly NoiseCipher _send;
    private readonly NoiseCipher _receive;
    private byte[]? _writeBuffer;
    private int _sealedBytes;
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

    /// <summary>The handshake hash (Noise Protocol Framework, section 11.2).</summary>
    public ReadOnlyMemory<byte> ChannelBinding { get; init; }

    public string? EarlyMuxer { get; }

    public Memory<byte> GetWriteBuffer()
    {
        _writeBuffer ??= ArrayPool<byte>.Shared.Rent(WriteBufferBytes);
        var room = Math.Min(WriteBufferBytes - _sealedBytes - OverheadBytes, MaxPlaintextBytes);
        return _writeBuffer.AsMemory(_sealedBytes + LengthBytes, room);
    }

    public bool Seal(int count)
    {
        var frame = _writeBuffer.AsSpan(_sealedBytes, OverheadBytes + count);
        BinaryPrimitives.WriteUInt16BigEndian(frame, checked((ushort)(count + NoiseCipher.TagBytes)));
        _send.Encrypt(frame.Slice(LengthBytes, count), frame[^NoiseCipher.TagBytes..]);
        _sealedBytes += frame.Length;
        return WriteBufferBytes - _sealedBytes >= OverheadBytes + MinPlaintextBytes;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var count = _sealedBytes;
        _sealedBytes = 0;
        return _transport.WriteAsync(_writeBuffer.AsMemory(0, count), cancellationToken);
    }

    public void ReleaseWriteBuffer()
    {
        if (Interlocked.Exchange(ref _writeBuffer, null) is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
    }

    public bool TryPeek(out ReadOnlyMemory<byte> bytes)
    {
        var isThere = !_plaintext.IsEmpty || TryDecryptFrame();
        bytes = _plaintext;
        return isThere;
    }

    public ValueTask<ReadOnlyMemory<byte>> PeekAsync(CancellationToken cancellationToken) =>
        TryPeek(out var bytes) ? new ValueTask<ReadOnlyMemory<byte>>(bytes) : ReceiveAsync(cancellationToken);

    public void Consume(int count) => _plaintext = _plaintext[count..];

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _transport.DisposeAsync();
        // The buffers are left to the collector: an operation that was cut off may still touch them.
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
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
