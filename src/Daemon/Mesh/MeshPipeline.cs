using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Mesh;

/// <summary>
/// The mesh's own pipeline: a Kestrel of its own over the host's streams. Errors become answers, then the one authorization
/// filter, then the endpoints. It shares no route with the local API.
/// </summary>
internal static class MeshPipeline
{
    /// <summary>Requests at once; each is bounded by its endpoint, so this bounds them together.</summary>
    private const int MaxConnections = 4096;

    /// <summary>Builds it; it serves once it is started.</summary>
    public static HttpServer Build(Libp2pHost host, MeshAuthorization authorization, Action<IEndpointRouteBuilder> map, ILoggerFactory loggers)
    {
        var versions = MeshVersions.Ours;
        var logger = loggers.CreateLogger("Mesh");
        var server = new HttpServer(
            MeshHttp.CreateTransport(host),
            options =>
            {
                options.Limits.MaxConcurrentConnections = MaxConnections;
                options.Limits.MaxRequestBodySize = EntryList.MaxBytes;
                options.Limits.MaxRequestHeadersTotalSize = 8 << 10;
                options.Limits.MaxRequestLineSize = 2 << 10;
                options.ListenOn(host);
            },
            app =>
            {
                app.Use(next => context => Errors.HandleAsync(context, next, logger));
                app.Use(next => context => InVersion(context, next, versions));
                app.UseRouting();
                app.Use(next => context => authorization.HandleAsync(context, next));
                app.UseEndpoints(map);
            },
            loggers);
        MeshAuthorization.Check(server.Endpoints);
        return server;
    }

    // Every answer says which versions are spoken here, refusals too: that is all that a node of another version can know before it asks.
    private static Task InVersion(HttpContext context, RequestDelegate next, MeshVersions versions)
    {
        context.Response.OnStarting(() =>
        {
            context.Response.Headers[MeshVersions.Header] = versions.ToString();
            return Task.CompletedTask;
        });
        return MeshVersions.Of(context.Request.Path.Value ?? "") is { } asked && !versions.Contains(asked)
            ? throw versions.Mismatch("the caller", string.Create(CultureInfo.InvariantCulture, $"version {asked}"))
            : next(context);
    }
}
