using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Sessions;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>The route of the mesh about sessions that run here (docs/protocols/mesh-api.md): for members of the swarm that carries their messages.</summary>
/// <param name="node">This node as one that answers requests; null when sessions are off.</param>
/// <param name="channels">The swarm that carries messages; null when none does.</param>
internal sealed class SessionMeshEndpoints(Func<SessionNode?> node, Func<ChannelService?> channels)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/mesh/v1/swarms/{swarm}/sessions/{session}/log", LogAsync).Requires(MeshRight.Deployer);

    // Who may publish in the swarm may start and end its sessions: what they write is theirs to read. Sessions of a Redis are no swarm's.
    private async Task LogAsync(HttpContext context)
    {
        var swarm = context.Features.Get<MeshCaller>()!.Swarm!;
        var session = context.Request.RouteValues["session"] as string ?? "";
        if (node() is not { } here || channels()?.Carrier?.Id != swarm.Id) throw new PcException(ErrorCode.SessionNotFound, "this node runs no sessions for that swarm");
        await Bodies.WriteBytesAsync(context.Response, here.Log(session), context.RequestAborted);
    }
}
