using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Http;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Daemon.Tunnels;

namespace PeoplesCloud.Daemon.Web;

/// <summary>
/// Where browsers on this machine reach web programs, wherever those run: a Kestrel of its own on 127.0.0.1 that answers to no other name than
/// PROGRAM.SWARM.localhost (docs/protocols/tunnel.md). It shares nothing with the local API, and has no page and no cookie of its own.
/// </summary>
internal sealed class WebPort : IAsyncDisposable
{
    private readonly HttpServer _server;
    private readonly WebForwarder _forwarder;
    private readonly SwarmRegistry _swarms;
    private readonly ILogger _logger;
    private readonly int _port;

    private WebPort(Socket socket, SwarmRegistry swarms, TunnelDialer tunnels, ILoggerFactory loggers)
    {
        _swarms = swarms;
        _logger = loggers.CreateLogger("Web");
        _forwarder = new WebForwarder(tunnels);
        _port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        _server = new HttpServer(
            HttpServer.Sockets(loggers, _ => socket),
            options =>
            {
                options.AllowSynchronousIO = false;
                options.Limits.MaxConcurrentConnections = WebLimits.MaxConnections;
                options.Limits.MaxConcurrentUpgradedConnections = WebLimits.MaxConnections;
                // What a program takes, and how slowly, is its own business.
                options.Limits.MaxRequestBodySize = null;
                options.Limits.MinRequestBodyDataRate = null;
                options.Limits.MinResponseDataRate = null;
                options.Listen(IPAddress.Loopback, _port, listen => listen.Protocols = HttpProtocols.Http1);
            },
            app => app.Run(AnswerAsync),
            loggers);
    }

    /// <summary>Starts; null, with a line in the log, when no port is configured and none is free.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.WebPortTaken"/>: the configured one is not.</exception>
    public static async Task<WebPort?> StartAsync(WebConfig config, SwarmRegistry swarms, TunnelDialer tunnels, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (Bind(config) is not { } socket)
        {
            TunnelLog.NoWeb(loggers.CreateLogger("Web"), $"port {WebConfig.DefaultPort} and the {WebConfig.PortsTried} after it are taken");
            return null;
        }
        var port = new WebPort(socket, swarms, tunnels, loggers);
        await port._server.StartAsync(cancellationToken);
        return port;
    }

    /// <summary>Where a browser finds a program; null when its name cannot be in an address.</summary>
    public string? UrlOf(string swarm, string program) =>
        WebHostName.Of(swarm) is { } inSwarm && WebHostName.Of(program) is { } name ? string.Create(CultureInfo.InvariantCulture, $"http://{name}.{inSwarm}.localhost:{_port}") : null;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _forwarder.Dispose();
    }

    private static Socket? Bind(WebConfig config)
    {
        if (config.Port is { } wanted)
            return TryBind(wanted) ?? throw new PcException(ErrorCode.WebPortTaken, $"web programs cannot be served on port {wanted}: it is used by another program, or needs root");
        for (var port = WebConfig.DefaultPort; port <= WebConfig.DefaultPort + WebConfig.PortsTried; port++)
            if (TryBind(port) is { } socket) return socket;
        return null;
    }

    private static Socket? TryBind(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen();
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var program = "The program";
        try
        {
            // 1. For us at all? Nothing else is looked at before.
            var header = context.Request.Headers.Host;
            if (header.Count != 1 || WebHostName.Parse(header[0], _port) is not { } labels)
            {
                var where = $"http://PROGRAM.SWARM.localhost:{_port}";
                await new WebPage(StatusCodes.Status421MisdirectedRequest, "Which program?", $"web programs are at {where} and at no other name", $"Open {where} with the names of the program and its swarm; pc list shows both.").WriteAsync(context);
                return;
            }
            if (WebGuard.Refusal(context.Request, $"http://{labels}.localhost:{_port}") is { } why)
            {
                await new WebPage(StatusCodes.Status403Forbidden, "Not from another site", why, "Type the address of the program into the address bar.").WriteAsync(context);
                return;
            }
            // 2. Which program.
            if (WebHostName.Find(_swarms, labels) is not { } target)
            {
                await new WebPage(StatusCodes.Status404NotFound, "No program of this name", "this node's swarms have no program of this name", "See what pc list shows; it may have been stopped, or its name is written differently.").WriteAsync(context);
                return;
            }
            program = target.Program;
            await _forwarder.ForwardAsync(context, target.Swarm, target.Program);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The browser went away; nobody reads an answer.
        }
        catch (Exception e)
        {
            // Half an answer must not look like all of it.
            if (context.Response.HasStarted)
            {
                context.Abort();
                return;
            }
            await PageOf(e, program).WriteAsync(context);
        }
    }

    private WebPage PageOf(Exception e, string program)
    {
        if (e is WebAnswerException) return new WebPage(StatusCodes.Status502BadGateway, $"{program} did not answer", e.Message, "Try again; pc logs shows what the program says.");
        var error = Errors.Explain(e, "a request to a web program", _logger);
        return error.Code == ErrorCode.ProgramNotReached
            ? new WebPage(StatusCodes.Status503ServiceUnavailable, $"{program} is not there right now", error.Message, "It may be starting, or moving to another computer.")
            {
                Code = CodeOf(error), Again = WebLimits.PageAgain,
            }
            : new WebPage(Errors.StatusOf(error.ExitCode), "This did not work", error.Message, error.Hint) { Code = CodeOf(error) };

        static string CodeOf(PcException error) => string.Create(CultureInfo.InvariantCulture, $"PC{(int)error.Code}");
    }
}
