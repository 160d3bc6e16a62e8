using Microsoft.AspNetCore.Builder;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>Who may call an endpoint of the mesh. An endpoint without one is refused at start, and to everybody.</summary>
internal enum MeshRight
{
    /// <summary>Anybody with the address; the endpoint itself demands a ticket's secret.</summary>
    Stranger,

    /// <summary>An active member of the route's {swarm}, for the exchange by which this node learns who is one: answered after a sleep too.</summary>
    Gossiper,

    /// <summary>An active member of the route's {swarm}.</summary>
    Member,

    /// <summary>An active member of {swarm} that may deploy and host.</summary>
    Deployer,

    /// <summary>The owner of {program} in {swarm}, who may still deploy there.</summary>
    Owner,

    /// <summary>The owner of {program} in {swarm}, or an admin.</summary>
    Controller,

    /// <summary>Whoever holds a key of {program} and may still deploy and host: its owner, its host, its guardians.</summary>
    Keeper,

    /// <summary>Whoever may read the data of {program}: a <see cref="Keeper"/>, and a <see cref="Controller"/>, who may run commands beside it anyway.</summary>
    DataReader,

    /// <summary>Whoever may read the block {cid}: see <see cref="Storage.ContentAccess"/>.</summary>
    Reader,
}

/// <summary>The right of an endpoint, as routing metadata.</summary>
internal sealed record MeshRightMetadata(MeshRight Right);

/// <summary>Who calls, as the authorization filter proved it. A feature of the request.</summary>
/// <param name="Peer">Proven by the connection's handshake.</param>
/// <param name="Swarm">The route's swarm; null when the route names none.</param>
/// <param name="Program">The route's program; null when the route names none.</param>
/// <param name="ReadableIn">For a block: a swarm in which the peer may read it.</param>
internal sealed record MeshCaller(PeerId Peer, Swarms.LocalSwarm? Swarm, SwarmProgram? Program, SwarmId? ReadableIn);

/// <summary>Declares rights.</summary>
internal static class MeshRightExtensions
{
    /// <summary>Declares who may call an endpoint.</summary>
    public static IEndpointConventionBuilder Requires(this IEndpointConventionBuilder endpoint, MeshRight right) => endpoint.WithMetadata(new MeshRightMetadata(right));
}
