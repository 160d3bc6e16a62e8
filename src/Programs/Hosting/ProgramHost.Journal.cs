using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

public sealed partial class ProgramHost
{
    /// <summary>How often a host notes what its programs took. So much of a run is lost at most when the host dies.</summary>
    private static readonly TimeSpan JournalInterval = TimeSpan.FromSeconds(10);

    /// <summary>Notes now and then what the programs here take, until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(JournalInterval, _time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            foreach (var program in _programs.Values.Where(program => !program.IsOver && program.Begun.IsCompleted)) Journal(program);
        }
    }

    /// <summary>
    /// What ran here when an earlier daemon died, as far as it was noted. Each is told again until <see cref="Written"/> says that it is in the feeds.
    /// </summary>
    /// <param name="find">The program in its swarm's state; null when that does not know it.</param>
    public IReadOnlyList<RunNote> LeftOver(Func<SwarmId, EntryHash, SwarmProgram?> find)
    {
        var notes = new List<RunNote>();
        foreach (var folder in new DirectoryInfo(_options.Folder).EnumerateDirectories())
        {
            if (RunJournal.Read(folder.FullName) is not { } left) continue;
            var known = find(left.Swarm, left.Program);
            if (known is null || known.Runs.Any(run => run.Host == _self && run.Epoch == left.Epoch && run.End is not null)) RemoveJournal(folder.FullName);
            else notes.Add(new RunNote(ProgramSpec.Of(left.Swarm, known), left.Epoch, left.Last, RunEnd.HostDied, "its host or the host's daemon died", null, left.Use));
        }
        return notes;
    }

    /// <summary>A note is in the feeds, or will never be.</summary>
    public void Written(RunNote note)
    {
        var folder = FolderOf(note.Spec.LocalName);
        if (note.End is not null && RunJournal.Read(folder)?.Epoch == note.Epoch) RemoveJournal(folder);
    }

    private void Journal(HostedProgram program)
    {
        try
        {
            new RunJournal(program.Spec.Swarm, program.Spec.Id, program.Epoch ?? 0, _time.GetUtcNow(), program.Meter.Read()).Write(FolderOf(program.Spec.LocalName));
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            // A full disk: less will be known of this run if the host dies.
        }
    }

    private void RemoveJournal(string folder)
    {
        try
        {
            File.Delete(Path.Combine(folder, RunJournal.FileName));
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            ProgramsLog.NotRemoved(_logger, folder, failed);
        }
    }
}
