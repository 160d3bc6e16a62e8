namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Keeps one place prepared for each of some networks. A place is made again as soon as one is taken, and thrown away when it is found dead
/// or when the host's addresses have changed since. Thread-safe.
/// </summary>
internal sealed class StandbyPool(SandboxHost host, IReadOnlyList<NetworkMode> networks) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<NetworkMode, Task<SandboxSlot?>> _prepared = [];
    private readonly CancellationTokenSource _closing = new();

    /// <summary>Begins to prepare what is missing.</summary>
    public void Fill()
    {
        lock (_lock)
        {
            if (_closing.IsCancellationRequested) return;
            foreach (var network in networks)
                if (!_prepared.ContainsKey(network)) _prepared[network] = PrepareAsync(network);
        }
    }

    /// <summary>A prepared place, or one made now.</summary>
    public async Task<SandboxSlot> TakeAsync(NetworkMode network, CancellationToken cancellationToken)
    {
        Task<SandboxSlot?>? prepared;
        lock (_lock) _ = _prepared.Remove(network, out prepared);
        if (prepared is not null && await WaitAsync(network, prepared, cancellationToken) is { } slot)
        {
            if (slot.IsFresh) return slot;
            await slot.DisposeAsync();
        }
        return await SandboxSlot.PrepareAsync(host, network, cancellationToken);
    }

    /// <summary>What is prepared, once it is ready; null for what failed.</summary>
    public Task<SandboxSlot?[]> ReadyAsync()
    {
        lock (_lock) return Task.WhenAll(_prepared.Values);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task<SandboxSlot?>[] all;
        lock (_lock)
        {
            _closing.Cancel();
            all = [.. _prepared.Values];
            _prepared.Clear();
        }
        foreach (var prepared in all)
            if (await prepared is { } slot) await slot.DisposeAsync();
        _closing.Dispose();
    }

    private async Task<SandboxSlot?> WaitAsync(NetworkMode network, Task<SandboxSlot?> prepared, CancellationToken cancellationToken)
    {
        try
        {
            return await prepared.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Somebody must dispose of it: the pool keeps it, and Fill adds none while it does.
            lock (_lock) _prepared[network] = prepared;
            throw;
        }
    }

    private async Task<SandboxSlot?> PrepareAsync(NetworkMode network)
    {
        // The caller holds the lock and has a program to start.
        await Task.Yield();
        try
        {
            return await SandboxSlot.PrepareAsync(host, network, _closing.Token);
        }
        catch (Exception e)
        {
            if (!_closing.IsCancellationRequested) SandboxLog.StandbyFailed(host.Logger, network, e);
            return null;
        }
    }
}
