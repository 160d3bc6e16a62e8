using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace PeoplesCloud.Daemon.Http;

/// <summary>
/// A Kestrel of its own with a pipeline of its own, as WebApplication makes them, without the generic host around them: an idle daemon would keep
/// that in memory for nothing, with its configuration, its files and its ways to stop.
/// </summary>
internal sealed class HttpServer : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly KestrelServer _server;
    private readonly Application _application;

    /// <summary>Makes it; it serves once it is started.</summary>
    /// <param name="transport">Where connections come from.</param>
    /// <param name="configure">Limits, and where it listens.</param>
    /// <param name="pipeline">What requests go through.</param>
    /// <param name="loggers">For the server's own warnings.</param>
    public HttpServer(IConnectionListenerFactory transport, Action<KestrelServerOptions> configure, Action<IApplicationBuilder> pipeline, ILoggerFactory loggers)
    {
        var services = new ServiceCollection();
        services.AddSingleton(loggers);
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddRoutingCore();
        services.AddSingleton(_ => new DiagnosticListener("PeoplesCloud.Http")); // routing asks for both
        services.AddSingleton<IMeterFactory, Meters>();
        _services = services.BuildServiceProvider();
        var app = new ApplicationBuilder(_services);
        pipeline(app);
        _application = new Application(app.Build());
        var options = new KestrelServerOptions { ApplicationServices = _services, AddServerHeader = false };
        configure(options);
        _server = new KestrelServer(Options.Create(options), transport, loggers);
    }

    /// <summary>The endpoints that the pipeline maps.</summary>
    public IReadOnlyList<Endpoint> Endpoints => _services.GetRequiredService<EndpointDataSource>().Endpoints;

    /// <summary>Where it listens; known once it is started.</summary>
    public string Address => _server.Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>Connections that come to sockets.</summary>
    public static IConnectionListenerFactory Sockets(ILoggerFactory loggers, Func<System.Net.EndPoint, System.Net.Sockets.Socket>? listen = null)
    {
        var options = new SocketTransportOptions();
        if (listen is not null) options.CreateBoundListenSocket = listen;
        return new SocketTransportFactory(Options.Create(options), loggers);
    }

    /// <summary>Begins to serve.</summary>
    public Task StartAsync(CancellationToken cancellationToken) => _server.StartAsync(_application, cancellationToken);

    /// <summary>Takes no more requests and waits for those that are under way, until it is cancelled: then they are cut off.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _server.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync(new CancellationToken(canceled: true));
        _server.Dispose();
        await _services.DisposeAsync();
    }

    private sealed class Application(RequestDelegate run) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => run(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }

    // Nobody reads them.
    private sealed class Meters : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options);

        public void Dispose()
        {
        }
    }
}
