using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Data;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The routes of the local API about the copies of programs' data.</summary>
internal sealed class DataCopyEndpoints(DaemonNode node, DataService data)
{
    private const int MaxRequestBytes = 64 << 10;
    private const string Path = "/v1/swarms/{swarm}/programs/{program}/data";

    private static DataApiJson Json => DataApiJson.Default;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods(Path, ["GET"], ListAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods(Path + "/get", ["POST"], GetAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods(Path + "/drop", ["POST"], DropAsync).WithMetadata(LocalRightMetadata.User);
    }

    private async Task ListAsync(HttpContext context) =>
        await Bodies.WriteJsonAsync(context.Response, await data.ListAsync(Value(context, "swarm"), Value(context, "program"), context.RequestAborted), Json.DataReply, context.RequestAborted);

    private async Task GetAsync(HttpContext context)
    {
        var request = await Bodies.ReadJsonAsync(context.Request, Json.DataGetRequest, MaxRequestBytes, context.RequestAborted);
        if (!System.IO.Path.IsPathRooted(request.Output)) throw new PcException(ErrorCode.BadRequest, "output is no absolute path");
        await LocalEndpoints.StreamAsync(node, context, Json.EventDataGetReply, async (write, cancellationToken) =>
        {
            var progress = new ProgressEvents<DataGetReply>(write);
            var reply = await data.GetAsync(Value(context, "swarm"), Value(context, "program"), request, progress, cancellationToken);
            await progress.WrittenAsync();
            await write(new Event<DataGetReply>("result", Result: reply));
        });
    }

    private async Task DropAsync(HttpContext context)
    {
        var request = await Bodies.ReadJsonAsync(context.Request, Json.DataDropRequest, MaxRequestBytes, context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, await data.DropAsync(Value(context, "swarm"), Value(context, "program"), request, context.RequestAborted), Json.DataDropReply, context.RequestAborted);
    }

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";
}
