using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Identify;
using PeoplesCloud.Libp2p.Negotiation;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p;

/// <summary>One authenticated connection with a peer; streams share it. Thread-safe.</summary>
public sealed class Libp2pConnection
{
    private readonly YamuxConnection _muxer;
    private readonly Libp2pLimits _limits;
    private readonly TimeProvider _time;
    private long _lastUsed;
    private int _isDraining;
    private long _roundTripTicks;

    internal Libp2pConnection(YamuxConnection muxer, PeerId remotePeer, Multiaddr remoteAddress, bool isOutbound, bool isStranger, Libp2pLimits limits, TimeProvider time)
    {
        (_muxer, _limits, _time) = (muxer, limits, time);
        (RemotePeer, RemoteAddress, IsOutbound, IsStranger) = (remotePeer, remoteAddress, isOutbound, isStranger);
        Since = time.GetUtcNow();
        Touch();
    }

    /// <summary>The peer id that the other side proved.</summary>
    public PeerId RemotePeer { get; }

    /// <summary>The other side's address; for an inbound connection its outgoing port, which nobody listens on.</summary>
    public Multiaddr RemoteAddress { get; }

    /// <summary>Whether it goes through a relay, which may limit its bytes and its time. A direct connection with the same peer is preferred.</summary>
    public bool IsRelayed => RemoteAddress.IsRelayed;

    /// <summary>What both sides of this connection know and no other connection has; not secret. At least 32 bytes.</summary>
    public ReadOnlyMemory<byte> ChannelBinding { get; internal init; }

    /// <summary>How it is encrypted.</summary>
    public SecurityProtocol Security { get; internal init; }

    /// <summary>What its streams are for.</summary>
    public StreamUse Use { get; internal init; }

    /// <summary>Whether both sides dialed at the same moment to get past their routers: it says nothing about who can be dialed.</summary>
    public bool IsPunched { get; internal set; }

    /// <summary>Whether we dialed.</summary>
    public bool IsOutbound { get; }

    /// <summary>When the handshake was done.</summary>
    public DateTimeOffset Since { get; }

    /// <summary>Open streams of both directions.</summary>
    public int StreamCount => _muxer.StreamCount;

    /// <summary>Bytes received on this connection, decrypted.</summary>
    public long BytesIn => _muxer.BytesIn;

    /// <summary>Bytes sent on this connection, before encryption.</summary>
    public long BytesOut => _muxer.BytesOut;

    /// <summary>The round trip that a ping measured last; null before the first.</summary>
    public TimeSpan? RoundTrip => Interlocked.Read(ref _roundTripTicks) is > 0 and var ticks ? TimeSpan.FromTicks(ticks) : null;

    /// <summary>For a relayed connection: why no direct one could be made, in the words of the last try; null before it and for direct ones.</summary>
    public string? WhyRelayed { get; internal set; }

    /// <summary>Whether it counts as a stranger's: inbound from a peer that the application gave no address for.</summary>
    internal bool IsStranger { get; }

    /// <summary>Whether no stream can be opened any more.</summary>
    internal bool IsClosing => !_muxer.CanOpen;

    /// <summary>What identify said; null until it was heard.</summary>
    internal IdentifyInfo? Identified { get; set; }

    /// <summary>What the peer was told about us, or will be by the identify that it asks for.</summary>
    internal SelfDescription? Told { get; set; }

    /// <summary>How long there was neither a stream nor the opening of one.</summary>
    internal TimeSpan Idle
    {
        get
        {
            if (StreamCount > 0) Touch();
            return _time.GetElapsedTime(Volatile.Read(ref _lastUsed));
        }
    }

    /// <summary>Runs the connection until it ends; never throws what a peer can cause.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _muxer.RunAsync(cancellationToken);
        }
        finally
        {
            await _muxer.DisposeAsync();
        }
    }

    /// <summary>Says goodbye and ends the connection; its streams are reset.</summary>
    internal Task CloseAsync() => _muxer.DisposeAsync().AsTask();

    /// <summary>Ends the connection without losing a stream: no new ones, then waits for those that are open. Cancelling it cuts them off.</summary>
    internal Task DrainAsync(CancellationToken cancellationToken) =>
        Interlocked.Exchange(ref _isDraining, 1) == 0 ? _muxer.DrainAsync(cancellationToken) : Task.CompletedTask;

    /// <summary>
    /// Opens a stream. When identify said that the peer speaks the protocol, its answer is not waited for (a round trip less): the first
    /// read checks it. Otherwise the answer is awaited here.
    /// </summary>
    internal async ValueTask<Libp2pStream> OpenAsync(string protocol, CancellationToken cancellationToken)
    {
        Touch();
        var stream = await _muxer.OpenAsync(cancellationToken);
        var agreed = false;
        try
        {
            var channel = NegotiationChannel.Over(stream);
            await MultistreamSelect.SendProposalAsync(channel, protocol, cancellationToken);
            var input = stream.Input;
            if (Identified?.Protocols.Contains(protocol, StringComparer.Ordinal) == true) input = new LazyReader(stream.Input, () => ReadAnswerAsync(stream, protocol, CancellationToken.None));
            else await ReadAnswerAsync(stream, protocol, cancellationToken);
            agreed = true;
            return new Libp2pStream(RemotePeer, protocol, stream, input, RemoteAddress) { ChannelBinding = ChannelBinding };
        }
        finally
        {
            if (!agreed) Abandon(stream);
        }
    }

    /// <summary>Marks the connection as used now.</summary>
    internal void Touch() => Volatile.Write(ref _lastUsed, _time.GetTimestamp());

    /// <summary>A ping was answered after this time.</summary>
    internal void Measured(TimeSpan roundTrip) => Interlocked.Exchange(ref _roundTripTicks, Math.Max(1, roundTrip.Ticks));

    /// <summary>Ends a stream that the application never sees.</summary>
    internal static void Abandon(YamuxStream stream)
    {
        stream.Reset();
        stream.Output.Complete();
        stream.Input.Complete();
    }

    private async Task ReadAnswerAsync(YamuxStream stream, string protocol, CancellationToken cancellationToken)
    {
        try
        {
            _ = await TimeLimit.RunAsync(_limits.NegotiationTimeout, _time, "negotiating a stream", async token =>
            {
                await MultistreamSelect.ReadAnswerAsync(NegotiationChannel.Over(stream), protocol, _limits, token);
                return 0;
            }, cancellationToken);
        }
        catch (Libp2pException)
        {
            stream.Reset(); // nothing that was written under a refused protocol is delivered later
            throw;
        }
    }
}
