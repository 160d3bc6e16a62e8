using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox.Limits;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Runs commands in bubblewrap sandboxes, as root or as an ordinary user. What is inside and what is refused is in docs/protocols/sandbox.md.
/// Thread-safe. Disposing ends the runs that are left.
/// </summary>
public sealed class SandboxRuntime : IRuntime, IAsyncDisposable
{
    // A runtime such as Python needs some 10 ms of a core to get going; nothing is gained by competing with it.
    private static readonly TimeSpan StandbyDelay = TimeSpan.FromMilliseconds(250);

    private readonly SandboxOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ToolBox _toolBox;
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<SandboxRun, bool> _runs = [];
    private SandboxHost? _host;
    private StandbyPool? _standby;

    /// <summary>Creates a runtime; nothing on the host is touched before the first call.</summary>
    public SandboxRuntime(SandboxOptions options, TimeProvider time, ILogger logger)
    {
        (_options, _time, _logger) = (options, time, logger);
        _toolBox = new ToolBox(options.ToolFolders);
    }

    /// <inheritdoc/>
    public string Name => "sandbox";

    /// <summary>Whether a command of this name is found inside a sandbox: the system's, or one of <see cref="SandboxOptions.ToolFolders"/>.</summary>
    public bool Sees(string program) => _toolBox.Unpacked.Sees(program);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => new SandboxProbe(this, _toolBox).RunAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
    {
        // 1. What cannot run is refused before anything is touched.
        RunChecks.Check(spec, hasImages: false);
        var host = Host();
        var started = _time.GetTimestamp();
        using var timeout = new CancellationTokenSource(_options.StartTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        SandboxSlot? slot = null;
        try
        {
            // 2. A place, prepared ahead or now.
            slot = await _standby!.TakeAsync(spec.Network, both.Token);
            // 3. The command in it.
            await slot.StartAsync(spec, output, both.Token);
            SandboxLog.Started(_logger, spec.Id, slot.Number, spec.Network, _time.GetElapsedTime(started));
            var run = new SandboxRun(slot, host, spec);
            _runs[run] = true;
            _ = run.CleanedUp.ContinueWith(_ => _runs.TryRemove(run, out var _), TaskScheduler.Default);
            // 4. The next one will find a place prepared.
            _standby.Fill(StandbyDelay);
            return run;
        }
        catch (Exception e)
        {
            if (slot is not null) await slot.DisposeAsync();
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
                throw new PcException(ErrorCode.SandboxFailed, $"the sandbox of {spec.Id} was not ready after {_options.StartTimeout.TotalSeconds} s: {slot?.Shell.Complaints}", inner: e);
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask CollectAsync(CancellationToken cancellationToken)
    {
        SandboxHost host;
        try
        {
            host = Host();
        }
        catch (PcException e)
        {
            // A daemon starts on a host that has no bubblewrap, too; the next start of a program says what is missing.
            SandboxLog.CannotRun(_logger, e.Message, e.Hint);
            return ValueTask.CompletedTask;
        }
        host.Cgroups?.Collect();
        host.Folders.Collect();
        _standby!.Fill(TimeSpan.Zero);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var run in _runs.Keys) await run.DisposeAsync();
        if (_standby is not null) await _standby.DisposeAsync();
        if (_host is not null)
        {
            _host.Memory.Dispose();
            _host.Cgroups?.Remove();
            _host.Folders.Remove();
        }
    }

    /// <summary>The places that are prepared ahead, once they are ready; null for one that failed.</summary>
    internal Task<SandboxSlot?[]> StandbyReadyAsync() => _standby?.ReadyAsync() ?? Task.FromResult<SandboxSlot?[]>([]);

    /// <summary>What all sandboxes share, made at first use so that a daemon starts on a host that has no bubblewrap.</summary>
    internal SandboxHost Host()
    {
        lock (_lock)
        {
            if (_host is not null) return _host;
            var tools = SandboxTools.Find(_toolBox);
            var owner = SandboxOwner.Create();
            var folders = new SandboxFolders(_options, owner);
            SeccompFilter.Write(folders.SeccompFile, _toolBox.LibraryFolders());
            _host = new SandboxHost(owner, tools, folders, Cgroups.Find(owner), _time, _logger);
            _standby = new StandbyPool(_host, _options.Standby);
            return _host;
        }
    }
}
