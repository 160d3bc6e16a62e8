namespace PeoplesCloud.Libp2p;

/// <summary>What a host is started with.</summary>
public sealed record Libp2pOptions
{
    /// <summary>Every limit. Default: <see cref="Libp2pLimits.Default"/>.</summary>
    public Libp2pLimits Limits { get; init; } = Libp2pLimits.Default;

    /// <summary>The program's name in identify, at most 128 characters; strangers read it, so it names no swarm and no person.</summary>
    public string AgentVersion { get; init; } = $"peoples-cloud/{typeof(Libp2pOptions).Assembly.GetName().Version?.ToString(3)}";
}
