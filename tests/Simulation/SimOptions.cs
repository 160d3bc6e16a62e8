using System.Globalization;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>How unkind the simulated network is. Changed by scenarios while they run.</summary>
public sealed class SimNetworkRules
{
    /// <summary>Share of messages that get lost, 0 to 1.</summary>
    public double Loss { get; set; }

    /// <summary>Share of messages that come twice, 0 to 1.</summary>
    public double Duplicates { get; set; }

    /// <summary>The shortest way.</summary>
    public TimeSpan MinDelay { get; set; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest way; what varies also reorders.</summary>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromMilliseconds(60);

    /// <summary>Pairs of nodes whose messages from the first to the second are lost.</summary>
    public HashSet<(int From, int To)> Blocked { get; } = [];

    internal TimeSpan DrawDelay(Random random) => MinDelay + (MaxDelay - MinDelay) * random.NextDouble();
}

/// <summary>A broken promise, with all that is needed to see it again.</summary>
public sealed class SimFailureException : Exception
{
    internal SimFailureException(string what, SimRun run, TimeSpan at)
        : base($"{what} (at {at.TotalSeconds:F3} s){Environment.NewLine}  rerun: {run.RerunLine}")
    {
    }
}

/// <summary>One run: everything else follows from these.</summary>
/// <param name="Scenario">Its name in <see cref="Scenarios"/>.</param>
/// <param name="Seed">Where all randomness starts.</param>
/// <param name="Nodes">How many nodes.</param>
public sealed record SimRun(string Scenario, ulong Seed, int Nodes)
{
    /// <summary>The line that runs it again.</summary>
    public string RerunLine => string.Create(CultureInfo.InvariantCulture, $"./dev sim --seed 0x{Seed:x} --scenario {Scenario} --nodes {Nodes}");
}

/// <summary>What a run measured.</summary>
public sealed record SimReport
{
    /// <summary>The run.</summary>
    public required SimRun Run { get; init; }

    /// <summary>How long the simulated swarm lived.</summary>
    public required TimeSpan Simulated { get; init; }

    /// <summary>Messages sent.</summary>
    public required long Messages { get; init; }

    /// <summary>Bytes sent.</summary>
    public required long Bytes { get; init; }

    /// <summary>Entries that were acknowledged.</summary>
    public required int Entries { get; init; }

    /// <summary>The slowest agreement on an entry that the scenario measured, in rounds; NaN when it measured none.</summary>
    public required double AgreementRounds { get; init; }

    /// <summary>What every node sent at rest, in bytes a second; NaN when not measured.</summary>
    public required double RestBytesPerSecond { get; init; }

    /// <summary>A fingerprint of the whole run: equal for equal seeds.</summary>
    public required ulong Trace { get; init; }

    /// <summary>Pace of gossip in the run.</summary>
    public required GossipOptions Options { get; init; }
}
