using System.Net;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Ports;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Hosting;

/// <summary>
/// One session: its files, its port on the host, and the run behind it, which may sleep. The port is held from before the script starts until the
/// session has ended, and whoever connects while it sleeps waits until it is awake. Thread-safe.
/// </summary>
internal sealed class HostedSession : IPortTarget, IAsyncDisposable
{
    private static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(100);

    private readonly string _id;
    private readonly string _folder;
    private readonly SessionRequest _request;
    private readonly SessionHostOptions _options;
    private readonly ISessionKind _kind;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1); // who starts, stops or puts to sleep
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource<int?> _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SessionLog _log;
    private ISessionProgram? _program;
    private PortForwarder? _forwarder;
    private RunPort? _port;
    private IRun? _run;
    private Task _carrying = Task.CompletedTask;
    private Task _watching = Task.CompletedTask;
    private Task _noticing = Task.CompletedTask;
    private bool _isClosed;

    public HostedSession(string id, string folder, SessionRequest request, SessionHostOptions options, ISessionKind kind, TimeProvider time, ILogger logger)
    {
        (_id, _folder, _request, _options, _kind, _time, _logger) = (id, folder, request, options, kind, time, logger);
        Directory.CreateDirectory(folder);
        _log = new SessionLog(folder, options.LogBytes);
    }

    /// <summary>Raised when it went to sleep (true) or woke (false).</summary>
    public event Action<bool>? Slept;

    /// <summary>Its port on the host; 0 before it is started.</summary>
    public int Port => _forwarder?.EndPoint.Port ?? 0;

    /// <summary>Whether it sleeps.</summary>
    public bool IsAsleep { get; private set; }

    /// <summary>Connections to its port now.</summary>
    public int Connections => _forwarder?.Connections ?? 0;

    /// <summary>Ends when its process ended by itself, with its code; or when it was ended, with null.</summary>
    public Task<int?> Over => _over.Task;

    /// <summary>Starts it; completes when its first instruction can run.</summary>
    /// <param name="sessions">How many sessions run here, for its settings.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="PcException">It cannot be run.</exception>
    public async Task StartAsync(int sessions, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        var program = _program = _kind.Open(_id, _folder, _request);
        _forwarder = PortForwarder.TryListen(new IPEndPoint(_options.Address, 0), PortKinds.Both, this, _options.Ports, _time)
            ?? throw new PcException(ErrorCode.SessionNoPort, $"no port of {_options.Address} is free by TCP and UDP");
        _port = new RunPort(UpAsync, program.PortInside(Port), _options.Ports, _time);
        await program.PrepareAsync(Port, sessions, cancellationToken);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await RunAsync(cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
        _carrying = CarryAsync(_forwarder);
        if (_request.Idle is { } idle) _watching = WatchAsync(_forwarder, idle);
        SessionsLog.Started(_logger, _id, Port, _time.GetElapsedTime(started));
    }

    /// <summary>Ends it and all that it started: politely, then firmly. Its log stays.</summary>
    public async Task StopAsync()
    {
        await _ending.CancelAsync();
        await _turn.WaitAsync(CancellationToken.None);
        try
        {
            _isClosed = true;
            if (_run is { } run)
            {
                await run.StopAsync(_options.Grace);
                await run.DisposeAsync();
                _run = null;
            }
        }
        finally
        {
            _turn.Release();
        }
        _over.TrySetResult(null);
        await CloseAsync();
    }

    /// <inheritdoc/>
    public ValueTask<PortEnd> ConnectAsync(CancellationToken cancellationToken) => _port!.ConnectAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IDatagramChannel> OpenDatagramsAsync(CancellationToken cancellationToken) => _port!.OpenDatagramsAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _noticing;
        _ending.Dispose();
        _turn.Dispose();
    }

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
        var exit = await run.Exited;
        await _turn.WaitAsync(CancellationToken.None);
        try
        {
            if (_run != run || _isClosed) return; // it was put to sleep, or ended
            _isClosed = true;
            _run = null;
            await run.DisposeAsync();
        }
        finally
        {
            _turn.Release();
        }
        await _ending.CancelAsync();
        await CloseAsync();
        SessionsLog.Exited(_logger, _id, exit.ExitCode);
        _over.TrySetResult(exit.ExitCode);
    }

    private async Task WatchAsync(PortForwarder forwarder, TimeSpan idle)
    {
        var look = idle / 4 > ShortestLook ? idle / 4 : ShortestLook;
        try
        {
            while (true)
            {
                await Task.Delay(look, _time, _ending.Token);
                if (forwarder.Idle < idle || IsAsleep) continue;
                await SleepAsync(forwarder, idle);
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // It ends.
        }
    }

    private async Task SleepAsync(PortForwarder forwarder, TimeSpan idle)
    {
        await _turn.WaitAsync(_ending.Token);
        try
        {
            // Whoever came meanwhile has it awake.
            if (_run is not { } run || forwarder.Idle < idle) return;
            IsAsleep = true;
            _run = null;
            await run.StopAsync(_options.Grace);
            await run.DisposeAsync();
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
        _forwarder?.Dispose();
        _log.Dispose();
        try
        {
            if (_program is not null) await _program.DisposeAsync();
        }
        catch (IOException e)
        {
            SessionsLog.FolderStays(_logger, _id, e);
        }
    }
}
