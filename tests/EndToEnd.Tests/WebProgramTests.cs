using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>A web program of one member, on the machine of another, in the browser of a third.</summary>
public sealed class WebProgramTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_member_reads_a_web_program_that_moves_meanwhile()
    {
        using var place = new Place();
        var (oak, elm, fir, ash) = (place.Up("oak", "--no-host"), place.Up("elm"), place.Up("fir"), place.Up("ash", "--no-host"));
        Place.Swarm("friends", oak, elm, fir, ash);
        var sample = Path.Combine(Pc.Root, "samples", "web-counter");
        // Hosts that have just started do not vote yet, so that another than the wanted one may get the lease. Then again.
        Place.Until(() => Pc.Run(oak, "deploy", "friends", sample, "--host", "elm"), said => said.Exit == 0, "elm got it");
        Place.Until(() => Pc.Run(ash, "list").Ok(), said => said.Out.Contains("web-counter", StringComparison.Ordinal), "ash heard of it");
        Pc.Run(ash, "open", "friends", "web-counter", "22").Refused("PC6120", 4);

        using var open = Pc.Start(ash, Pc.Program, ["open", "friends", "web-counter", "--local", "0", "--json"], null);
        try
        {
            var reply = JsonDocument.Parse((await open.StandardOutput.ReadLineAsync(Token))!).RootElement.GetProperty("result");
            Assert.Equal("elm", reply.GetProperty("host").GetString());
            var (local, url) = (reply.GetProperty("local").GetInt32(), new Uri(reply.GetProperty("url").GetString()!));
            Assert.Equal("web-counter.friends.localhost", url.Host);

            // By the opened port, by its name, and live.
            using var browser = new HttpClient(OfThisMachine());
            Assert.Contains("Visitors so far", await browser.GetStringAsync(new Uri($"http://127.0.0.1:{local}/"), Token));
            Assert.Contains("Visitors so far", await browser.GetStringAsync(url, Token));
            using (var first = await LookAsync(url))
            {
                Assert.Equal("1 1", await HearAsync(first));
                using var second = await LookAsync(url);
                Assert.Equal("2 2", await HearAsync(first));
            }

            // A real browser: the page by its name, and its WebSocket.
            await using var chromium = await Browser.StartAsync();
            await chromium.OpenAsync(url);
            await chromium.UntilAsync("count.textContent", "3");
            // A page from elsewhere does not get in: the next visitor is the fourth.
            await chromium.OpenAsync(new Uri("about:blank"));
            var live = new UriBuilder(url) { Scheme = "ws", Path = "/live" }.Uri;
            Assert.Equal("refused", await chromium.ValueAsync($"new Promise(done => {{ const socket = new WebSocket('{live}'); socket.onopen = () => done('let in'); socket.onerror = () => done('refused') }})"));
            await chromium.OpenAsync(url);
            await chromium.UntilAsync("count.textContent", "4");

            // Its host is killed while the other one stands still. Who looks meanwhile reads why, and sees the page as soon as there is one.
            var firs = Place.PidOf(fir);
            Pc.Signal(firs, Pc.Stop);
            Place.Kill(elm);
            await chromium.OpenAsync(url);
            if (Environment.GetEnvironmentVariable("PC_BROWSER_PICTURE") is { } picture) await chromium.PictureAsync(picture);
            Assert.Equal("web-counter is not there right now", await chromium.ValueAsync("document.title"));
            Pc.Signal(firs, Pc.Continue);
            await chromium.UntilAsync("document.title + ' ' + (document.getElementById('count')?.textContent ?? '')", "web-counter 1");
            while (await open.StandardOutput.ReadLineAsync(Token).AsTask().WaitAsync(Pc.Patience, Token) is { } line && !line.Contains("web-counter runs on fir now", StringComparison.Ordinal)) { }
            Assert.Contains("Visitors so far", await browser.GetStringAsync(new Uri($"http://127.0.0.1:{local}/"), Token));
            Assert.Contains("Visitors so far", await browser.GetStringAsync(url, Token));
        }
        finally
        {
            Pc.Terminate(open);
            Pc.Run(open);
        }
    }

    private static SocketsHttpHandler OfThisMachine() => new()
    {
        ConnectCallback = async (context, cancellationToken) =>
        {
            // Names below localhost are this machine; not every resolver knows.
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    private static async Task<ClientWebSocket> LookAsync(Uri url)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", url.GetLeftPart(UriPartial.Authority));
        await socket.ConnectAsync(new UriBuilder(url) { Scheme = "ws", Path = "/live" }.Uri, new HttpMessageInvoker(OfThisMachine()), Token);
        return socket;
    }

    private static async Task<string> HearAsync(ClientWebSocket socket)
    {
        var buffer = new byte[100];
        var received = await socket.ReceiveAsync(buffer, Token);
        return Encoding.ASCII.GetString(buffer, 0, received.Count);
    }
}
