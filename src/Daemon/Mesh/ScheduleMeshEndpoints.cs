using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Schedules;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>The routes of the mesh about times of scheduled programs (docs/protocols/schedules.md).</summary>
internal sealed class ScheduleMeshEndpoints(ScheduleService schedules)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/claim", ClaimAsync).Requires(MeshRight.Keeper);
        routes.MapPost("/mesh/v1/swarms/{swarm}/programs/{program}/times", TimesAsync).Requires(MeshRight.Controller);
    }

    private static MeshCaller Caller(HttpContext context) => context.Features.Get<MeshCaller>()!;

    private async Task ClaimAsync(HttpContext context)
    {
        var (peer, swarm, program) = (Caller(context).Peer, Caller(context).Swarm!, Caller(context).Program!);
        var body = await Bodies.ReadAsync(context.Request, ScheduleClaim.MaxBytes, context.RequestAborted);
        if (!ScheduleClaim.TryDecode(body, out var claim) || claim.Program != program.Id) throw new PcException(ErrorCode.BadRequest, "the claim could not be read");
        await Bodies.WriteBytesAsync(context.Response, schedules.Judge(swarm, peer, claim).Encode(), context.RequestAborted);
    }

    private async Task TimesAsync(HttpContext context)
    {
        var (swarm, program) = (Caller(context).Swarm!, Caller(context).Program!);
        await Bodies.WriteBytesAsync(context.Response, schedules.RecordOf(program.Id).Encode(swarm.Id, program.Id), context.RequestAborted);
    }
}
