using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Placing;

/// <summary>What an owner asks members before it chooses a host.</summary>
/// <param name="Swarm">The swarm.</param>
/// <param name="Language">The language's name.</param>
/// <param name="Limits">What the program may use.</param>
public sealed record ProgramAsk(SwarmId Swarm, string Language, ProgramLimits Limits)
{
    /// <summary>What it asks for besides.</summary>
    public ProgramManifest Manifest { get; init; } = ProgramManifest.Empty;

    /// <summary>Its name: an older program of that name and owner ends before it starts. Null when it is not known.</summary>
    public string? Name { get; init; }
}

/// <summary>A member's answer.</summary>
/// <param name="Hosts">Whether it runs other members' programs at all.</param>
/// <param name="Languages">The languages that it can run.</param>
/// <param name="Rank">How busy it is, see <see cref="HostRank"/>; lower is better.</param>
/// <param name="Refusal">Why its policy refuses this program; null when it does not.</param>
public sealed record HostOffer(bool Hosts, IReadOnlyList<string> Languages, double Rank, string? Refusal)
{
    /// <summary>The newest way of sealing a bundle's key that it opens; members of earlier versions do not say it and know the first only.</summary>
    public int Seals { get; init; } = 1;

    /// <summary>Whether it starts programs by a schedule. One of an earlier version would run them all the time.</summary>
    public bool Schedules { get; init; }
}
