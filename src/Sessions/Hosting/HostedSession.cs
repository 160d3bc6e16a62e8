using System.Net;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Sessions.Containers;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>
/// One session: its ports on the host, its log, and the run behind it, which may sleep. The ports are held from before the run starts until the
/// session has ended, and whoever connects while it sleeps waits until it is awake. Thread-safe.
/// </summary>
internal sealed class HostedSession : IAsyncDisposable
{
    private static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(100);

    private readonly string _id;
    private readonly string _folder;
    private readonly SessionHostOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1); // who starts, stops or puts to sleep
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource<int?> _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SessionLog _log;
    private readonly List<PortForwarder> _forwarders = []; // the first leads to its port, which answers name
    private ISessionProgram? _program;
    private IRun? _run;
    private long _began;
    private Task _carrying = Task.CompletedTask;
    private Task _watching = Task.CompletedTask;
    private Task _noticing = Task.CompletedTask;
    private Task _cleaning = Task.CompletedTask;
    private bool _isClosed;
    private bool _isLeft;

    public HostedSession(string id, string folder, SessionHostOptions options, TimeProvider time, ILogger logger)
    {
        (_id, _folder, _options, _time, _logger) = (id, folder, options, time, logger);
        Directory.CreateDirectory(folder);
        _log = new SessionLog(folder, options.LogBytes);
    }

    /// <summary>Raised when it went to sleep (true) or woke (false).</summary>
    public event Action<bool>? Slept;

    /// <summary>Its port on the host; 0 before it is started.</summary>
    public int Port => _forwarders.Count > 0 ? _forwarders[0].EndPoint.Port : 0;

    /// <summary>Its further ports on the host, by those inside; null when it has none.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<int>>? Ports => _program is not { Ports.Count: > 0 } program ? null
        : program.Ports.Zip(_forwarders.Skip(1), (port, forwarder) => (Inside: $"{port.Inside}/{(port.Kind == PortKinds.Udp ? "udp" : "tcp")}", Outside: forwarder.EndPoint.Port))
            .GroupBy(pair => pair.Inside, pair => pair.Outside, StringComparer.Ordinal).ToDictionary(group => group.Key, IReadOnlyList<int> (group) => [.. group], StringComparer.Ordinal);

    /// <summary>Whether it sleeps.</summary>
    public bool IsAsleep { get; private set; }

    /// <summary>Connections to its ports now.</summary>
    public int Connections => _forwarders.Sum(forwarder => forwarder.Connections);

    /// <summary>Ends when its process ended by itself, with its code; or when it was ended, with null.</summary>
    public Task<int?> Over => _over.Task;

    /// <summary>Starts it; completes when its first instruction can run.</summary>
    /// <param name="kind">What it runs in.</param>
    /// <param name="request">What its client asked for.</param>
    /// <param name="sessions">How many sessions run here, for its settings.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">It cannot be run.</exception>
    public async Task StartAsync(ISessionKind kind, SessionRequest request, int sessions, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        var program = _program = kind.Open(_id, _folder, request);
        _options.Shares?.Take(_id, program.Limits);
        Listen(program, []);
        await program.PrepareAsync([.. _forwarders.Select(forwarder => forwarder.EndPoint.Port)], sessions, cancellationToken);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await RunAsync(cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
        Serve(request.Idle);
        SessionsLog.Started(_logger, _id, Port, _time.GetElapsedTime(started));
    }

    /// <summary>Goes on with one of an earlier life of this node, on the ports that it had.</summary>
    /// <exception cref="PcException">It cannot be run, or a port is taken.</exception>
    public async Task AdoptAsync(LeftSession left, CancellationToken cancellationToken)
    {
        _program = left.Program!;
        _options.Shares?.Keep(_id, _program.Limits);
        Listen(_program, left.Ports);
        IsAsleep = left.State == SessionState.Asleep;
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (!IsAsleep) await RunAsync(cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
        Serve(left.Idle);
        SessionsLog.Adopted(_logger, _id, Port);
    }

    /// <summary>Ends it and all that it started: politely, then firmly. Its log stays. Nothing when it was left.</summary>
    public async Task StopAsync()
    {
        if (_isLeft) return;
        await _ending.CancelAsync();
        await _turn.WaitAsync(CancellationToken.None);
        try
        {
            _isClosed = true;
            if (_run is { } run)
            {
                await run.StopAsync(_options.Grace);
                _cleaning = run.DisposeAsync().AsTask();
                if (!_program!.IsGoneAtItsEnd) await _cleaning;
                _run = null;
            }
        }
        finally
        {
            _turn.Release();
        }
        _over.TrySetResult(null);
        await CloseAsync();
        await EndProgramAsync();
    }

    /// <summary>Lets go of it: it goes on, for the next life of this node to find.</summary>
    public async Task LeaveAsync()
    {
        _isLeft = true;
        await _ending.CancelAsync();
        await _turn.WaitAsync(CancellationToken.None);
        try
        {
            if (!_isClosed && _program is not null) await _program.LeaveAsync(_run);
            _isClosed = true;
            _run = null;
        }
        finally
        {
            _turn.Release();
        }
        _over.TrySetResult(null);
        await CloseAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _noticing;
        await _cleaning;
        _ending.Dispose();
        _turn.Dispose();
    }

    private void Listen(ISessionProgram program, IReadOnlyList<int> taken)
    {
        List<ContainerPort> ports = [new ContainerPort(0, PortKinds.Both, Address: null, Outside: 0), .. program.Ports];
        for (var i = 0; i < ports.Count; i++)
        {
            var outside = i < taken.Count ? taken[i] : ports[i].Outside;
            var at = new IPEndPoint(ports[i].Address ?? _options.Address, outside);
            var target = new Target(this, program, ports[i].Inside);
            _forwarders.Add(PortForwarder.TryListen(at, ports[i].Kind, target, _options.Ports, _time)
                ?? throw new PcException(ErrorCode.SessionNoPort, outside == 0 ? $"no port of {at.Address} is free by TCP and UDP" : $"port {outside} of {at.Address} is taken, or none of this host"));
        }
    }

    private void Serve(TimeSpan? idle)
    {
        _carrying = Task.WhenAll(_forwarders.Select(CarryAsync));
        if (idle is { } longest) _watching = WatchAsync(longest);
    }

    private TimeSpan IdleTime => _forwarders.Min(forwarder => forwarder.Idle);

    // For whoever connects: the run, started again when it sleeps.
    private async ValueTask<IRun> UpAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_run is { } up) return up;
            if (_isClosed) throw new IOException("the session has ended");
            var started = _time.GetTimestamp();
            var run = await RunAsync(cancellationToken);
            IsAsleep = false;
            SessionsLog.Woke(_logger, _id, _time.GetElapsedTime(started));
            Slept?.Invoke(false);
            return run;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<IRun> RunAsync(CancellationToken cancellationToken)
    {
        if (_isClosed) throw new IOException("the session has ended");
        var run = await _program!.RunAsync(Receive, cancellationToken);
        _run = run;
        _began = _time.GetTimestamp();
        _noticing = NoticeEndAsync(run);
        return run;

        ValueTask Receive(OutputKind kind, ReadOnlyMemory<byte> chunk)
        {
            _log.Append(chunk.Span);
            return ValueTask.CompletedTask;
        }
    }

    private async Task NoticeEndAsync(IRun run)
    {
        RunExit exit;
        try
        {
            exit = await run.Exited;
        }
        catch (OperationCanceledException)
        {
            return; // it was left
        }
        TimeSpan? pause;
        await _turn.WaitAsync(CancellationToken.None);
        try
        {
            if (_run != run || _isClosed) return; // it was put to sleep, or ended
            _run = null;
            await run.DisposeAsync();
            pause = _program!.RestartAfter(exit.ExitCode, _time.GetElapsedTime(_began));
            _isClosed = pause is null;
        }
        finally
        {
            _turn.Release();
        }
        if (pause is { } wait && !await EndedInsteadAsync(exit.ExitCode, wait)) return;
        await _ending.CancelAsync();
        await CloseAsync();
        await EndProgramAsync();
        SessionsLog.Exited(_logger, _id, exit.ExitCode);
        _over.TrySetResult(exit.ExitCode);
    }

    // Starts it again after a pause, unless whoever connected did, or it was removed; true when that cannot be done.
    private async Task<bool> EndedInsteadAsync(int exitCode, TimeSpan pause)
    {
        SessionsLog.StartsAgain(_logger, _id, exitCode, pause);
        try
        {
            await Task.Delay(pause, _time, _ending.Token);
            await _turn.WaitAsync(_ending.Token);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        try
        {
            if (_run is null && !_isClosed && !IsAsleep) _ = await RunAsync(_ending.Token);
            return false;
        }
        catch (Exception e) when (e is PcException or IOException)
        {
            SessionsLog.NotStarted(_logger, _id, e.Message);
            _isClosed = true;
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task WatchAsync(TimeSpan idle)
    {
        var look = idle / 4 > ShortestLook ? idle / 4 : ShortestLook;
        try
        {
            while (true)
            {
                await Task.Delay(look, _time, _ending.Token);
                if (IdleTime < idle || IsAsleep) continue;
                await SleepAsync(idle);
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // It ends.
        }
    }

    private async Task SleepAsync(TimeSpan idle)
    {
        await _turn.WaitAsync(_ending.Token);
        try
        {
            // Whoever came meanwhile has it awake.
            if (_run is not { } run || IdleTime < idle) return;
            IsAsleep = true;
            _run = null;
            await _program!.SleepAsync(run, _options.Grace);
        }
        finally
        {
            _turn.Release();
        }
        SessionsLog.Sleeps(_logger, _id, idle);
        Slept?.Invoke(true);
    }

    private async Task CarryAsync(PortForwarder forwarder)
    {
        try
        {
            await forwarder.RunAsync(why =>
            {
                SessionsLog.ConnectionFailed(_logger, _id, why);
                return Task.CompletedTask;
            }, _ending.Token);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // It ends.
        }
    }

    private async Task CloseAsync()
    {
        await _carrying;
        await _watching;
        foreach (var forwarder in _forwarders) forwarder.Dispose();
        _log.Dispose();
    }

    private async Task EndProgramAsync()
    {
        try
        {
            if (_program is not null) await _program.DisposeAsync();
        }
        catch (IOException e)
        {
            SessionsLog.FolderStays(_logger, _id, e);
        }
    }

    /// <summary>Where a port leads: into the run, which is started for it.</summary>
    private sealed class Target(HostedSession session, ISessionProgram program, int inside) : IPortTarget
    {
        // The first port's may be the port that the host chose.
        private RunPort Port => new(session.UpAsync, inside > 0 ? inside : program.PortInside(session.Port), session._options.Ports, session._time);

        public ValueTask<PortEnd> ConnectAsync(CancellationToken cancellationToken) => Port.ConnectAsync(cancellationToken);

        public ValueTask<IDatagramChannel> OpenDatagramsAsync(CancellationToken cancellationToken) => Port.OpenDatagramsAsync(cancellationToken);
    }
}
