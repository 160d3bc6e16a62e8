namespace PeoplesCloud.Swarm;

/// <summary>The times of leases. All guardians of a program must have the same <see cref="Lease"/>; a proposal with another is refused.</summary>
public sealed record LeaseOptions
{
    /// <summary>
    /// How long a lease lasts after its holder asked for it, by the holder's clock. Default 4 s: with a stagger and two round trips a program is on
    /// another host within 6 s of a crash. Less makes more messages, and loses leases on bad connections.
    /// </summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>How often a holder renews. Default 1.3 s: two renewals may get lost.</summary>
    public TimeSpan RenewEvery { get; init; } = TimeSpan.FromMilliseconds(1_300);

    /// <summary>How wrong the rate of a clock may be, as a share. Default 1 %; crystals are wrong by 0.01 %.</summary>
    public double MaxDrift { get; init; } = 0.01;

    /// <summary>How long a program may take to stand still after its lease ended. Default 200 ms: freezing a cgroup takes less than ten.</summary>
    public TimeSpan StopTime { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a round waits for answers. Default 500 ms: longer than a round trip around the world.</summary>
    public TimeSpan RoundTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>A guardian that finds the lease free waits up to this long, so that seldom two ask at once. Default 300 ms.</summary>
    public TimeSpan Stagger { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>With <see cref="WhenAlone.Run"/>: without a majority and a holder for so long, a host takes over. Default 1.5 s.</summary>
    public TimeSpan AloneGrace { get; init; } = TimeSpan.FromMilliseconds(1_500);

    /// <summary>The same while gossip believes that a silent guardian is awake. Default 8 s: gossip finds a sleeper among three in 6 s.</summary>
    public TimeSpan AwakeGrace { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>
    /// How long the others leave the lease to the host that was chosen, while it is there and has not had it. Default 15 s: a start waits as long for its
    /// lease. More keeps a program waiting for a host that is there and does nothing; with less it may start elsewhere.
    /// </summary>
    public TimeSpan ChosenPatience { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Without any input for so long beyond the time asked for, the machine slept or stood still: it does not vote for one backing. Default 3 s; a lease survives no more.</summary>
    public TimeSpan SleepGap { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How far an epoch may be above the highest known one. Default 2^20: no honest swarm skips as many, and 2^44 such leaps are left.</summary>
    public ulong MaxEpochLeap { get; init; } = 1 << 20;

    /// <summary>How long a guardian backs a holder after its vote, and keeps from voting after a start: longer than the lease by what clocks may differ, and the time to stop.</summary>
    public TimeSpan Backing => Lease * ((1 + MaxDrift) / (1 - MaxDrift)) + StopTime;

    /// <summary>Rules that tests leave out, to see that the simulator notices.</summary>
    internal LeaseChecks Without { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is out of its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RenewEvery, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(Lease, RenewEvery * 2);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RoundTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(StopTime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Stagger, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(AwakeGrace, AloneGrace);
        ArgumentOutOfRangeException.ThrowIfLessThan(ChosenPatience, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxDrift, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxDrift, 0.1);
        ArgumentOutOfRangeException.ThrowIfEqual(MaxEpochLeap, 0UL);
    }
}
