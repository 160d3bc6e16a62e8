using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Programs.Hosting;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>The routes of the mesh about programs that run here (docs/protocols/mesh-api.md).</summary>
internal sealed class RunningMeshEndpoints(ProgramHost programs)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/restart", RestartAsync).Requires(MeshRight.Controller);
    }

    private static MeshCaller Caller(HttpContext context) => context.Features.Get<MeshCaller>()!;

    // What is restarted is what the feeds ask for: the caller has brought the entry.
    private Task RestartAsync(HttpContext context) => programs.RestartAsync(Caller(context).Swarm!.State, Caller(context).Program!.Id).WaitAsync(context.RequestAborted);
}
