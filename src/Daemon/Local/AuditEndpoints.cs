using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The feeds of a swarm as they lie on this node's disk, for <c>pc audit</c>, which reads and verifies them itself.</summary>
internal sealed class AuditEndpoints(SwarmRegistry swarms)
{
    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes) => routes.MapMethods("/v1/swarms/{swarm}/audit", ["GET"], async context =>
    {
        var swarm = swarms.Require(context.Request.RouteValues["swarm"] as string ?? "");
        var copy = new AuditCopy(swarm.Id, [.. swarms.Held(swarm.Id).Select(entry => entry.Bytes)]);
        await Bodies.WriteBytesAsync(context.Response, copy.Encode(), context.RequestAborted);
    }).WithMetadata(LocalRightMetadata.User);
}
