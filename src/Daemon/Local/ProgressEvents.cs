using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Local;

/// <summary>
/// Passes progress on as events: at most one is on its way, and what comes meanwhile is dropped, so a slow reader slows nothing
/// and costs no memory.
/// </summary>
internal sealed class ProgressEvents<T>(Func<Event<T>, Task> write) : IProgress<AddProgress>
{
    private readonly Lock _gate = new();
    private Task _writing = Task.CompletedTask;

    /// <inheritdoc/>
    public void Report(AddProgress value)
    {
        lock (_gate)
        {
            if (_writing.IsCompleted) _writing = write(new Event<T>("progress", Progress: new ProgressInfo(value.DoneBytes, value.TotalBytes)));
        }
    }

    /// <summary>Completes when the event that is on its way was written; a reader that went away shows here.</summary>
    public Task WrittenAsync()
    {
        lock (_gate) return _writing;
    }
}
