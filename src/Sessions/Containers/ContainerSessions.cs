using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker.Lasting;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>
/// Sessions in containers of Docker. They go on when the daemon stops and are found by its next life; each has one container from its beginning to its end, which
/// sleeps and wakes with it. Every container with this node's label belongs to a session's record, and is removed when there is no such record.
/// </summary>
internal sealed class ContainerSessions : ISessionKind
{
    /// <summary>After how many looks at the engine one at the disks follows: it reads all that sessions wrote.</summary>
    private const int DiskLooks = 6;

    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    private readonly SessionHostOptions _options;
    private readonly LastingContainers _containers;
    private readonly Func<ContainerPolicy> _policy;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _looking;
    private volatile PcException? _obstacle;
    private volatile bool _hasFound;

    /// <summary>Makes them.</summary>
    /// <param name="options">How sessions run here.</param>
    /// <param name="containers">The engine; stays the caller's.</param>
    /// <param name="policy">What the host's owner allows, asked anew for each session.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public ContainerSessions(SessionHostOptions options, LastingContainers containers, Func<ContainerPolicy> policy, TimeProvider time, ILogger logger)
    {
        (_options, _containers, _policy, _time, _logger) = (options, containers, policy, time, logger);
        _looking = LookAsync(_closing.Token);
    }

    /// <inheritdoc/>
    public bool Outlives => true;

    /// <inheritdoc/>
    public PcException? Obstacle => _obstacle;

    /// <inheritdoc/>
    public ISessionProgram Open(string id, string folder, SessionRequest request)
    {
        var script = ContainerScriptReader.Read(request.Script);
        var record = new SessionRecord(1, request.Script, request.Idle?.TotalSeconds, [], Asleep: false);
        return new ContainerProgram(folder, script, ContainerRules.Apply(id, script, _policy(), _options.Address), record, _containers, _logger);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<LeftSession>> FindAsync(IReadOnlyDictionary<string, string> folders, CancellationToken cancellationToken)
    {
        // A daemon may start before Docker does.
        while (true)
        {
            try
            {
                var found = await FindOnceAsync(folders, cancellationToken);
                (_obstacle, _hasFound) = (null, true);
                return found;
            }
            catch (PcException e)
            {
                _obstacle = e;
                await Task.Delay(RetryInterval, _time, cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _looking;
        _closing.Dispose();
    }

    private async Task<IReadOnlyList<LeftSession>> FindOnceAsync(IReadOnlyDictionary<string, string> folders, CancellationToken cancellationToken)
    {
        var containers = await _containers.FindAsync(cancellationToken);
        var found = new List<LeftSession>();
        foreach (var (id, folder) in folders)
        {
            var container = containers.FirstOrDefault(one => one.Id == id);
            if (container is not null && SessionRecord.Read(folder) is { } record)
            {
                found.Add(await FoundAsync(id, folder, container, record, cancellationToken));
                continue;
            }
            // Its making was cut, or somebody removed it past us.
            if (container is not null) await _containers.RemoveAsync(container.Container, cancellationToken);
            SessionRecord.Delete(folder);
            found.Add(new LeftSession(id, SessionState.Ended));
        }
        foreach (var nobodys in containers.Where(one => !folders.ContainsKey(one.Id))) await RemoveOrphanAsync(nobodys, cancellationToken);
        return found;
    }

    private async Task<LeftSession> FoundAsync(string id, string folder, LeftContainer container, SessionRecord record, CancellationToken cancellationToken)
    {
        var idle = record.IdleSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        try
        {
            // The same rules as for a new one: what the owner no longer allows does not run on.
            var script = ContainerScriptReader.Read(record.Script);
            if (record.Ports.Count != script.Ports.Count + 1) throw ContainerScriptReader.Refused("its record does not fit it");
            var program = new ContainerProgram(folder, script, ContainerRules.Apply(id, script, _policy(), _options.Address), record, _containers, _logger) { Container = container.Container, Runs = container.IsRunning };
            if (container.IsRunning) return new LeftSession(id, SessionState.Running) { Program = program, Ports = record.Ports, Idle = idle };
            if (record.Asleep) return new LeftSession(id, SessionState.Asleep) { Program = program, Ports = record.Ports, Idle = idle };
            var exitCode = await _containers.ExitCodeAsync(container.Container, cancellationToken);
            if (script.Restart.PauseAfter(exitCode ?? 0, restarts: 0) is not null) return new LeftSession(id, SessionState.Running) { Program = program, Ports = record.Ports, Idle = idle };
            await program.DisposeAsync();
            return new LeftSession(id, SessionState.Exited) { ExitCode = exitCode };
        }
        catch (PcException e) when (e.Code is ErrorCode.SessionScriptRefused or ErrorCode.SessionOptionRefused)
        {
            SessionsLog.NotStarted(_logger, id, e.Message);
            await _containers.RemoveAsync(container.Container, cancellationToken);
            SessionRecord.Delete(folder);
            return new LeftSession(id, SessionState.Ended);
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            for (var disks = _time.GetTimestamp(); ;)
            {
                await Task.Delay(_options.LookInterval, _time, cancellationToken);
                if (!_hasFound) continue;
                await LookOnceAsync(cancellationToken);
                if (_time.GetElapsedTime(disks) < DiskLooks * _options.LookInterval) continue;
                await LookAtDisksAsync(cancellationToken);
                disks = _time.GetTimestamp(); // what took long is not done more often
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It ends.
        }
    }

    // The engine limits everything but this.
    private async Task LookAtDisksAsync(CancellationToken cancellationToken)
    {
        var most = _policy().Most.DiskBytes;
        try
        {
            foreach (var (container, bytes) in await _containers.WrittenAsync(cancellationToken))
            {
                if (bytes <= most) continue;
                SessionsLog.DiskFull(_logger, container, bytes, most);
                await _containers.EndAsync(container);
            }
        }
        catch (PcException e)
        {
            _obstacle = e;
        }
    }

    private async Task LookOnceAsync(CancellationToken cancellationToken)
    {
        try
        {
            // The record of a session is written before its container is made, and removed after it.
            foreach (var container in await _containers.FindAsync(cancellationToken))
            {
                if (SessionNames.IsId(container.Id) && SessionRecord.IsIn(Path.Combine(_options.Folder, container.Id))) continue;
                await RemoveOrphanAsync(container, cancellationToken);
            }
            _obstacle = null;
        }
        catch (PcException e)
        {
            _obstacle = e;
        }
    }

    private async Task RemoveOrphanAsync(LeftContainer container, CancellationToken cancellationToken)
    {
        SessionsLog.Orphan(_logger, container.Container);
        await _containers.RemoveAsync(container.Container, cancellationToken);
    }
}

/// <summary>A session's container.</summary>
internal sealed class ContainerProgram(string folder, ContainerScript script, LastingSpec spec, SessionRecord record, LastingContainers containers, ILogger logger) : ISessionProgram
{
    private SessionRecord _record = record;
    private int _restarts;

    /// <summary>The container; null before it was made.</summary>
    public string? Container { get; set; }

    /// <summary>Whether it runs already, left by an earlier daemon.</summary>
    public bool Runs { get; set; }

    /// <inheritdoc/>
    public RunLimits Limits => spec.Limits;

    /// <inheritdoc/>
    public IReadOnlyList<ContainerPort> Ports => script.Ports;

    /// <inheritdoc/>
    public int PortInside(int port) => script.Port;

    /// <inheritdoc/>
    public async Task PrepareAsync(IReadOnlyList<int> ports, int sessions, CancellationToken cancellationToken)
    {
        // Written before the container is: one without a record is nobody's.
        Write(_record with { Ports = ports });
        Container = await containers.CreateAsync(spec, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<IRun> RunAsync(Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        // Before it runs: whoever ends from now on was awake.
        if (_record.Asleep) Write(_record with { Asleep = false });
        if (!Runs) return await containers.StartAsync(Container!, spec, output, cancellationToken);
        Runs = false;
        return await containers.AdoptAsync(Container!, spec, output, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask SleepAsync(IRun run, TimeSpan grace)
    {
        Write(_record with { Asleep = true });
        await run.StopAsync(grace);
    }

    /// <inheritdoc/>
    public TimeSpan? RestartAfter(int exitCode, TimeSpan ran)
    {
        if (ran >= ContainerLimits.SteadyTime) _restarts = 0;
        return script.Restart.PauseAfter(exitCode, _restarts++);
    }

    /// <inheritdoc/>
    public async ValueTask LeaveAsync(IRun? run)
    {
        if (run is LastingRun lasting) await lasting.LeaveAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Container is { } container)
        {
            try
            {
                await containers.RemoveAsync(container, CancellationToken.None);
                Container = null;
            }
            catch (PcException e)
            {
                // Its record goes, and it with the next look at the engine.
                SessionsLog.ContainerStays(logger, container, e.Message);
            }
        }
        SessionRecord.Delete(folder);
    }

    private void Write(SessionRecord now)
    {
        now.Write(folder);
        _record = now;
    }
}
