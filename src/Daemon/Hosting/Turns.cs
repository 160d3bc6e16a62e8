namespace PeoplesCloud.Daemon.Hosting;

/// <summary>Lets one at a time do something with a thing, those who come later after those who came before. Thread-safe.</summary>
internal sealed class Turns<TKey>
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Task> _last = [];

    /// <summary>Waits for its turn, which lasts until what is returned is disposed.</summary>
    /// <param name="key">The thing.</param>
    /// <param name="waits">Called when somebody has it.</param>
    /// <param name="cancellationToken">Gives up waiting; who comes later still waits for who came before.</param>
    public async Task<IDisposable> TakeAsync(TKey key, Action waits, CancellationToken cancellationToken)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task? before;
        lock (_gate)
        {
            before = _last.GetValueOrDefault(key);
            _last[key] = before is null ? ended.Task : Task.WhenAll(before, ended.Task);
        }
        var turn = new Turn(this, key, ended);
        if (before is null || before.IsCompleted) return turn;
        try
        {
            waits();
            await before.WaitAsync(cancellationToken);
            return turn;
        }
        catch
        {
            turn.Dispose();
            throw;
        }
    }

    private sealed class Turn(Turns<TKey> turns, TKey key, TaskCompletionSource ended) : IDisposable
    {
        public void Dispose()
        {
            ended.TrySetResult();
            lock (turns._gate)
            {
                if (turns._last.TryGetValue(key, out var last) && last.IsCompleted) turns._last.Remove(key);
            }
        }
    }
}
