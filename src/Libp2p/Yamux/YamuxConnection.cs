using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Libp2p.Yamux;

/// <summary>
/// Many streams over one secure channel, by the yamux specification (version 0). This file holds the state and what the owner
/// calls; <c>.Reader</c> takes frames in, <c>.Writer</c> puts frames out, <c>.Streams</c> keeps the table of streams and its limits.
/// The owner runs <see cref="RunAsync"/> once; when it returns, every stream has ended. Thread-safe.
/// </summary>
internal sealed partial class YamuxConnection : IAsyncDisposable
{
    /// <summary>The protocol id, in multistream-select and in the handshake.</summary>
    public const string Protocol = "/yamux/1.0.0";

    /// <summary>The same on a connection for bulk: its own id tells both sides in the handshake what the connection is for.</summary>
    public const string BulkProtocol = "/peoples-cloud/bulk/yamux/1.0.0";

    private readonly ISecureChannel _channel;
    private readonly bool _initiator;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action<YamuxStream> _accept;
    private readonly CancellationTokenSource _lifetime = new();
    private readonly Lock _gate = new(); // guards the table, the queues and the end; taken after a stream's gates, never before

    private readonly Dictionary<uint, TaskCompletionSource> _pings = [];
    private uint _nextPing;
    private long _lastReceived;
    private long? _keepAliveSent;
    private Libp2pException? _end;
    private Task? _run;
    private int _disposed;

    /// <param name="channel">The secure channel; the connection owns it.</param>
    /// <param name="initiator">Whether we dialled: our streams then have odd numbers.</param>
    /// <param name="limits">The limits.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where life events go.</param>
    /// <param name="accept">Takes a stream that the peer opened. Called on the reading loop: must return at once. May reset the stream.</param>
    public YamuxConnection(ISecureChannel channel, bool initiator, Libp2pLimits limits, TimeProvider time, ILogger logger, Action<YamuxStream> accept)
    {
        limits.Validate();
        (_channel, _initiator, Limits, _time, _logger, _accept) = (channel, initiator, limits, time, logger, accept);
        _nextStreamId = initiator ? 1u : 2u;
        _unacknowledged = new SemaphoreSlim(limits.MaxUnacknowledgedStreams);
        _lastReceived = time.GetTimestamp();
    }

    /// <summary>Who is on the other side.</summary>
    public PeerId RemotePeer => _channel.RemotePeer;

    /// <summary>The limits in force.</summary>
    public Libp2pLimits Limits { get; }

    /// <summary>Bytes received, after decryption.</summary>
    public long BytesIn => Volatile.Read(ref _bytesIn);

    /// <summary>Bytes sent, before encryption.</summary>
    public long BytesOut => Volatile.Read(ref _bytesOut);

    /// <summary>Why the connection ended; null while it lives.</summary>
    public Libp2pException? End
    {
        get
        {
            lock (_gate) return _end;
        }
    }

    /// <summary>Whether new streams may be opened: neither ended nor told to go away.</summary>
    public bool CanOpen
    {
        get
        {
            lock (_gate) return _end is null && !_remoteGoesAway && !_goesAway;
        }
    }

    /// <summary>Reads until the connection ends, for whatever reason; never throws. <see cref="End"/> has the reason.</summary>
    public Task RunAsync(CancellationToken cancellationToken)
    {
        lock (_gate) return _run ??= RunOnceAsync(cancellationToken);
    }

    /// <summary>Measures a round trip.</summary>
    /// <exception cref="Libp2pException">The connection ended.</exception>
    public async ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken)
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        uint value;
        lock (_gate)
        {
            ThrowIfEnded();
            value = _nextPing++;
            _pings[value] = answered;
        }
        var start = _time.GetTimestamp();
        try
        {
            EnqueueSession(new YamuxFrame(YamuxType.Ping, YamuxFlags.Syn, YamuxFrame.Session, value), inline: true);
            await answered.Task.WaitAsync(cancellationToken);
            return _time.GetElapsedTime(start);
        }
        finally
        {
            lock (_gate) _pings.Remove(value);
        }
    }

    /// <summary>Tells the peer that no further streams are welcome; those that are open go on.</summary>
    public void GoAway()
    {
        lock (_gate)
        {
            if (_goesAway || _end is not null) return;
            _goesAway = true;
        }
        EnqueueSession(new YamuxFrame(YamuxType.GoAway, YamuxFlags.None, YamuxFrame.Session, (uint)YamuxGoAway.Normal), inline: true);
    }

    /// <summary>
    /// Closes in order: no new streams, except those that the peer opened before it heard of that; waits until all ended, then closes.
    /// Cancelling it stops waiting and closes.
    /// </summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        lock (_gate) _drains = true;
        GoAway();
        try
        {
            await PingAsync(cancellationToken); // frames come in order: what the peer opened without having heard of it comes before the answer
            lock (_gate) _drains = false;
            await WhenEmptyAsync().WaitAsync(cancellationToken);
        }
        catch (Libp2pException)
        {
            // It ended meanwhile.
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The streams that are left are cut off.
        }
        await DisposeAsync();
    }

    /// <summary>Closes now: what is already queued is written within <see cref="Libp2pLimits.LastWriteTimeout"/>, open streams are cut off.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            GoAway();
            await WaitForWriterAsync();
            EndNow(new Libp2pException(Libp2pError.ConnectionClosed, "the connection was closed by this side"));
        }
        Task? run;
        lock (_gate) run = _run;
        if (run is not null) await run;
        else await _channel.DisposeAsync();
    }

    private async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        await Task.Yield(); // leaves the caller's lock
        var period = TimeSpan.FromTicks(Math.Max(TimeSpan.FromMilliseconds(10).Ticks, Math.Min(Limits.KeepAliveInterval.Ticks, Limits.KeepAliveTimeout.Ticks) / 4));
        using var registration = cancellationToken.Register(() => EndNow(new Libp2pException(Libp2pError.ConnectionClosed, "the connection was closed by this side")));
        Libp2pException reason;
        await using (_time.CreateTimer(_ => Tick(), null, period, period))
        {
            try
            {
                await ReadAsync(_lifetime.Token);
                reason = new Libp2pException(Libp2pError.ConnectionClosed, "the connection was closed by the other side");
            }
            catch (Libp2pException refused)
            {
                reason = refused;
                if (refused.Error is Libp2pError.ProtocolViolation or Libp2pError.LimitReached) await SayGoodbyeAsync(refused);
            }
            catch (Exception failure) when (failure is IOException or OperationCanceledException or ObjectDisposedException)
            {
                reason = new Libp2pException(Libp2pError.ConnectionClosed, "the connection ended", failure);
            }
            catch (Exception failure)
            {
                YamuxLog.Failed(_logger, RemotePeer, failure);
                reason = new Libp2pException(Libp2pError.ConnectionClosed, "the connection failed", failure);
            }
        }
        EndNow(reason);
        await _channel.DisposeAsync();
    }

    private async Task SayGoodbyeAsync(Libp2pException reason)
    {
        YamuxLog.Refused(_logger, RemotePeer, reason.Message);
        EnqueueSession(new YamuxFrame(YamuxType.GoAway, YamuxFlags.None, YamuxFrame.Session, (uint)YamuxGoAway.ProtocolError), inline: false);
        await WaitForWriterAsync();
    }

    /// <summary>Ends everything with the first reason that comes; later ones are ignored.</summary>
    private void EndNow(Libp2pException reason)
    {
        YamuxStream[] streams;
        TaskCompletionSource[] pings;
        lock (_gate)
        {
            if (_end is not null) return;
            _end = reason;
            streams = [.. _streams.Values];
            pings = [.. _pings.Values];
        }
        YamuxLog.Ended(_logger, RemotePeer, reason.Message, streams.Length);
        foreach (var stream in streams) stream.Abort(reason, tellPeer: false);
        foreach (var ping in pings) ping.TrySetException(reason);
        _lifetime.Cancel(); // ends what is being read or written
    }

    /// <summary>Looks after silence, stuck writes, and streams that the peer does not close.</summary>
    private void Tick()
    {
        var now = _time.GetTimestamp();
        var writeStarted = Interlocked.Read(ref _writeStarted);
        if (writeStarted != 0 && _time.GetElapsedTime(writeStarted, now) > Limits.KeepAliveTimeout)
        {
            EndNow(new Libp2pException(Libp2pError.TimedOut, $"the peer took nothing for {Limits.KeepAliveTimeout}"));
            return;
        }
        var received = Interlocked.Read(ref _lastReceived);
        if (_keepAliveSent is { } sent && received < sent)
        {
            if (_time.GetElapsedTime(sent, now) > Limits.KeepAliveTimeout) EndNow(new Libp2pException(Libp2pError.TimedOut, $"the peer said nothing for {Limits.KeepAliveTimeout} after a ping"));
        }
        else if (_time.GetElapsedTime(received, now) > Limits.KeepAliveInterval)
        {
            _keepAliveSent = now;
            EnqueueSession(new YamuxFrame(YamuxType.Ping, YamuxFlags.Syn, YamuxFrame.Session, uint.MaxValue), inline: false);
        }
        ResetLingering(now);
    }

    private void ThrowIfEnded()
    {
        if (_end is not null) throw new Libp2pException(_end.Error, _end.Message, _end);
    }

    [DoesNotReturn]
    private static void Violate(string what) => throw new Libp2pException(Libp2pError.ProtocolViolation, what);
}
