using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>The routes of the local API about secret environment variables. No route answers a value.</summary>
internal sealed class SecretEndpoints(SecretService secrets)
{
    private const int MaxRequestBytes = 64 << 10;
    private const string Path = "/v1/swarms/{swarm}/secrets/{program}";

    private static SecretApiJson Json => SecretApiJson.Default;

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        Add(routes, "GET", Path, context => ReplyAsync(context, secrets.List(Value(context, "swarm"), Value(context, "program"))));
        Add(routes, "POST", Path, async context =>
        {
            var request = await Bodies.ReadJsonAsync(context.Request, Json.SetSecretsRequest, MaxRequestBytes, context.RequestAborted);
            await ReplyAsync(context, await secrets.SetAsync(Value(context, "swarm"), Value(context, "program"), request.Values, context.RequestAborted));
        });
        Add(routes, "DELETE", Path + "/{name}", async context =>
            await ReplyAsync(context, await secrets.RemoveAsync(Value(context, "swarm"), Value(context, "program"), Value(context, "name"), context.RequestAborted)));
    }

    private static Task ReplyAsync(HttpContext context, SecretNamesReply reply) => Bodies.WriteJsonAsync(context.Response, reply, Json.SecretNamesReply, context.RequestAborted);

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";

    private static void Add(IEndpointRouteBuilder routes, string method, string path, RequestDelegate run) =>
        routes.MapMethods(path, [method], run).WithMetadata(LocalRightMetadata.User);
}
