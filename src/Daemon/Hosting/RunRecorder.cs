using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// Writes down in the feeds what this host ran, in the order in which it happened. A program that goes back and forth between hosts must not use up
/// this member's entries of a day: beyond a budget notes are dropped, which is logged.
/// </summary>
internal sealed class RunRecorder(SwarmRegistry swarms, Action<RunNote> written, TimeProvider time, ILogger logger)
{
    /// <summary>Notes that may be written at once. A start of a daemon with 64 programs writes as many.</summary>
    public const int Burst = 128;

    /// <summary>Notes of a day beyond that: less than half of the entries that a member may write.</summary>
    public const int PerDay = 300;

    private readonly Channel<RunNote> _notes = Channel.CreateBounded<RunNote>(new BoundedChannelOptions(1024) { SingleReader = true });
    private readonly Lock _gate = new();
    private TaskCompletionSource _written = Done();
    private int _waiting;
    private double _budget = Burst;
    private long _counted = time.GetTimestamp();

    /// <summary>Takes a note, to be written soon.</summary>
    public void Note(RunNote note)
    {
        lock (_gate)
        {
            if (!_notes.Writer.TryWrite(note)) return; // a thousand wait: the disk refuses everything
            if (_waiting++ == 0) _written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Completes when all notes that were taken are written or given up.</summary>
    public Task WrittenAsync()
    {
        lock (_gate) return _written.Task;
    }

    /// <summary>Writes until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await _notes.Reader.WaitToReadAsync(cancellationToken))
        {
            while (_notes.Reader.TryRead(out var note))
            {
                try
                {
                    await WriteAsync(note, cancellationToken);
                }
                finally
                {
                    written(note);
                    lock (_gate)
                    {
                        if (--_waiting == 0) _written.TrySetResult();
                    }
                }
            }
        }
    }

    private async Task WriteAsync(RunNote note, CancellationToken cancellationToken)
    {
        if (swarms.Find(note.Spec.Swarm) is not { Me: not null } swarm) return;
        // That a program is done must not get lost: others would start it again.
        if (!TakeFromBudget() && note.End != RunEnd.Finished)
        {
            LeaseLog.RunNotRecorded(logger, note.Spec.Name, "this host wrote too many of late");
            return;
        }
        try
        {
            await swarm.AppendAsync(new RunRecorded(note.Spec.Id, note.Epoch, note.Time, note.End, note.Detail, note.ExitCode, note.Use), cancellationToken);
        }
        catch (PcException refused)
        {
            LeaseLog.RunNotRecorded(logger, note.Spec.Name, refused.Message);
        }
    }

    private bool TakeFromBudget()
    {
        var now = time.GetTimestamp();
        _budget = Math.Min(Burst, _budget + (time.GetElapsedTime(_counted, now).TotalDays * PerDay));
        _counted = now;
        if (_budget < 1) return false;
        _budget--;
        return true;
    }

    private static TaskCompletionSource Done()
    {
        var done = new TaskCompletionSource();
        done.SetResult();
        return done;
    }
}
