namespace PeoplesCloud.Libp2p.Connections;

/// <summary>Tasks that somebody owns: added when they start, gone when they end, awaited when the owner stops. Thread-safe.</summary>
internal sealed class TaskSet
{
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _running = [];

    /// <summary>How many are running.</summary>
    public int Count
    {
        get { lock (_lock) return _running.Count; }
    }

    /// <summary>Starts work on the thread pool and holds its task until it ends. The work handles its own failures.</summary>
    public Task Start(Func<Task> work)
    {
        var task = Task.Run(work, CancellationToken.None);
        lock (_lock) _running.Add(task);
        _ = task.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return task;
    }

    /// <summary>Waits until nothing runs; failures were the work's own to report.</summary>
    public async Task WhenAllDoneAsync()
    {
        while (true)
        {
            Task[] running;
            lock (_lock) running = [.. _running];
            if (running.Length == 0) return;
            await Task.WhenAll(running).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            lock (_lock) _running.ExceptWith(running);
        }
    }

    private void Forget(Task task)
    {
        lock (_lock) _running.Remove(task);
    }
}
