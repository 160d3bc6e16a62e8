using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Http;

namespace PeoplesCloud.Daemon.Local;

/// <summary>
/// The local API's own pipeline: a Kestrel of its own on the home's Unix socket, which only this node's user may open (0600).
/// It shares no route with the mesh.
/// </summary>
internal static class LocalPipeline
{
    private const int MaxConnections = 256;

    /// <summary>Builds it; it serves once it is started.</summary>
    public static HttpServer Build(string socketPath, Action<IEndpointRouteBuilder> map, ILoggerFactory loggers)
    {
        var logger = loggers.CreateLogger("Local");
        var server = new HttpServer(
            HttpServer.Sockets(loggers, Listen),
            options =>
            {
                options.Limits.MaxConcurrentConnections = MaxConnections;
                options.Limits.MinResponseDataRate = null; // a pager in front of pc logs reads when the person does
                options.ListenUnixSocket(socketPath, listen => listen.Protocols = HttpProtocols.Http1);
            },
            app =>
            {
                app.Use(next => context => Errors.HandleAsync(context, next, logger));
                app.UseRouting();
                app.Use(next => context => context.GetEndpoint()?.Metadata.GetMetadata<LocalRightMetadata>() is null
                    ? throw new PcException(ErrorCode.UnknownRoute, $"the local API has no {context.Request.Method} {context.Request.Path}")
                    : next(context));
                app.UseEndpoints(map);
            },
            loggers);
        foreach (var endpoint in server.Endpoints)
            Invariant.Check(endpoint.Metadata.GetMetadata<LocalRightMetadata>() is not null, $"the endpoint {endpoint.DisplayName} declares its right");
        return server;
    }

    // The socket is made by us, so that nobody else may open it in any moment of its life. Kestrel's own way leaves it to the umask.
    private static Socket Listen(System.Net.EndPoint endPoint)
    {
        var path = endPoint.ToString()!;
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var temporary = path + ".new";
        File.Delete(temporary);
        socket.Bind(new UnixDomainSocketEndPoint(temporary));
        File.SetUnixFileMode(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.Move(temporary, path, overwrite: true); // nobody knows it by its name before it has its mode
        return socket;
    }
}

/// <summary>Who may call an endpoint of the local API: the user to whom the socket belongs. An endpoint without it is refused at start.</summary>
internal sealed record LocalRightMetadata
{
    /// <summary>The only one there is.</summary>
    public static LocalRightMetadata User { get; } = new();
}
