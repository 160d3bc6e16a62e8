namespace PeoplesCloud.Libp2p;

/// <summary>What a host is started with.</summary>
public sealed record Libp2pOptions
{
    /// <summary>Every limit. Default: <see cref="Libp2pLimits.Default"/>.</summary>
    public Libp2pLimits Limits { get; init; } = Libp2pLimits.Default;

    /// <summary>The security protocols that are spoken, the one to propose first in front; at least one, none twice. Default: Noise, then TLS:
    /// Noise is quicker to set up and costs less processor time here.</summary>
    public IReadOnlyList<SecurityProtocol> Security { get; init; } = [SecurityProtocol.Noise, SecurityProtocol.Tls];

    /// <summary>The program's name in identify, at most 128 characters; strangers read it, so it names no swarm and no person.</summary>
    public string AgentVersion { get; init; } = $"peoples-cloud/{typeof(Libp2pOptions).Assembly.GetName().Version?.ToString(3)}";

    /// <summary>Checks that every option is usable.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public void Validate()
    {
        Limits.Validate();
        if (Security.Count == 0 || Security.Distinct().Count() != Security.Count) throw new ArgumentException($"{nameof(Security)} must name at least one protocol, and none twice");
    }
}
