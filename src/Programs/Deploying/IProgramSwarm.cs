using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Deploying;

/// <summary>
/// What deploying and stopping need of one swarm. The daemon implements it over its locked replica and its presence. An append is
/// durable when its task completes, is offered to other members soon after, and throws the <see cref="Base.PcException"/> of the replica
/// when this node lacks the right.
/// </summary>
public interface IProgramSwarm
{
    /// <summary>This node.</summary>
    PeerId Self { get; }

    /// <summary>The state now.</summary>
    SwarmState State { get; }

    /// <summary>Whether a member's presence says that it is awake; true for this node.</summary>
    bool IsAwake(PeerId member);

    /// <summary>The member that runs a program now, as far as this node knows; null when nobody does.</summary>
    PeerId? HolderOf(SwarmProgram program);

    /// <summary>Appends the secrets when there are some, the entry, and a ProgramPlaced of generation 1 for it, durable together; answers the entry's hash.</summary>
    ValueTask<EntryHash> AppendDeployedAsync(ProgramDeployed deployed, PeerId host, SecretSet? secrets, CancellationToken cancellationToken);

    /// <summary>Appends an entry: ProgramPlaced or ProgramStopped.</summary>
    ValueTask AppendAsync(EntryBody body, CancellationToken cancellationToken);
}
