using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The routes of the local API about running programs (docs/protocols/local-api.md).</summary>
internal sealed class RunningEndpoints(RunningService running)
{
    private static RunningApiJson Json => RunningApiJson.Default;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1/swarms/{swarm}/programs/{program}/restart", ["POST"], RestartAsync).WithMetadata(LocalRightMetadata.User);
    }

    private async Task RestartAsync(HttpContext context)
    {
        var reply = await running.RestartAsync(Value(context, "swarm"), Value(context, "program"), context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, reply, Json.RestartReply, context.RequestAborted);
    }

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";
}
