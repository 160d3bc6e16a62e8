using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Tests.Noise;
using PeoplesCloud.Libp2p.Yamux;
using Microsoft.Extensions.Logging.Abstractions;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

/// <summary>A peer that speaks frames by hand, over a real Noise channel, to a real connection; it dials or listens.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private readonly ISecureChannel _channel;

    private RawPeer(ISecureChannel channel, YamuxConnection connection, List<YamuxStream> accepted, ManualTime time)
    {
        (_channel, Connection, Accepted, Time) = (channel, connection, accepted, time);
        Ended = connection.RunAsync(CancellationToken.None);
    }

    /// <summary>The connection under test.</summary>
    public YamuxConnection Connection { get; }

    /// <summary>Streams that it accepted.</summary>
    public List<YamuxStream> Accepted { get; }

    public ManualTime Time { get; }

    public Task Ended { get; }

    /// <param name="limits">Limits of the connection under test.</param>
    /// <param name="peerDials">Whether this peer dialled: its streams then have odd numbers.</param>
    /// <param name="pipeBytes">What the connection in memory holds.</param>
    public static async Task<RawPeer> StartAsync(Libp2pLimits? limits = null, bool peerDials = true, int pipeBytes = 256 * 1024)
    {
        var (first, second) = MemoryDuplex.Create(pipeBytes);
        var (dialed, accepted) = await YamuxPair.ShakeHandsAsync(first, second);
        var streams = new List<YamuxStream>();
        var time = new ManualTime();
        var connection = new YamuxConnection(peerDials ? accepted : dialed, !peerDials, limits ?? Libp2pLimits.Default, time, NullLogger.Instance, stream =>
        {
            lock (streams) streams.Add(stream);
        });
        return new RawPeer(peerDials ? dialed : accepted, connection, streams, time);
    }

    public async Task SendAsync(YamuxType type, YamuxFlags flags, uint stream, uint length, byte[]? payload = null)
    {
        var bytes = new byte[YamuxFrame.HeaderBytes + (payload?.Length ?? 0)];
        new YamuxFrame(type, flags, stream, length).Write(bytes);
        payload?.CopyTo(bytes.AsSpan(YamuxFrame.HeaderBytes));
        await _channel.WriteAsync(bytes, CancellationToken.None).AsTask().WaitAsync(YamuxPair.Patience);
    }

    public Task SendDataAsync(uint stream, byte[] payload, YamuxFlags flags = YamuxFlags.None) => SendAsync(YamuxType.Data, flags, stream, (uint)payload.Length, payload);

    public Task OpenAsync(uint stream) => SendAsync(YamuxType.WindowUpdate, YamuxFlags.Syn, stream, 0);

    /// <summary>The next frame with its payload; null at the end.</summary>
    public async Task<(YamuxFrame Frame, byte[] Payload)?> ReceiveAsync()
    {
        var header = await ReadAsync(YamuxFrame.HeaderBytes);
        if (header is null) return null;
        Assert.Equal(ParseStatus.Done, YamuxFrame.TryRead(header, out var frame));
        return (frame, frame.Type == YamuxType.Data ? (await ReadAsync((int)frame.Length))! : []);
    }

    /// <summary>The next frame that fits, skipping others.</summary>
    public async Task<(YamuxFrame Frame, byte[] Payload)> ReceiveAsync(Func<YamuxFrame, bool> wanted)
    {
        while (true)
        {
            var next = await ReceiveAsync() ?? throw new EndOfStreamException("the connection ended before the frame came");
            if (wanted(next.Frame)) return next;
        }
    }

    /// <summary>Reads to the end and answers the reason that GoAway gave.</summary>
    public async Task<YamuxGoAway?> ReceiveGoAwayAsync()
    {
        YamuxGoAway? reason = null;
        while (await ReceiveAsync() is { } next)
        {
            if (next.Frame.Type == YamuxType.GoAway) reason = (YamuxGoAway)next.Frame.Length;
        }
        return reason;
    }

    /// <summary>Asserts that the connection was closed for breaking a rule, and that the peer was told.</summary>
    public async Task AssertCutOffAsync(Libp2pError error)
    {
        Assert.Equal(YamuxGoAway.ProtocolError, await ReceiveGoAwayAsync());
        await Ended.WaitAsync(YamuxPair.Patience);
        Assert.Equal(error, Connection.End!.Error);
    }

    /// <summary>Returns when everything sent so far was taken in: a ping's answer came back. Answers the frames that came before it.</summary>
    public async Task<List<YamuxFrame>> SettleAsync()
    {
        await SendAsync(YamuxType.Ping, YamuxFlags.Syn, 0, 0x5e771e);
        var skipped = new List<YamuxFrame>();
        await ReceiveAsync(frame =>
        {
            if (frame is { Type: YamuxType.Ping, Flags: YamuxFlags.Ack, Length: 0x5e771e }) return true;
            skipped.Add(frame);
            return false;
        });
        return skipped;
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await Connection.DisposeAsync();
        await Ended;
    }

    private async Task<byte[]?> ReadAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await _channel.ReadAsync(bytes.AsMemory(at), CancellationToken.None).AsTask().WaitAsync(YamuxPair.Patience);
            if (read == 0) return null;
            at += read;
        }
        return bytes;
    }
}
