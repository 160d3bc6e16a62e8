using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Libp2p.Yamux;

/// <content>Takes frames in: a state machine over whatever pieces the channel delivers.</content>
internal sealed partial class YamuxConnection
{
    // Below, a copy costs less than keeping the whole buffer.
    private const int MinSharedBytes = 16 * 1024;

    private readonly byte[] _header = new byte[YamuxFrame.HeaderBytes];
    private int _headerBytes;
    private uint _payloadLeft;
    private YamuxStream? _payloadStream; // null: the payload is skipped
    private bool _payloadEndsStream;
    private readonly List<YamuxStream> _toWake = []; // they have bytes that their readers were not told of
    private long _bytesIn;
    private bool _remoteGoesAway; // guarded by _gate

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (!_channel.TryPeek(out var bytes))
            {
                // Readers are woken once for everything that came together, and answers are written then.
                WakeReaders();
                bytes = await _channel.PeekAsync(cancellationToken);
                if (bytes.IsEmpty) return;
            }
            _bytesIn += bytes.Length;
            Interlocked.Exchange(ref _lastReceived, _time.GetTimestamp());
            Process(bytes);
            _channel.Consume(bytes.Length);
        }
    }

    /// <summary>Takes all bytes; what they start is carried over to the next call.</summary>
    /// <exception cref="Libp2pException">The peer broke the rules.</exception>
    private void Process(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_payloadLeft > 0)
            {
                var count = (int)Math.Min(_payloadLeft, (uint)bytes.Length);
                if (_payloadStream is not null)
                {
                    var holder = count >= MinSharedBytes ? _channel.Hold() : null;
                    if (_payloadStream.Append(bytes[..count], holder)) _toWake.Add(_payloadStream);
                }
                bytes = bytes[count..];
                _payloadLeft -= (uint)count;
                if (_payloadLeft == 0) EndPayload();
                continue;
            }
            var missing = Math.Min(YamuxFrame.HeaderBytes - _headerBytes, bytes.Length);
            bytes.Span[..missing].CopyTo(_header.AsSpan(_headerBytes));
            _headerBytes += missing;
            bytes = bytes[missing..];
            if (_headerBytes < YamuxFrame.HeaderBytes) return;
            _headerBytes = 0;
            if (YamuxFrame.TryRead(_header, out var frame) != ParseStatus.Done) Violate("a frame of unknown version, type or stream");
            Handle(frame);
        }
    }

    private void WakeReaders()
    {
        foreach (var stream in _toWake) stream.Wake();
        _toWake.Clear();
    }

    private void Handle(YamuxFrame frame)
    {
        switch (frame.Type)
        {
            case YamuxType.Ping: HandlePing(frame); break;
            case YamuxType.GoAway: HandleGoAway(frame); break;
            default: HandleStream(frame); break;
        }
    }

    private void HandlePing(YamuxFrame frame)
    {
        if (frame.Flags.HasFlag(YamuxFlags.Syn)) EnqueuePong(frame.Length);
        else if (frame.Flags.HasFlag(YamuxFlags.Ack))
        {
            lock (_gate)
            {
                if (_pings.Remove(frame.Length, out var waiting)) waiting.TrySetResult();
            }
        }
    }

    private void HandleGoAway(YamuxFrame frame)
    {
        lock (_gate) _remoteGoesAway = true;
        YamuxLog.ToldToGoAway(_logger, RemotePeer, frame.Length);
    }

    private void HandleStream(YamuxFrame frame)
    {
        var stream = Find(frame.StreamId);
        if (frame.Flags.HasFlag(YamuxFlags.Syn))
        {
            if (stream is not null) Violate($"stream {frame.StreamId} was opened twice");
            stream = Accept(frame.StreamId);
        }
        var isData = frame.Type == YamuxType.Data;
        if (stream is null)
        {
            // A stream that ended here not long ago, or was never there: its bytes are skipped.
            if (isData && frame.Length > (uint)Limits.MaxStreamWindowBytes) Violate($"{frame.Length} bytes were sent to a stream that is not there");
            _payloadLeft = isData ? frame.Length : 0;
            _payloadStream = null;
            return;
        }

        if (frame.Flags.HasFlag(YamuxFlags.Ack)) stream.OnAck();
        var isWanted = !isData || stream.BeginData(frame.Length);
        if (frame.Flags.HasFlag(YamuxFlags.Rst))
        {
            stream.OnRemoteReset();
            isWanted = false;
        }
        else if (!isData) stream.OnWindow(frame.Length);

        var endsStream = frame.Flags.HasFlag(YamuxFlags.Fin);
        _payloadLeft = isData ? frame.Length : 0;
        _payloadStream = isWanted && isData ? stream : null;
        _payloadEndsStream = endsStream;
        if (_payloadLeft == 0 && endsStream) stream.OnFin();
    }

    private void EndPayload()
    {
        if (_payloadStream is not { } stream) return;
        _payloadStream = null;
        stream.EndData();
        if (_payloadEndsStream) stream.OnFin();
    }

    /// <summary>For the fuzzer: the bytes are what a peer sends on a new connection. Must return; refusing is fine.</summary>
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var opened = 0;
        var connection = new YamuxConnection(new NullChannel(), initiator: false, new Libp2pLimits { MaxInboundStreams = 8, MaxReceiveBufferBytes = 1 << 20 }, TimeProvider.System,
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, stream =>
            {
                // Streams of all manners: read and closed, reset, left alone.
                switch (opened++ % 3)
                {
                    case 0:
                        stream.Output.Complete();
                        stream.Input.Complete();
                        break;
                    case 1: stream.Reset(); break;
                }
            });
        try
        {
            while (!input.IsEmpty)
            {
                var count = Math.Min(input.Length, 1 + input[0] % 64); // pieces of all sizes
                connection.Process(input[..count].ToArray());
                connection.WakeReaders();
                input = input[count..];
            }
        }
        catch (Libp2pException)
        {
            // Refused.
        }
        connection.EndNow(new Libp2pException(Libp2pError.ConnectionClosed, "the input ended"));
        Base.Invariant.Check(connection.BufferedBytes <= 1 << 20, "unread bytes stay within their limit");
    }

    /// <summary>A channel that swallows everything.</summary>
    private sealed class NullChannel : ISecureChannel
    {
        private readonly byte[] _buffer = new byte[16 * 1024];

        public PeerId RemotePeer => default;

        public string? EarlyMuxer => null;

        public ReadOnlyMemory<byte> ChannelBinding => default;

        public bool TryPeek(out ReadOnlyMemory<byte> bytes)
        {
            bytes = default;
            return false;
        }

        public ValueTask<ReadOnlyMemory<byte>> PeekAsync(CancellationToken cancellationToken) => new(ReadOnlyMemory<byte>.Empty);

        public void Consume(int count)
        {
        }

        public Memory<byte> GetWriteBuffer() => _buffer;

        public bool Seal(int count) => false;

        public ValueTask FlushAsync(CancellationToken cancellationToken) => default;

        public void ReleaseWriteBuffer()
        {
        }

        public ValueTask DisposeAsync() => default;
    }
}
