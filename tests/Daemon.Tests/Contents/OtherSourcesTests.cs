using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Content;

namespace PeoplesCloud.Daemon.Tests.Contents;

public sealed class OtherSourcesTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_members_lack_comes_from_a_gateway_and_what_that_lacks_from_Kubo()
    {
        // oak is in no swarm with elm: elm knows it as a gateway only. It shows one of the two files.
        await using var oak = await TestNode.StartAsync("oak", configure: config => config with { Gateway = new() { Listen = new IPEndPoint(IPAddress.Loopback, 0) } });
        var (open, closed) = (await AddAsync(oak, "open", isPublic: true), await AddAsync(oak, "closed", isPublic: false));
        await using var kubo = await FakeServer.StartAsync(context => KuboAsync(context, oak.Home));
        await using var elm = await TestNode.StartAsync("elm", configure: config => config with
        {
            Content = new() { Gateways = [new Uri(oak.Node.Gateway!)], IpfsApi = kubo.Address },
        });

        Assert.Equal("open", await CatAsync(elm, open));
        Assert.Empty(kubo.Asked);
        Assert.Equal("closed", await CatAsync(elm, closed));
        Assert.Equal([$"POST /api/v0/block/get?arg={closed}"], kubo.Asked);
        Assert.Equal("closed", await CatAsync(elm, closed)); // it is here now
        Assert.Single(kubo.Asked);
    }

    [Fact]
    public async Task Servers_that_lie_never_end_send_elsewhere_or_fail_cost_only_their_turn()
    {
        await using var oak = await TestNode.StartAsync("oak");
        var cid = await AddAsync(oak, "the truth", isPublic: false);
        await using var elsewhere = await FakeServer.StartAsync(context => GatewayAsync(context, oak.Home));
        await using var liar = await FakeServer.StartAsync(context => context.Response.WriteAsync("not the truth", Stop));
        await using var endless = await FakeServer.StartAsync(async context =>
        {
            while (!context.RequestAborted.IsCancellationRequested) await context.Response.Body.WriteAsync(new byte[64 << 10], context.RequestAborted);
        });
        await using var large = await FakeServer.StartAsync(context =>
        {
            context.Response.ContentLength = 1L << 40;
            return context.Response.StartAsync(Stop);
        });
        await using var redirecting = await FakeServer.StartAsync(context =>
        {
            context.Response.Redirect($"{elsewhere.Address}ipfs/{cid}?format=raw");
            return Task.CompletedTask;
        });
        await using var busy = await FakeServer.StartAsync(context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        await using var honest = await FakeServer.StartAsync(context => GatewayAsync(context, oak.Home));
        await using var elm = await TestNode.StartAsync("elm", configure: config => config with
        {
            Content = new() { Gateways = [liar.Address, endless.Address, large.Address, redirecting.Address, busy.Address, new Uri("http://127.0.0.1:1/"), honest.Address] },
        });

        Assert.Equal("the truth", await CatAsync(elm, cid));
        foreach (var asked in (FakeServer[])[liar, endless, large, redirecting, busy, honest]) Assert.Single(asked.Asked);
        Assert.Empty(elsewhere.Asked);

        // Who was busy is left alone for a while; who had nothing is asked again.
        Assert.Equal("more truth", await CatAsync(elm, await AddAsync(oak, "more truth", isPublic: false)));
        Assert.Single(busy.Asked);
        Assert.Equal(2, liar.Asked.Count);
    }

    private static async Task KuboAsync(HttpContext context, string home)
    {
        // Kubo answers POST only, and an error of its own as 500 with JSON.
        if (context.Request.Method != "POST" || context.Request.Path != "/api/v0/block/get") context.Response.StatusCode = 405;
        else await BlockAsync(context, home, context.Request.Query["arg"].ToString(), 500);
    }

    private static Task GatewayAsync(HttpContext context, string home) => BlockAsync(context, home, context.Request.Path.Value!.Split('/')[^1], 404);

    private static async Task BlockAsync(HttpContext context, string home, string text, int otherwise)
    {
        var digest = Convert.ToHexStringLower(Cid.Parse(text).Digest);
        var file = Path.Combine(home, "blocks", digest[..1], digest);
        if (File.Exists(file)) await context.Response.Body.WriteAsync(await File.ReadAllBytesAsync(file, Stop), Stop);
        else context.Response.StatusCode = otherwise;
    }

    private static async Task<string> AddAsync(TestNode node, string text, bool isPublic)
    {
        var path = Path.Combine(node.Home, "to-add");
        await File.WriteAllTextAsync(path, text, Stop);
        return (await node.AddAsync(path, isPublic: isPublic)).Single().Cid;
    }

    private static async Task<string> CatAsync(TestNode node, string cid)
    {
        using var response = await node.Client.SendAsync(HttpMethod.Get, $"/v1/cat/{cid}");
        return await response.Content.ReadAsStringAsync(Stop);
    }

    /// <summary>An HTTP server on a free port that notes what it is asked.</summary>
    private sealed class FakeServer : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private FakeServer(WebApplication app) => _app = app;

        public Uri Address { get; private set; } = null!;

        public ConcurrentQueue<string> Asked { get; } = [];

        public static async Task<FakeServer> StartAsync(RequestDelegate answer)
        {
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore();
            builder.WebHost.ConfigureKestrel(options => options.Listen(IPAddress.Loopback, 0));
            var server = new FakeServer(builder.Build());
            server._app.Run(context =>
            {
                server.Asked.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
                return answer(context);
            });
            await server._app.StartAsync(Stop);
            server.Address = new Uri(server._app.Urls.First());
            return server;
        }

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
