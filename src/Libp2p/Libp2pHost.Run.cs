using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Negotiation;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p;

/// <content>Keeps connections: serves their streams, closes the idle ones.</content>
public sealed partial class Libp2pHost
{
    private static readonly TimeSpan MaxSweepPeriod = TimeSpan.FromSeconds(5);

    private Libp2pConnection Multiplex(ISecureChannel channel, SecurityProtocol security, Multiaddr remoteAddress, bool isOutbound, StreamUse use)
    {
        var limits = use == StreamUse.Bulk ? _limits with { MaxStreamWindowBytes = _limits.MaxBulkWindowBytes } : _limits;
        Libp2pConnection? connection = null;
        var muxer = new YamuxConnection(channel, isOutbound, limits, _time, _logger, stream => _ = _tasks.Start(() => ServeAsync(connection!, stream)));
        var isStranger = !isOutbound && !_book.IsNamed(channel.RemotePeer);
        connection = new Libp2pConnection(muxer, channel.RemotePeer, remoteAddress, isOutbound, isStranger, _limits, _time) { Use = use, Security = security, ChannelBinding = channel.ChannelBinding, Told = Description };
        return connection;
    }

    private void Admit(Libp2pConnection connection)
    {
        var admission = _table.Add(connection, out var surplus);
        if (admission != Admission.Admitted) throw new Libp2pException(Libp2pError.LimitReached, admission == Admission.TableFull ? "this node has as many connections as it may" : "this node has as many strangers as it may");
        if (surplus is not null) Close(surplus);
        ForgetFailures(connection.RemotePeer);
        HostLog.Connected(_logger, connection.RemotePeer, connection.RemoteAddress, connection.IsOutbound);
    }

    private async Task RunAsync(Libp2pConnection connection)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var seeking = Task.CompletedTask;
        try
        {
            var run = connection.RunAsync(_stopping.Token);
            _ = _tasks.Start(() => LearnAsync(connection));
            if (connection.IsRelayed) seeking = _tasks.Start(() => SeekDirectAsync(connection, ended.Token));
            await run;
        }
        finally
        {
            _table.Remove(connection);
            await ended.CancelAsync();
            await seeking;
            HostLog.Disconnected(_logger, connection.RemotePeer);
        }
    }

    private void Close(Libp2pConnection connection) => _ = _tasks.Start(connection.CloseAsync);

    private async Task ServeAsync(Libp2pConnection connection, YamuxStream raw)
    {
        // 1. Agree on the protocol.
        string protocol;
        try
        {
            protocol = await TimeLimit.RunAsync(_limits.NegotiationTimeout, _time, "negotiating a stream",
                token => MultistreamSelect.AnswerAsync(NegotiationChannel.Over(raw), _handlers.ContainsKey, _limits, token), _stopping.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            HostLog.StreamRefused(_logger, connection.RemotePeer, e.Message);
            Libp2pConnection.Abandon(raw);
            return;
        }

        // 2. Hand it to whoever serves the protocol.
        var stream = new Libp2pStream(connection.RemotePeer, protocol, raw, raw.Input, connection.RemoteAddress) { ChannelBinding = connection.ChannelBinding };
        try
        {
            if (!_handlers.TryGetValue(protocol, out var handler)) throw new Libp2pException(Libp2pError.ProtocolNotSupported, $"{protocol} is not served any more");
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(stream.Closed, _stopping.Token);
            await handler(stream, ended.Token);
        }
        catch (Exception e)
        {
            if (e is IOException or OperationCanceledException) HostLog.StreamEnded(_logger, protocol, connection.RemotePeer, e.Message);
            else HostLog.HandlerFailed(_logger, protocol, connection.RemotePeer, e);
            stream.Reset();
        }
        await stream.DisposeAsync();
        connection.Touch();
    }

    // One question on a stream of its own. When it fails, the stream is reset: a peer that never answers would keep it open otherwise.
    private async ValueTask<T> RequestAsync<T>(Libp2pStream stream, string step, Func<CancellationToken, ValueTask<T>> request, CancellationToken cancellationToken)
    {
        try
        {
            return await TimeLimit.RunAsync(_limits.RequestTimeout, _time, step, request, cancellationToken);
        }
        catch
        {
            stream.Reset();
            throw;
        }
        finally
        {
            await stream.DisposeAsync();
        }
    }

    private async Task RaiseEventsAsync()
    {
        await foreach (var (peer, connected) in _presence.Reader.ReadAllAsync(CancellationToken.None))
        {
            try
            {
                (connected ? PeerConnected : PeerDisconnected)?.Invoke(peer);
            }
            catch (Exception e)
            {
                HostLog.SubscriberFailed(_logger, peer, e);
            }
        }
    }

    /// <summary>For how long a connection may carry nothing. Of several direct ones, the smaller peer id gives up those that both do not prefer, so that the two never give up each other's.</summary>
    private TimeSpan IdleLimit(Libp2pConnection connection)
    {
        var isSpare = _table.Preferred(connection.RemotePeer, connection.Use) is { } preferred && preferred != connection;
        if (isSpare && (connection.IsRelayed || Self < connection.RemotePeer)) return _limits.SimultaneousDial;
        return connection.Use == StreamUse.Bulk ? _limits.BulkIdleTimeout : _limits.IdleTimeout;
    }

    private async Task SweepAsync()
    {
        var period = TimeSpan.FromTicks(Math.Min(MaxSweepPeriod.Ticks, Math.Min(_limits.IdleTimeout.Ticks, _limits.SimultaneousDial.Ticks) / 2));
        using var timer = new PeriodicTimer(period, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                ForgetOldFailures();
                PushChanges();
                foreach (var connection in _table.Snapshot())
                {
                    if (IsKept(connection)) continue;
                    if (connection.Idle <= IdleLimit(connection)) continue;
                    HostLog.ClosedIdle(_logger, connection.RemotePeer);
                    _ = _tasks.Start(() => connection.DrainAsync(_stopping.Token));
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The host stops.
        }
    }
}
