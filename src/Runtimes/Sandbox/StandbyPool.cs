using System.Diagnostics.CodeAnalysis;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>
/// Keeps places prepared, one for each mention of a network. Places are made again as soon as one is taken, one after the other, and thrown away when
/// they are found dead or when the host's addresses have changed since. Thread-safe.
/// </summary>
internal sealed class StandbyPool(SandboxHost host, IReadOnlyList<NetworkMode> networks) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<Prepared> _prepared = [];
    private readonly CancellationTokenSource _closing = new();
    private Task _last = Task.CompletedTask;

    /// <summary>Begins to prepare what is missing.</summary>
    /// <param name="delay">How long to leave the processors to the program that was just started.</param>
    public void Fill(TimeSpan delay)
    {
        lock (_lock)
        {
            if (_closing.IsCancellationRequested) return;
            foreach (var wanted in networks.GroupBy(network => network))
            {
                for (var missing = wanted.Count() - _prepared.Count(place => place.Network == wanted.Key); missing > 0; missing--)
                {
                    var place = PrepareAsync(wanted.Key, _last, delay);
                    _last = place;
                    _prepared.Add(new Prepared(wanted.Key, place));
                }
            }
        }
    }

    /// <summary>A prepared place, or one made now.</summary>
    public async Task<SandboxSlot> TakeAsync(NetworkMode network, CancellationToken cancellationToken)
    {
        while (TryTake(network, out var ready))
        {
            if (await ready is not { } slot) continue;
            if (slot.IsFresh) return slot;
            await slot.DisposeAsync();
        }
        return await SandboxSlot.PrepareAsync(host, network, cancellationToken);
    }

    /// <summary>What is prepared, once it is ready; null for what failed.</summary>
    public Task<SandboxSlot?[]> ReadyAsync()
    {
        lock (_lock) return Task.WhenAll(_prepared.Select(place => place.Slot));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Prepared[] all;
        lock (_lock)
        {
            _closing.Cancel();
            all = [.. _prepared];
            _prepared.Clear();
        }
        foreach (var place in all)
            if (await place.Slot is { } slot) await slot.DisposeAsync();
        _closing.Dispose();
    }

    // One that is not ready yet may still be waiting for its turn.
    private bool TryTake(NetworkMode network, [NotNullWhen(true)] out Task<SandboxSlot?>? slot)
    {
        lock (_lock)
        {
            var ready = _prepared.Find(place => place.Network == network && place.Slot.IsCompleted);
            if (ready is not null) _prepared.Remove(ready);
            slot = ready?.Slot;
            return slot is not null;
        }
    }

    private async Task<SandboxSlot?> PrepareAsync(NetworkMode network, Task before, TimeSpan delay)
    {
        // The caller holds the lock.
        await Task.Yield();
        try
        {
            if (delay > TimeSpan.Zero) await Task.Delay(delay, host.Time, _closing.Token);
            await before; // it does not fail
            return await SandboxSlot.PrepareAsync(host, network, _closing.Token);
        }
        catch (Exception e)
        {
            if (!_closing.IsCancellationRequested) SandboxLog.StandbyFailed(host.Logger, network, e);
            return null;
        }
    }

    private sealed record Prepared(NetworkMode Network, Task<SandboxSlot?> Slot);
}
