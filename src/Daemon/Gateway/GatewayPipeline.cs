using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Content;

namespace PeoplesCloud.Daemon.Gateway;

/// <summary>
/// The world's own pipeline: a Kestrel of its own with one route, over a store that holds nothing but public content. It shares
/// nothing with the mesh and the local API; a page in a browser may read it from anywhere, as there is nothing to gain by it.
/// </summary>
internal static class GatewayPipeline
{
    /// <summary>Builds it; it serves once it is started.</summary>
    public static WebApplication Build(IPEndPoint listen, IBlockStore readable, ILoggerFactory loggers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxConcurrentConnections = GatewayLimits.MaxConnections;
            options.Limits.MaxRequestBodySize = 0;
            options.Limits.MaxRequestHeadersTotalSize = GatewayLimits.MaxHeaderBytes;
            options.Limits.MaxRequestLineSize = GatewayLimits.MaxLineBytes;
            options.Limits.KeepAliveTimeout = GatewayLimits.KeepAlive;
            options.Limits.RequestHeadersTimeout = GatewayLimits.Headers;
            options.Listen(listen, at => at.Protocols = HttpProtocols.Http1);
        });
        var app = builder.Build();
        var logger = loggers.CreateLogger("Gateway");
        app.Use(next => context => HandleAsync(context, next, logger));
        app.UseRouting();
        ((IEndpointRouteBuilder)app).MapMethods("/ipfs/{cid}/{**path}", GatewayResponder.Methods, context => GatewayResponder.RespondAsync(context, readable, isPublic: true));
        return app;
    }

    /// <summary>Starts it and says where it listens.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.GatewayPortTaken"/>.</exception>
    public static async Task<string> StartAsync(WebApplication app, IPEndPoint listen, CancellationToken cancellationToken)
    {
        try
        {
            await app.StartAsync(cancellationToken);
            return app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
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
