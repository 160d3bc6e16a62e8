using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>A command that runs in a place of its own.</summary>
internal sealed class SandboxRun : IRun
{
    private static readonly TimeSpan MemoryInterval = TimeSpan.FromMilliseconds(250);

    private readonly SandboxSlot _slot;
    private readonly SandboxHost _host;
    private readonly RunSpec _spec;
    private int _stopping;
    private int _outOfMemory;

    /// <summary>Takes over a place whose command has started.</summary>
    public SandboxRun(SandboxSlot slot, SandboxHost host, RunSpec spec)
    {
        (_slot, _host, _spec) = (slot, host, spec);
        Exited = EndAsync();
    }

    /// <inheritdoc/>
    public Task<RunExit> Exited { get; }

    /// <inheritdoc/>
    public async ValueTask StopAsync(TimeSpan grace)
    {
        if (Exited.IsCompleted) return;
        Volatile.Write(ref _stopping, 1);
        if (grace > TimeSpan.Zero)
        {
            _slot.Shell.Terminate();
            using var early = new CancellationTokenSource();
            _ = await Task.WhenAny(_slot.Shell.Ended, Task.Delay(grace, _host.Time, early.Token));
            await early.CancelAsync();
        }
        _slot.Shell.Kill();
        _ = await Exited;
    }

    /// <inheritdoc/>
    public RunUsage Usage() => _slot.Usage();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => StopAsync(TimeSpan.Zero);

    private async Task<RunExit> EndAsync()
    {
        await WatchMemoryAsync();
        var code = await _slot.Shell.Ended;
        var reason = Volatile.Read(ref _stopping) != 0 ? RunExitReason.Stopped
            : Volatile.Read(ref _outOfMemory) != 0 || (code != 0 && _slot.RanOutOfMemory()) ? RunExitReason.OutOfMemory
            : code > 128 ? RunExitReason.Signalled
            : RunExitReason.Exited;
        try
        {
            await _slot.DisposeAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            SandboxLog.CleanupFailed(_host.Logger, _spec.Id, e);
        }
        SandboxLog.Ended(_host.Logger, _spec.Id, code, reason);
        return new RunExit(code, reason);
    }

    /// <summary>
    /// Ends all of a run of which some went over the memory limit: half a program is no program, and is started again as a whole. Version 2
    /// of control groups does so by itself; version 1 ends one process and tells; without groups what all take together is measured.
    /// </summary>
    private async Task WatchMemoryAsync()
    {
        while (await Task.WhenAny(_slot.Shell.Ended, Task.Delay(MemoryInterval, _host.Time)) != _slot.Shell.Ended)
        {
            if (!_slot.IsOverMemory(_spec.Limits)) continue;
            Volatile.Write(ref _outOfMemory, 1);
            _slot.Shell.Kill();
            return;
        }
    }
}
