using System.Text.Json;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// Listens to the engine for containers that went over their memory limit: the kernel ends one process then, and the container runs on without
/// it. Listens again when the engine was away; what it does then besides is the caller's.
/// </summary>
internal sealed class DockerEvents(DockerEngine engine, Func<string, Task> outOfMemory, Func<CancellationToken, Task> connected) : IAsyncDisposable
{
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _running;

    /// <summary>Completes when it listens; begins to when it does not yet.</summary>
    public Task ListeningAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _running ??= RunAsync(_closing.Token);
            return _listening.Task.WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        if (_running is { } running) await running;
        _closing.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(cancellationToken);
            }
            catch (Exception e) when (e is DockerException or OperationCanceledException || DockerEngine.IsLost(e))
            {
                if (cancellationToken.IsCancellationRequested) return;
                DockerLog.Unusable(engine.Logger, e.Message);
            }
            lock (_lock)
                if (_listening.Task.IsCompleted) _listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            try
            {
                await Task.Delay(DockerLimits.RetryInterval, engine.Time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        var filters = DockerClient.Filters(("type", "container"), ("event", "oom"), ("label", $"{DockerContainer.OwnerLabel}={engine.Options.Owner}"));
        using var answer = await engine.Client.OpenAsync(HttpMethod.Get, $"/events?filters={filters}", content: null, cancellationToken);
        await connected(cancellationToken);
        lock (_lock) _ = _listening.TrySetResult();
        await foreach (var happened in DockerImages.LinesAsync(answer, cancellationToken))
            if (happened.ValueKind == JsonValueKind.Object && happened.TryGetProperty("id", out var id) && id.GetString() is { } container) await outOfMemory(container);
    }
}
