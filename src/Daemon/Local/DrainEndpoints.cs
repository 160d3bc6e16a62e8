using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Programs.Hosting;

namespace PeoplesCloud.Daemon.Local;

/// <summary>What pc drain does: gives this node's programs to others and takes none, until that is ended or the daemon starts again.</summary>
internal sealed class DrainEndpoints(LeaseService leases, ProgramHost host, Action say)
{
    /// <summary>What an owner that asks for a host is told.</summary>
    private const string Refusal = "is drained: it takes no programs now";

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/drain", DrainAsync).WithMetadata(LocalRightMetadata.User);

    private async Task DrainAsync(HttpContext context)
    {
        var request = await Bodies.ReadJsonAsync(context.Request, LocalApiJson.Default.DrainRequest, 1 << 10, context.RequestAborted);
        host.TakesNone = request.End ? null : Refusal;
        if (request.End) leases.EndDrain();
        // It goes on to its end, whoever waits for it: a program that has ended here must be given away.
        var moved = request.End ? [] : await leases.DrainAsync(all: false, "this host is drained");
        say();
        var programs = moved.Select(one => new DrainedProgram(one.Swarm.Name, one.Program.Deployed.Name, one.To is { } to ? one.Swarm.State.Members.TryGetValue(to, out var member) ? member.Name : to.ToString() : null));
        await Bodies.WriteJsonAsync(context.Response, new DrainReply(leases.IsDraining, [.. programs]), LocalApiJson.Default.DrainReply, context.RequestAborted);
    }
}
