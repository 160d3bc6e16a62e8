using System.Collections.Immutable;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>One time that a host ran a program, as that host wrote it down.</summary>
/// <param name="Host">The host.</param>
/// <param name="Epoch">The epoch of its lease.</param>
/// <param name="Began">Since when, by its clock; null when that entry is not here or was pushed out.</param>
/// <param name="Ended">Until when, by its clock; null when it was not written that it ended.</param>
/// <param name="End">Why it ended; null as <paramref name="Ended"/>.</param>
/// <param name="Detail">One line for people; null when there is nothing to say.</param>
/// <param name="ExitCode">The exit code of its last process; null when that has none.</param>
/// <param name="Use">What it took, once it has ended.</param>
public sealed record ProgramRun(PeerId Host, ulong Epoch, DateTimeOffset? Began, DateTimeOffset? Ended, RunEnd? End, string? Detail, int? ExitCode, RunUse Use);

/// <summary>Folds <see cref="RunRecorded"/> entries into the runs of a program.</summary>
internal static class ProgramRuns
{
    /// <summary>How many runs of a program its state holds; the feeds hold all. Enough to say what happened lately, and little to copy with each entry.</summary>
    public const int Kept = 16;

    /// <summary>The runs with one entry more, in order of their epochs, equal ones in order of their hosts.</summary>
    public static ImmutableList<ProgramRun> With(ImmutableList<ProgramRun> runs, PeerId host, RunRecorded recorded)
    {
        var at = runs.FindIndex(run => run.Host == host && run.Epoch == recorded.Epoch);
        var run = at >= 0 ? runs[at] : new ProgramRun(host, recorded.Epoch, null, null, null, null, null, RunUse.None);
        run = recorded.End is { } end
            ? run with { Ended = recorded.Time, End = end, Detail = recorded.Detail, ExitCode = recorded.ExitCode, Use = recorded.Use }
            : run with { Began = run.End is null && run.Began is { } first ? first : recorded.Time, Ended = null, End = null, Detail = recorded.Detail, ExitCode = null };
        if (at >= 0) return runs.SetItem(at, run);
        var after = runs.FindIndex(other => (other.Epoch, other.Host).CompareTo((run.Epoch, run.Host)) > 0);
        runs = after < 0 ? runs.Add(run) : runs.Insert(after, run);
        return runs.Count > Kept ? runs.RemoveAt(0) : runs;
    }
}
