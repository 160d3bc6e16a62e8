using Microsoft.Extensions.Logging;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>A command that runs in a place of its own.</summary>
internal sealed class SandboxRun : IRun
{
    private static readonly TimeSpan FreezeInterval = TimeSpan.FromMilliseconds(2);

    private readonly SandboxSlot _slot;
    private readonly SandboxHost _host;
    private readonly RunSpec _spec;
    private readonly Lock _freezing = new();
    private readonly SandboxDoor _door;
    private readonly SandboxExec _exec;
    private int _stopping;
    private int _outOfMemory;
    private bool _frozen;
    private bool _killed;
    private RunUsage? _last;

    /// <summary>Takes over a place whose command has started.</summary>
    public SandboxRun(SandboxSlot slot, SandboxHost host, RunSpec spec)
    {
        (_slot, _host, _spec) = (slot, host, spec);
        _door = new SandboxDoor(host.Tools.Network, host.Time, slot.Shell.InitPid, slot.Number);
        var limits = SandboxCommand.ResourceLimits(spec.Limits, host.Cgroups is { HasPids: true }, host.Cgroups is { HasMemory: true });
        _exec = new SandboxExec(host, host.Folders.ExecFolderOf(slot.Number), slot.Number, slot.Shell.Ended, [.. limits]);
        Exited = EndAsync();
        CleanedUp = CleanUpAsync();
    }

    /// <inheritdoc/>
    public Task<RunExit> Exited { get; }

    /// <summary>Completes when nothing of it is left on the host, some time after its end: other runs have other names, and need not wait for that.</summary>
    public Task CleanedUp { get; }

    /// <inheritdoc/>
    public async ValueTask StopAsync(TimeSpan grace)
    {
        if (Exited.IsCompleted) return;
        Volatile.Write(ref _stopping, 1);
        if (grace > TimeSpan.Zero)
        {
            _slot.Shell.Terminate();
            await ThawAsync();
            using var early = new CancellationTokenSource();
            _ = await Task.WhenAny(_slot.Shell.Ended, Task.Delay(grace, _host.Time, early.Token));
            await early.CancelAsync();
        }
        Kill();
        _ = await Exited;
    }

    /// <inheritdoc/>
    public ValueTask<Stream> ConnectAsync(int port, CancellationToken cancellationToken) => _door.ConnectAsync(port, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IDatagramChannel> OpenDatagramsAsync(int port, CancellationToken cancellationToken) => _door.OpenDatagramsAsync(port, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> ExecAsync(IReadOnlyList<string> command, Stream input, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken) =>
        _exec.RunAsync(command, input, output, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask FreezeAsync()
    {
        lock (_freezing)
        {
            // A killed process that is frozen does not die where the freezer is of version 1.
            if (_frozen || _killed) return;
            _frozen = true;
            _slot.Freeze(frozen: true);
        }
        while (!IsStill()) await Task.Delay(FreezeInterval, _host.Time);

        bool IsStill()
        {
            lock (_freezing) return !_frozen || Exited.IsCompleted || _slot.IsFrozen();
        }
    }

    /// <inheritdoc/>
    public ValueTask ThawAsync()
    {
        lock (_freezing)
        {
            if (_frozen) _slot.Freeze(frozen: false);
            _frozen = false;
        }
        return ValueTask.CompletedTask;
    }

    private void Kill()
    {
        lock (_freezing)
        {
            _killed = true;
            _slot.Shell.Kill();
            if (_frozen) _slot.Freeze(frozen: false);
            _frozen = false;
        }
    }

    /// <summary>What it uses now, or took until it ended.</summary>
    public RunUsage Usage() => _last ?? _slot.Usage();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero);
        await CleanedUp;
    }

    private async Task<RunExit> EndAsync()
    {
        int code;
        // All of a run ends of which some went over the memory limit: half a program is no program, and is started again as a whole. Version 2
        // of control groups does so by itself; version 1 ends one process and tells; without groups what all take together is measured.
        using (_host.Memory.Add(() => _slot.IsOverMemory(_spec.Limits), EndForMemory)) code = await _slot.Shell.Ended;
        _door.CloseDatagrams(); // before anybody hears of the end: what is sent from then on is for the next run
        _last = _slot.UsageAtEnd(); // its group is gone after this
        var reason = Volatile.Read(ref _stopping) != 0 ? RunExitReason.Stopped
            : Volatile.Read(ref _outOfMemory) != 0 || (code != 0 && _slot.RanOutOfMemory()) ? RunExitReason.OutOfMemory
            : code > 128 ? RunExitReason.Signalled
            : RunExitReason.Exited;
        SandboxLog.Ended(_host.Logger, _spec.Id, code, reason);
        return new RunExit(code, reason);
    }

    private async Task CleanUpAsync()
    {
        _ = await Exited;
        try
        {
            await _door.DisposeAsync();
            await _slot.DisposeAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            SandboxLog.CleanupFailed(_host.Logger, _spec.Id, e);
        }
    }

    private void EndForMemory()
    {
        Volatile.Write(ref _outOfMemory, 1);
        Kill();
    }
}
