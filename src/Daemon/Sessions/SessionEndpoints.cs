using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Local;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>What pc sessions asks (docs/protocols/local-api.md).</summary>
/// <param name="node">This node as one that answers requests; null when sessions are off.</param>
/// <param name="config">The table [sessions].</param>
/// <param name="redis">The Redis that carries messages; null when a swarm does.</param>
/// <param name="logs">Logs of sessions here and elsewhere; null when sessions are off.</param>
internal sealed class SessionEndpoints(SessionNode? node, SessionsConfig config, RedisService? redis, SessionLogs? logs)
{
    // A script of the largest kind, each of its bytes escaped.
    private const int MaxRequestBytes = 8 << 20;

    private static SessionsApiJson Json => SessionsApiJson.Default;

    private SessionNode Node => node ?? throw new PcException(ErrorCode.SessionsOff, "this node answers no requests for sessions");

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1/sessions", ["GET"], ListAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/sessions", ["POST"], CreateAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/sessions/node", ["GET"], NodeAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/sessions/{session}/log", ["GET"], LogAsync).WithMetadata(LocalRightMetadata.User);
        routes.MapMethods("/v1/sessions/{session}/remove", ["POST"], RemoveAsync).WithMetadata(LocalRightMetadata.User);
    }

    private Task ListAsync(HttpContext context) => Bodies.WriteJsonAsync(context.Response, Node.List(), Json.SessionsReply, context.RequestAborted);

    private Task NodeAsync(HttpContext context)
    {
        var connected = redis is null || redis.IsConnected;
        var reply = new SessionNodeReply(Node.Cloud, config.Redis?.ToString() ?? $"swarm {config.Swarm}", connected, connected ? null : redis!.Client.Problem, config.Group, Node.Count, Node.Refusal?.Message);
        return Bodies.WriteJsonAsync(context.Response, reply, Json.SessionNodeReply, context.RequestAborted);
    }

    private async Task CreateAsync(HttpContext context)
    {
        var request = await Bodies.ReadJsonAsync(context.Request, Json.SessionCreateRequest, MaxRequestBytes, context.RequestAborted);
        await Bodies.WriteJsonAsync(context.Response, await Node.CreateAsync(request, context.RequestAborted), Json.SessionCreatedReply, context.RequestAborted);
    }

    private async Task LogAsync(HttpContext context)
    {
        var log = logs is null ? Node.Log(SessionOf(context)) : await logs.ReadAsync(SessionOf(context), context.RequestAborted);
        await Bodies.WriteBytesAsync(context.Response, log, context.RequestAborted);
    }

    private async Task RemoveAsync(HttpContext context) =>
        await Bodies.WriteJsonAsync(context.Response, await Node.RemoveAsync(SessionOf(context), context.RequestAborted), Json.SessionRemovedReply, context.RequestAborted);

    private static string SessionOf(HttpContext context) => context.Request.RouteValues["session"] as string ?? "";
}
