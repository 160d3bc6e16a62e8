using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

/// <summary>The times and bounds of schedules.</summary>
public sealed record ScheduleOptions
{
    /// <summary>A missed time is made up for no later than this. Default 12 hours; and never when the time after it is nearer, so a program of every minute has 30 s.</summary>
    public TimeSpan MaxLate { get; init; } = TimeSpan.FromHours(12);

    /// <summary>How long a guardian may take to answer until it is asked again. Default 5 s: a dial and a slow disk.</summary>
    public TimeSpan RetryEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How far back missed times are counted. Default a day: a program of every minute has 1,440 of them.</summary>
    public TimeSpan CountBack { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How often the clock is looked at although no time is near: somebody may have set it. Default 30 s.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(30);

    internal ScheduleChecks Without { get; init; }
}

/// <summary>What this node holds and may run now.</summary>
/// <param name="Generation">Of the guardians.</param>
/// <param name="Guardians">All of them, this node included.</param>
/// <param name="Alone">Whether it holds the lease without a majority.</param>
/// <param name="AtLeastOnce">Whether times may run twice rather than not at all: the program goes on without a majority.</param>
/// <param name="IsBusy">Whether a process of the program runs that no time began.</param>
/// <param name="Deployed">When the program was deployed: earlier times are none of it.</param>
/// <param name="Floor">The latest time that guardians of earlier generations knew.</param>
public sealed record ScheduleHold(ulong Generation, IReadOnlyList<PeerId> Guardians, bool Alone, bool AtLeastOnce, bool IsBusy, DateTimeOffset Deployed, long Floor);

/// <summary>Something that happened to a scheduled program on this node.</summary>
public abstract record ScheduleInput
{
    /// <summary>This node holds the lease and has the program ready, or something about that changed: give all of it again. Null: it does not, or not any more.</summary>
    /// <param name="Hold">What it holds.</param>
    /// <param name="Known">What it keeps as a guardian; read only when it begins to hold.</param>
    public sealed record Holds(ScheduleHold? Hold, ScheduleRecord Known) : ScheduleInput;

    /// <summary>A guardian answered.</summary>
    /// <param name="From">Which.</param>
    /// <param name="Due">The time that it was asked for.</param>
    /// <param name="Answer">Its answer.</param>
    public sealed record Answered(PeerId From, long Due, ScheduleAnswer Answer) : ScheduleInput;

    /// <summary>A run that <see cref="ScheduleEffect.Run"/> began is over, or could not begin.</summary>
    /// <param name="Run">What became of it.</param>
    public sealed record Ended(ScheduledRun Run) : ScheduleInput;

    /// <summary>Time went on.</summary>
    public sealed record Tick : ScheduleInput;
}

/// <summary>Something that must be done, in the order given.</summary>
public abstract record ScheduleEffect
{
    /// <summary>Send a guardian this; it may be this node itself. The answer to a claim comes back as <see cref="ScheduleInput.Answered"/>, or never.</summary>
    /// <param name="To">Which.</param>
    /// <param name="Claim">The message.</param>
    public sealed record Ask(PeerId To, ScheduleClaim Claim) : ScheduleEffect;

    /// <summary>Start the program for a time; <see cref="ScheduleInput.Ended"/> follows.</summary>
    /// <param name="Due">The time, in seconds since 1970.</param>
    /// <param name="Alone">Whether no majority granted it.</param>
    public sealed record Run(long Due, bool Alone) : ScheduleEffect;

    /// <summary>Tell people of a time that was not run here.</summary>
    /// <param name="Not">What became of it.</param>
    public sealed record Tell(ScheduledRun Not) : ScheduleEffect;

    /// <summary>Give a <see cref="ScheduleInput.Tick"/> then, or when the clock was set; the last effect of each call.</summary>
    /// <param name="At">By the ordinary clock; null: never.</param>
    public sealed record WakeAt(DateTimeOffset? At) : ScheduleEffect;
}
