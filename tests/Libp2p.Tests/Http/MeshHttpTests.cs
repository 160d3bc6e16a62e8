using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Libp2p.Tests.Hosts;

namespace PeoplesCloud.Libp2p.Tests.Http;

public sealed class MeshHttpTests
{
    [Fact]
    public async Task Requests_of_all_kinds_are_answered_and_the_peer_is_known()
    {
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);

        Assert.Equal(elm.Self.ToString(), await client.GetStringAsync(web.Uri("/peer")));
        using var posted = await client.PostAsync(web.Uri("/upper"), new StringContent("hello"));
        Assert.Equal("HELLO", await posted.Content.ReadAsStringAsync());
        using var missing = await client.GetAsync(web.Uri("/nothing"));
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Empty(missing.Headers.Server);
    }

    [Fact]
    public async Task A_large_body_goes_both_ways()
    {
        const int size = 4 * 1024 * 1024;
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);
        var body = new byte[size];
        new Random(7).NextBytes(body);
        using var response = await client.PostAsync(web.Uri("/echo"), new ByteArrayContent(body));
        Assert.Equal(body, await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task A_response_streams_while_it_is_made()
    {
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);
        using var response = await client.GetAsync(web.Uri("/lines"), HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (var i = 0; i < 5; i++)
        {
            // Each line is asked for only after the last one came: nothing of it is buffered on the way.
            web.NextLine.Release();
            Assert.Equal($"line {i}", await lines.ReadLineAsync().WaitAsync(TestHost.Patience));
        }
    }

    [Fact]
    public async Task A_hundred_requests_at_once_are_answered_and_no_stream_is_left()
    {
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using (var client = MeshHttp.CreateClient(elm.Host))
        {
            // All of them are inside their handlers before the first may answer.
            var answers = Enumerable.Range(0, 100).Select(i => client.GetStringAsync(web.Uri($"/together?{i}"))).ToArray();
            await Eventually.TrueAsync(() => web.Together == 100, "all requests are there");
            web.Open.SetResult();
            foreach (var answer in answers) Assert.Equal(elm.Self.ToString(), await answer.WaitAsync(TestHost.Patience));
            Assert.Single(elm.Host.Connections);
            for (var i = 0; i < 100; i++) _ = await client.GetStringAsync(web.Uri("/peer")); // pooled, one after the other
            Assert.InRange(elm.Host.Connections[0].StreamCount, 1, 100);
        }
        await Eventually.TrueAsync(() => elm.Host.Connections.Concat(web.Node.Host.Connections).All(c => c.StreamCount == 0), "no stream is left");
    }

    [Fact]
    public async Task Cancelling_a_request_resets_its_stream_and_cancels_the_handler()
    {
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);
        using var cancel = new CancellationTokenSource();
        var request = client.GetAsync(web.Uri("/forever"), cancel.Token);
        await Eventually.TrueAsync(() => !web.Waiting.IsEmpty, "the handler runs");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await web.Aborted.Task.WaitAsync(TestHost.Patience);
        await Eventually.TrueAsync(() => elm.Host.Connections.Concat(web.Node.Host.Connections).All(c => c.StreamCount == 0), "no stream is left");
        Assert.Equal(elm.Self.ToString(), await client.GetStringAsync(web.Uri("/peer")));
    }

    [Fact]
    public async Task A_cancelled_request_is_a_reset_on_the_wire_and_not_an_orderly_end()
    {
        // A server that only sees our direction end would go on with its answer. Method: a server of plain streams that watches for the reset;
        // the client would reset a stream that lingers only much later.
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(Libp2pLimits.Default with { StreamCloseTimeout = TimeSpan.FromMinutes(10) }, listen: false)).Knows(oak);
        var started = new TaskCompletionSource();
        var reset = new TaskCompletionSource();
        oak.Host.Handle(MeshHttp.Protocol, async (stream, token) =>
        {
            await stream.Input.ReadAsync(token);
            started.SetResult();
            await Task.Delay(Timeout.Infinite, stream.Closed).ContinueWith(_ => reset.TrySetResult(), TaskScheduler.Default);
        });
        using var client = MeshHttp.CreateClient(elm.Host);
        using var cancel = new CancellationTokenSource();
        var request = client.GetAsync(MeshHttp.UriOf(oak.Self, "/"), cancel.Token);
        await started.Task.WaitAsync(TestHost.Patience);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await reset.Task.WaitAsync(TestHost.Patience);
    }

    [Fact]
    public async Task Leaving_a_streaming_response_stops_its_handler()
    {
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);
        using (var response = await client.GetAsync(web.Uri("/endless"), HttpCompletionOption.ResponseHeadersRead))
        {
            var stream = await response.Content.ReadAsStreamAsync();
            await stream.ReadExactlyAsync(new byte[1000]).AsTask().WaitAsync(TestHost.Patience);
        }
        await web.Aborted.Task.WaitAsync(TestHost.Patience);
    }

    [Fact]
    public async Task A_peer_that_is_gone_is_an_HttpRequestException_with_the_reason()
    {
        await using var elm = await TestHost.StartAsync(listen: false);
        using var client = MeshHttp.CreateClient(elm.Host);
        var failure = await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(MeshHttp.UriOf(MultiaddrTests.RandomPeer(), "/")));
        Assert.Equal(Libp2pError.Unreachable, Assert.IsType<Libp2pException>(failure.InnerException).Error);
        failure = await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri("http://localhost/")));
        Assert.Equal(Libp2pError.Unreachable, Assert.IsType<Libp2pException>(failure.InnerException).Error);
    }

    [Fact]
    public async Task After_the_connection_broke_the_next_request_uses_a_new_one()
    {
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(elm.Self.ToString(), await client.GetStringAsync(web.Uri("/peer")));
            elm.Host.Disconnect(web.Node.Self);
            await Eventually.TrueAsync(() => elm.Host.Connections.Count == 0, "disconnected");
        }
    }

    [Fact]
    public async Task A_client_that_asks_to_close_is_answered_and_closed()
    {
        // What a foreign implementation does: one request a stream, "Connection: close", then half-close.
        await using var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        await using var stream = await elm.Host.OpenStreamAsync(web.Node.Self, MeshHttp.Protocol);
        await stream.Output.WriteAsync(Encoding.ASCII.GetBytes("GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        var answer = await HostTests.ReadTextAsync(stream.Input);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer, StringComparison.Ordinal);
        Assert.Contains($"\r\n{elm.Self}\r\n", answer, StringComparison.Ordinal); // chunked
    }

    [Fact]
    public async Task A_stopped_application_leaves_the_host_running()
    {
        var web = await Web.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(web.Node);
        using var client = MeshHttp.CreateClient(elm.Host);
        Assert.Equal(elm.Self.ToString(), await client.GetStringAsync(web.Uri("/peer")));
        await web.StopAsync();
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(web.Uri("/peer")));
        Assert.True(await elm.Host.PingAsync(web.Node.Self) > TimeSpan.Zero);
        await web.DisposeAsync();
    }

    /// <summary>A web application of Kestrel on a node.</summary>
    private sealed class Web : IAsyncDisposable
    {
        private readonly WebApplication _app;

        private Web(TestHost node)
        {
            Node = node;
            var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().ConfigureKestrel(options => options.ListenOn(node.Host));
            builder.Services.AddSingleton(MeshHttp.CreateTransport(node.Host));
            builder.Services.AddRoutingCore();
            builder.Services.AddLogging(l => l.ClearProviders());
            _app = builder.Build();
            _app.MapGet("/peer", (HttpContext c) => PeerOf(c));
            _app.MapPost("/upper", async (HttpContext c) => await c.Response.WriteAsync((await new StreamReader(c.Request.Body).ReadToEndAsync()).ToUpperInvariant()));
            _app.MapPost("/echo", async (HttpContext c) =>
            {
                using var memory = new MemoryStream();
                await c.Request.Body.CopyToAsync(memory);
                await c.Response.Body.WriteAsync(memory.ToArray());
            });
            _app.MapGet("/lines", async (HttpContext c) =>
            {
                await c.Response.Body.FlushAsync(); // the headers
                for (var i = 0; i < 5; i++)
                {
                    await NextLine.WaitAsync(TestHost.Patience);
                    await c.Response.WriteAsync($"line {i}\n");
                    await c.Response.Body.FlushAsync();
                }
            });
            _app.MapGet("/together", async (HttpContext c) =>
            {
                Interlocked.Increment(ref _together);
                await Open.Task;
                await c.Response.WriteAsync(PeerOf(c));
            });
            _app.MapGet("/forever", async (HttpContext c) =>
            {
                Waiting.Enqueue(1);
                await Task.Delay(Timeout.Infinite, c.RequestAborted).ContinueWith(_ => Aborted.TrySetResult(), TaskScheduler.Default);
            });
            _app.MapGet("/endless", async (HttpContext c) =>
            {
                var piece = new byte[10_000];
                try
                {
                    while (true) await c.Response.Body.WriteAsync(piece, c.RequestAborted);
                }
                finally
                {
                    Aborted.TrySetResult(); // by the token or by a failed write, whichever sees the reset first
                }
            });
        }

        private int _together;

        public TestHost Node { get; }

        public SemaphoreSlim NextLine { get; } = new(0);

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Aborted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConcurrentQueue<int> Waiting { get; } = new();

        public int Together => Volatile.Read(ref _together);

        public static async Task<Web> StartAsync()
        {
            var web = new Web(await TestHost.StartAsync());
            await web._app.StartAsync();
            return web;
        }

        public Uri Uri(string path) => MeshHttp.UriOf(Node.Self, path);

        public Task StopAsync() => _app.StopAsync();

        public async ValueTask DisposeAsync()
        {
            await _app.DisposeAsync();
            await Node.DisposeAsync();
        }

        private static string PeerOf(HttpContext context) => context.Features.Get<IRemotePeerFeature>()!.RemotePeer.ToString();
    }
}
