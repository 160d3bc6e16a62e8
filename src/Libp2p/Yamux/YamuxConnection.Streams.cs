using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Libp2p.Yamux;

/// <content>The table of streams and what they may cost.</content>
internal sealed partial class YamuxConnection
{
    private readonly Dictionary<uint, YamuxStream> _streams = []; // on the wire
    private readonly HashSet<YamuxStream> _closing = [];           // the application is done with them, the peer is not
    private readonly SemaphoreSlim _unacknowledged;
    private TaskCompletionSource? _whenEmpty;
    private uint _nextStreamId;
    private readonly HashSet<YamuxStream> _live = [];              // on the wire or in the application's hands
    private int _inboundStreams; // of these, opened by the peer
    private int _refusedInARow;
    private long _buffered;      // unread bytes of all streams; interlocked
    private long _grown;         // window bytes beyond the initial ones; interlocked

    /// <summary>Streams that are open, or that the application has not finished with.</summary>
    public int StreamCount
    {
        get
        {
            lock (_gate) return _live.Count;
        }
    }

    /// <summary>Whether the peer may open streams: we have not said goodbye, or it may not have heard of that yet.</summary>
    internal bool TakesStreams
    {
        get
        {
            lock (_gate) return !_goesAway || _drains;
        }
    }

    /// <summary>Received bytes that no reader has consumed, in all streams.</summary>
    public long BufferedBytes => Interlocked.Read(ref _buffered);

    /// <summary>Opens a stream; waits while too many of ours are not acknowledged. The peer hears of it with the first bytes or at once, whichever is sooner.</summary>
    /// <exception cref="Libp2pException">The connection ended, or one side goes away.</exception>
    public async ValueTask<YamuxStream> OpenAsync(CancellationToken cancellationToken)
    {
        if (!_unacknowledged.Wait(0, CancellationToken.None))
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _lifetime.Token);
            try
            {
                await _unacknowledged.WaitAsync(both.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                lock (_gate) ThrowIfEnded();
                throw;
            }
        }
        YamuxStream stream;
        lock (_gate)
        {
            try
            {
                ThrowIfEnded();
                if (_remoteGoesAway || _goesAway) throw new Libp2pException(Libp2pError.ConnectionClosed, "the connection takes no new streams");
                if (_nextStreamId > uint.MaxValue - 2) throw new Libp2pException(Libp2pError.LimitReached, "the connection has used up its stream numbers");
            }
            catch
            {
                _unacknowledged.Release();
                throw;
            }
            stream = new YamuxStream(this, _nextStreamId, isInbound: false, Limits);
            _nextStreamId += 2;
            _streams.Add(stream.Id, stream);
            _live.Add(stream);
        }
        ScheduleControl(stream, inline: true);
        return stream;
    }

    internal void AddBuffered(int count) => Interlocked.Add(ref _buffered, count);

    internal void RemoveBuffered(int count) => Interlocked.Add(ref _buffered, -count);

    /// <summary>
    /// Keeps unread bytes within their limit. That is reached when somebody holds far more than any reader needs: the stream that
    /// holds most pays, so that a hoarder does not hurt others.
    /// </summary>
    internal void EnforceBudget()
    {
        while (Interlocked.Read(ref _buffered) > Limits.MaxReceiveBufferBytes)
        {
            YamuxStream? largest;
            lock (_gate) largest = _live.MaxBy(stream => stream.UnreadBytes);
            if (largest is null or { UnreadBytes: 0 }) return;
            YamuxLog.Evicted(_logger, RemotePeer, largest.Id, largest.UnreadBytes);
            largest.Evict(new Libp2pException(Libp2pError.LimitReached, $"the connection held more than {Limits.MaxReceiveBufferBytes} unread bytes, most of them in this stream"));
        }
    }

    /// <summary>Takes window from the connection's budget.</summary>
    internal bool TryGrow(int bytes)
    {
        if (Interlocked.Add(ref _grown, bytes) <= Limits.MaxReceiveBufferBytes / 2) return true;
        Interlocked.Add(ref _grown, -bytes);
        return false;
    }

    internal void OnAcknowledged() => _unacknowledged.Release();

    /// <summary>The stream is over on the wire: its number is not known any more.</summary>
    internal void Forget(YamuxStream stream)
    {
        lock (_gate)
        {
            _streams.Remove(stream.Id);
            _closing.Remove(stream);
        }
    }

    /// <summary>The application is done with the stream, the peer is not: it has a while.</summary>
    internal void OnClosing(YamuxStream stream)
    {
        lock (_gate)
        {
            if (_streams.ContainsKey(stream.Id) && _closing.Add(stream)) stream.ClosingSince = _time.GetTimestamp();
        }
    }

    /// <summary>The stream is over on the wire and for the application.</summary>
    internal void Release(YamuxStream stream, int grownBytes)
    {
        Interlocked.Add(ref _grown, -grownBytes);
        lock (_gate)
        {
            _live.Remove(stream);
            if (stream.IsInbound) _inboundStreams--;
            if (_live.Count == 0) _whenEmpty?.TrySetResult();
        }
    }

    private YamuxStream? Find(uint id)
    {
        lock (_gate) return _streams.GetValueOrDefault(id);
    }

    /// <summary>A stream that the peer opens; null when it is refused.</summary>
    private YamuxStream? Accept(uint id)
    {
        if ((id % 2 == 1) == _initiator) Violate($"stream {id} has a number of ours");
        YamuxStream? stream = null;
        lock (_gate)
        {
            var isFull = _inboundStreams >= Limits.MaxInboundStreams;
            if (isFull && ++_refusedInARow > Limits.MaxRefusedStreams)
                throw new Libp2pException(Libp2pError.LimitReached, $"{_refusedInARow} streams were opened beyond {Limits.MaxInboundStreams}");
            if (!isFull && TakesStreams)
            {
                _refusedInARow = 0;
                stream = new YamuxStream(this, id, isInbound: true, Limits);
                _streams.Add(id, stream);
                _live.Add(stream);
                _inboundStreams++;
            }
        }
        if (stream is null)
        {
            EnqueueRefusal(id);
            return null;
        }
        ScheduleControl(stream, inline: false);
        try
        {
            _accept(stream);
        }
        catch (Exception failure)
        {
            YamuxLog.Failed(_logger, RemotePeer, failure);
            stream.Reset();
        }
        return stream;
    }

    private void ResetLingering(long now)
    {
        List<YamuxStream>? lingering = null;
        lock (_gate)
        {
            foreach (var stream in _closing)
                if (_time.GetElapsedTime(stream.ClosingSince!.Value, now) > Limits.StreamCloseTimeout) (lingering ??= []).Add(stream);
        }
        if (lingering is null) return;
        foreach (var stream in lingering) stream.ResetOnWire(inline: false);
    }

    private Task WhenEmptyAsync()
    {
        lock (_gate)
        {
            if (_live.Count == 0 || _end is not null) return Task.CompletedTask;
            _whenEmpty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _whenEmpty.Task;
        }
    }
}

/// <summary>Log lines of yamux, events 2100 to 2119.</summary>
internal static partial class YamuxLog
{
    [LoggerMessage(2100, LogLevel.Debug, "Connection to {Peer} ended with {Streams} open streams: {Reason}")]
    public static partial void Ended(ILogger logger, PeerId peer, string reason, int streams);

    [LoggerMessage(2101, LogLevel.Warning, "Cut off {Peer}: {Reason}")]
    public static partial void Refused(ILogger logger, PeerId peer, string reason);

    [LoggerMessage(2102, LogLevel.Debug, "{Peer} takes no new streams (reason {Code})")]
    public static partial void ToldToGoAway(ILogger logger, PeerId peer, uint code);

    [LoggerMessage(2103, LogLevel.Warning, "Reset stream {Stream} of {Peer}, which held {Bytes} unread bytes, as the connection's budget was used up")]
    public static partial void Evicted(ILogger logger, PeerId peer, uint stream, int bytes);

    [LoggerMessage(2104, LogLevel.Error, "Connection to {Peer} failed unexpectedly")]
    public static partial void Failed(ILogger logger, PeerId peer, Exception failure);
}
