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
    /// <param name="delay">How long to leave the processors to the program that was just started.</param>
    public void Fill(TimeSpan delay)
    {
        lock (_lock)
        {
            if (_closing.IsCancellationRequested) return;
            foreach (var network in networks)
                if (!_prepared.ContainsKey(network)) _prepared[network] = PrepareAsync(network, delay);
        }
    }

    /// <summary>A prepared place, or one made now.</summary>
    public async Task<SandboxSlot> TakeAsync(NetworkMode network, CancellationToken cancellationToken)
    {
        Task<SandboxSlot?>? prepared;
        lock (_lock)
        {
            // One that is not ready yet may still be waiting for its turn.
            if (_prepared.TryGetValue(network, out prepared) && prepared.IsCompleted) _ = _prepared.Remove(network);
            else prepared = null;
        }
        if (prepared is not null && await prepared is { } slot)
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

    private async Task<SandboxSlot?> PrepareAsync(NetworkMode network, TimeSpan delay)
    {
        // The caller holds the lock.
        await Task.Yield();
        try
        {
            if (delay > TimeSpan.Zero) await Task.Delay(delay, host.Time, _closing.Token);
            return await SandboxSlot.PrepareAsync(host, network, _closing.Token);
        }
        catch (Exception e)
        {
            if (!_closing.IsCancellationRequested) SandboxLog.StandbyFailed(host.Logger, network, e);
            return null;
        }
    }
}
