using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>A run for a time of a program's schedule that is over.</summary>
/// <param name="Spec">The program.</param>
/// <param name="Due">The time, in seconds since 1970.</param>
/// <param name="Result">What became of it.</param>
/// <param name="Began">When its process began; null when none did.</param>
/// <param name="Took">How long it ran.</param>
/// <param name="Detail">More; null when there is nothing to say.</param>
public sealed record DueEnd(ProgramSpec Spec, long Due, ScheduledResult Result, DateTimeOffset? Began, TimeSpan Took, string? Detail);

// Programs that run at times: they have their place here like others, and wait in it. Which times are theirs is the daemon's business.
public sealed partial class ProgramHost
{
    /// <summary>Raised when a run that <see cref="RunDue"/> began is over, or could not begin; on any thread, and quickly handled.</summary>
    public event Action<DueEnd>? DueEnded;

    /// <summary>Starts a scheduled program for a time; false when it is not here or does not wait for one, otherwise <see cref="DueEnded"/> follows.</summary>
    /// <param name="id">The program.</param>
    /// <param name="due">The time, in seconds since 1970.</param>
    /// <param name="why">For its log.</param>
    public bool RunDue(EntryHash id, long due, string why) => _programs.TryGetValue(id, out var program) && program.RunDue(due, why);

    /// <summary>How a scheduled program is that has waited for its time here before: it has its lease, and nothing that it replaces runs. Null otherwise.</summary>
    public ProgramState? StateSincePlaced(EntryHash id) => _programs.TryGetValue(id, out var program) && program is { IsOver: false, HasRested: true } ? program.Status.State : null;

    /// <summary>Writes a line to the log of a program that is here.</summary>
    public void Say(EntryHash id, string line)
    {
        if (_programs.TryGetValue(id, out var program) && !program.IsOver) program.Log.Say(line);
    }
}
