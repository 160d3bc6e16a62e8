using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The routes of the local API about what this host's owner allows.</summary>
internal sealed class HostEndpoints(HostService host)
{
    private const int MaxRequestBytes = 16 << 10;

    private static HostApiJson Json => HostApiJson.Default;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        Add(routes, "GET", "/v1/host", async context => await Bodies.WriteJsonAsync(context.Response, await host.ShowAsync(context.RequestAborted), Json.HostReply, context.RequestAborted));
        Add(routes, "POST", "/v1/host", async context => await ReplyAsync(context, await host.SetAsync(await Bodies.ReadJsonAsync(context.Request, Json.HostSetRequest, MaxRequestBytes, context.RequestAborted), context.RequestAborted)));
        Add(routes, "POST", "/v1/host/pause", async context => await ReplyAsync(context, await host.PauseAsync(await Bodies.ReadJsonAsync(context.Request, Json.PauseRequest, MaxRequestBytes, context.RequestAborted), context.RequestAborted)));
        Add(routes, "POST", "/v1/host/resume", async context => await ReplyAsync(context, await host.ResumeAsync(context.RequestAborted)));
    }

    private static Task ReplyAsync(HttpContext context, PolicyReply reply) => Bodies.WriteJsonAsync(context.Response, reply, Json.PolicyReply, context.RequestAborted);

    private static void Add(IEndpointRouteBuilder routes, string method, string path, RequestDelegate run) =>
        routes.MapMethods(path, [method], run).WithMetadata(LocalRightMetadata.User);
}
