using Microsoft.Extensions.Logging;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>A command that runs in a place of its own.</summary>
internal sealed class SandboxRun : IRun
{
    private readonly SandboxSlot _slot;
    private readonly SandboxHost _host;
    private readonly string _id;
    private int _stopping;

    /// <summary>Takes over a place whose command has started.</summary>
    public SandboxRun(SandboxSlot slot, SandboxHost host, string id)
    {
        (_slot, _host, _id) = (slot, host, id);
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
        var code = await _slot.Shell.Ended;
        var reason = Volatile.Read(ref _stopping) != 0 ? RunExitReason.Stopped
            : code != 0 && _slot.RanOutOfMemory() ? RunExitReason.OutOfMemory
            : code > 128 ? RunExitReason.Signalled
            : RunExitReason.Exited;
        await _slot.DisposeAsync();
        SandboxLog.Ended(_host.Logger, _id, code, reason);
        return new RunExit(code, reason);
    }
}
