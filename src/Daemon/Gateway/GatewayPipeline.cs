using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Gateway;

/// <summary>
/// The world's own pipeline: a Kestrel of its own with one route, over a store that holds nothing but public content. It shares
/// nothing with the mesh and the local API; a page in a browser may read it from anywhere, as there is nothing to gain by it.
/// </summary>
internal static class GatewayPipeline
{
    /// <summary>Builds it; it serves once it is started.</summary>
    public static HttpServer Build(IPEndPoint listen, IBlockStore readable, ILoggerFactory loggers)
    {
        var logger = loggers.CreateLogger("Gateway");
        return new HttpServer(
            HttpServer.Sockets(loggers),
            options =>
            {
                options.Limits.MaxConcurrentConnections = GatewayLimits.MaxConnections;
                options.Limits.MaxRequestBodySize = 0;
                options.Limits.MaxRequestHeadersTotalSize = GatewayLimits.MaxHeaderBytes;
                options.Limits.MaxRequestLineSize = GatewayLimits.MaxLineBytes;
                options.Limits.KeepAliveTimeout = GatewayLimits.KeepAlive;
                options.Limits.RequestHeadersTimeout = GatewayLimits.Headers;
                options.Listen(listen, at => at.Protocols = HttpProtocols.Http1);
            },
            app =>
            {
                app.Use(next => context => HandleAsync(context, next, logger));
                app.UseRouting();
                app.UseEndpoints(routes => routes.MapMethods("/ipfs/{cid}/{**path}", GatewayResponder.Methods, context => GatewayResponder.RespondAsync(context, readable, isPublic: true)));
            },
            loggers);
    }

    /// <summary>Starts it and says where it listens.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.GatewayPortTaken"/>.</exception>
    public static async Task<string> StartAsync(HttpServer server, IPEndPoint listen, CancellationToken cancellationToken)
    {
        try
        {
            await server.StartAsync(cancellationToken);
            return server.Address;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new PcException(ErrorCode.GatewayPortTaken, $"the gateway cannot listen on {listen}: {e.Message}", inner: e);
        }
    }

    private static async Task HandleAsync(HttpContext context, RequestDelegate next, ILogger logger)
    {
        context.Response.Headers.AccessControlAllowOrigin = "*";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            await next(context);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The caller went away; nobody reads an answer.
        }
        catch (Exception e) when (e is not Microsoft.AspNetCore.Http.BadHttpRequestException)
        {
            DaemonLog.RequestFailed(logger, "a request to the gateway", e);
            if (context.Response.HasStarted) context.Abort();
            else await GatewayResponder.RefuseAsync(context, StatusCodes.Status500InternalServerError, "the gateway failed");
        }
    }
}
