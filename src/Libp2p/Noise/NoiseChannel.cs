using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace PeoplesCloud.Libp2p.Noise;

// frame = length:u16 ciphertext:(length-16) tag:16      big-endian; length counts ciphertext and tag; see docs/protocols/noise.md

/// <summary>
/// The encrypted channel after the handshake. Bytes are moved by the cipher and not besides: small messages are put together and
/// taken apart where they are encrypted and decrypted; large ones are encrypted from where the application has them, and decrypted to where
/// it reads them.
/// </summary>
internal sealed class NoiseChannel : ISecureChannel
{
    /// <summary>The most plaintext in one frame.</summary>
    public const int MaxPlaintextBytes = ushort.MaxValue - NoiseCipher.TagBytes;

    private const int LengthBytes = 2;
    private const int OverheadBytes = LengthBytes + NoiseCipher.TagBytes;

    // Two times 64 KiB of a stream, each with its header in a small frame before it: they go out in one write.
    private const int WriteBufferBytes = 132 * 1024;
    private const int MinPlaintextBytes = 512;

    // A frame with so much content is decrypted into a buffer that its reader may keep.
    private const int MinSharedBytes = 16 * 1024;

    // Two frames: while one is used up, most of the next one is there.
    private const int LargeBufferBytes = 128 * 1024;
    private const int SmallBufferBytes = 4096;
    private const int SmallReadsBeforeShrinking = 16;

    private readonly Stream _transport;
    private readonly NoiseCipher _send;
    private readonly NoiseCipher _receive;
    private readonly SharedBufferPool _large;
    private byte[]? _writeBuffer;
    private int _sealedBytes;
    private byte[] _readBuffer = ArrayPool<byte>.Shared.Rent(SmallBufferBytes);
    private int _readStart; // received bytes that are not decrypted yet: [_readStart, _readEnd)
    private int _readEnd;
    private ReadOnlyMemory<byte> _plaintext;
    private SharedBuffer? _shared; // where the plaintext is, if not in the read buffer
    private int _smallReads;
    private int _disposed;

    public NoiseChannel(Stream transport, NoiseCipher send, NoiseCipher receive, PeerId remotePeer, string? earlyMuxer, int maxHeldBuffers)
    {
        (_transport, _send, _receive) = (transport, send, receive);
        (RemotePeer, EarlyMuxer) = (remotePeer, earlyMuxer);
        _large = new SharedBufferPool(MaxPlaintextBytes, maxHeldBuffers);
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
        var text = _writeBuffer.AsSpan(_sealedBytes + LengthBytes, count);
        return Seal(text, text);
    }

    public int DirectBytes(int count) => Math.Min(WriteBufferBytes - _sealedBytes - OverheadBytes - count - OverheadBytes, MaxPlaintextBytes);

    public bool Seal(int count, ReadOnlySpan<byte> payload)
    {
        Seal(count);
        return Seal(payload, _writeBuffer.AsSpan(_sealedBytes + LengthBytes, payload.Length));
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

    public SharedBuffer? Hold()
    {
        _shared?.Hold();
        return _shared;
    }

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

    private bool Seal(ReadOnlySpan<byte> text, Span<byte> target)
    {
        var frame = _writeBuffer.AsSpan(_sealedBytes, OverheadBytes + text.Length);
        BinaryPrimitives.WriteUInt16BigEndian(frame, checked((ushort)(text.Length + NoiseCipher.TagBytes)));
        _send.Encrypt(text, target, frame[^NoiseCipher.TagBytes..]);
        _sealedBytes += frame.Length;
        return WriteBufferBytes - _sealedBytes >= OverheadBytes + MinPlaintextBytes;
    }

    /// <summary>Decrypts the next whole frame that has content; false when more bytes are needed.</summary>
    private bool TryDecryptFrame()
    {
        while (_readEnd - _readStart >= LengthBytes)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(_readBuffer.AsSpan(_readStart));
            if (length < NoiseCipher.TagBytes) throw new Libp2pException(Libp2pError.ProtocolViolation, "a Noise frame is shorter than its tag");
            if (_readEnd - _readStart - LengthBytes < length) break;
            var text = _readBuffer.AsMemory(_readStart + LengthBytes, length - NoiseCipher.TagBytes);
            var tag = _readBuffer.AsSpan(_readStart + LengthBytes + text.Length, NoiseCipher.TagBytes);
            var target = TakeShared(text.Length) ? _shared!.Memory[..text.Length] : text;
            if (!_receive.TryDecrypt(text.Span, tag, target.Span)) throw new Libp2pException(Libp2pError.ProtocolViolation, "a Noise frame was changed on the way");
            _readStart += LengthBytes + length;
            _plaintext = target;
            if (length > NoiseCipher.TagBytes) return true; // empty frames are allowed and mean nothing
        }
        ReleaseShared();
        return false;
    }

    /// <summary>Whether a frame's content goes to a buffer that may be held: a fresh one, or the last one if nobody holds it.</summary>
    private bool TakeShared(int bytes)
    {
        if (bytes >= MinSharedBytes && _shared is { IsSole: true }) return true;
        ReleaseShared();
        if (bytes >= MinSharedBytes) _shared = _large.TryRent();
        return _shared is not null;
    }

    private void ReleaseShared()
    {
        _shared?.Release();
        _shared = null;
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
