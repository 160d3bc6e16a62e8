using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Favours;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>What pc favours asks.</summary>
internal sealed class FavourEndpoints(FavourService favours)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes) => routes.MapGet("/v1/swarms/{swarm}/favours", FavoursAsync).WithMetadata(LocalRightMetadata.User);

    private Task FavoursAsync(HttpContext context) =>
        Bodies.WriteJsonAsync(context.Response, favours.Favours((string)context.Request.RouteValues["swarm"]!), FavoursApiJson.Default.FavoursReply, context.RequestAborted);
}
