using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Web;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

/// <summary>Web programs as a browser on a member's machine reaches them.</summary>
public sealed class WebTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_browser_reaches_a_web_program_by_its_name()
    {
        await using var friends = await Friends.MeetAsync();
        var deployed = await friends.DeployAsync(TestPrograms.Web, "ports = [\"8080/http\"]\nopen = \"members\"", "Shop", "elm");
        Assert.Equal(friends.Oak.Node.Web!.UrlOf("friends", "Shop"), deployed.Url); // as its owner is told
        var url = friends.Ash.Node.Web!.UrlOf("friends", "Shop")!;
        Assert.Matches("^http://shop\\.friends\\.localhost:[0-9]+$", url);
        var port = new Uri(url).Port;
        using var browser = new HttpClient(Handler(port));

        // Requests and answers, as the program made them.
        using (var answer = await browser.GetAsync(new Uri(url + "/a%2Fb/../c?q=1%20"), Token))
        {
            Assert.StartsWith($"/a%2Fb/../c?q=1%20 shop.friends.localhost:{port} ", Unescaped(await answer.Content.ReadAsStringAsync(Token)));
            Assert.Equal("who=me; Path=/; HttpOnly", answer.Headers.GetValues("Set-Cookie").Single());
        }
        var much = new byte[3 << 20];
        new Random(1).NextBytes(much);
        using (var answer = await browser.PostAsync(new Uri(url), new ByteArrayContent(much), Token))
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(much)), await answer.Content.ReadAsStringAsync(Token));

        // What comes bit by bit arrives bit by bit.
        using (var answer = await browser.GetAsync(new Uri(url + "/events"), HttpCompletionOption.ResponseHeadersRead, Token))
        {
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
            Assert.Equal("data: first", await lines.ReadLineAsync(Token).AsTask().WaitAsync(TestNode.Patience, Token));
        }

        // WebSockets.
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", url);
        using var invoker = new HttpMessageInvoker(Handler(port));
        await socket.ConnectAsync(new Uri(url.Replace("http", "ws", StringComparison.Ordinal) + "/live"), invoker, Token).WaitAsync(TestNode.Patience, Token);
        foreach (var text in new[] { "hello", new string('x', 5000) })
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Token);
            Assert.Equal(text, await ReceiveAsync(socket));
        }
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Token).WaitAsync(TestNode.Patience, Token);

        // Pages of other sites, and names that are none of ours.
        Assert.Equal(421, await StatusAsync(port, "evil.example"));
        Assert.Equal(421, await StatusAsync(port, $"evil.example:{port}"));
        Assert.Equal(421, await StatusAsync(port, $"127.0.0.1:{port}"));
        Assert.Equal(421, await StatusAsync(port, $"localhost:{port}"));
        Assert.Equal(421, await StatusAsync(port, "shop.friends.localhost"));
        Assert.Equal(421, await StatusAsync(port, $"shop.friends.localhost.evil.example:{port}"));
        Assert.Equal(404, await StatusAsync(port, $"none.friends.localhost:{port}"));
        Assert.Equal(404, await StatusAsync(port, $"shop.others.localhost:{port}"));
        var own = $"shop.friends.localhost:{port}";
        Assert.Equal(200, await StatusAsync(port, own, $"Origin: http://{own}"));
        Assert.Equal(403, await StatusAsync(port, own, "Origin: http://evil.example"));
        Assert.Equal(403, await StatusAsync(port, own, "Origin: null"));
        Assert.Equal(403, await StatusAsync(port, own, $"Origin: http://other.friends.localhost:{port}"));
        Assert.Equal(403, await StatusAsync(port, own, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"));
        Assert.Equal(403, await StatusAsync(port, own, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"));
        Assert.Equal(200, await StatusAsync(port, own, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"));

        // Not from a member who may not; not from outside of this machine.
        await friends.DeployAsync(TestPrograms.Web, "ports = [\"8080/http\"]", "mine", "fir");
        Assert.Equal(403, await StatusAsync(port, $"mine.friends.localhost:{port}"));
        Assert.Equal(200, await StatusAsync(new Uri(friends.Oak.Node.Web!.UrlOf("friends", "mine")!).Port, new Uri(friends.Oak.Node.Web.UrlOf("friends", "mine")!).Authority));
        Assert.All(Listeners(port), address => Assert.Equal(IPAddress.Loopback, address));

        // It moves; the name stays.
        await friends.Oak.StopProgramAsync("friends", "Shop");
        await friends.DeployAsync(TestPrograms.Web, "ports = [\"8080/http\"]\nopen = \"members\"", "Shop", "fir");
        Assert.Equal(200, await StatusAsync(port, own));
    }

    // A program with a port is deployed three times: from a Procfile, the same once more, and without a port.
    [Fact]
    public async Task A_Procfile_s_web_process_has_an_address_until_a_version_names_no_port()
    {
        await using var oak = await TestNode.StartAsync("oak", hosts: true);
        await oak.CreateAsync("friends");
        using var folder = new Hosting.ProgramFolder("import time\nwhile True: time.sleep(1)\n");
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "Procfile"), "release: exit 1\nweb: python3 -m http.server $PORT\n", Token);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "page"), "by its Procfile", Token);
        var url = (await oak.DeployAsync("friends", folder.Path, "shop")).Url!;
        using var browser = new HttpClient(Handler(new Uri(url).Port)) { Timeout = TestNode.Patience };
        Assert.Equal("by its Procfile", await browser.GetStringAsync(new Uri(url + "/page"), Token));
        Assert.Equal(url, (await oak.DeployAsync("friends", folder.Path, "shop")).Url);
        Assert.Equal("by its Procfile", await browser.GetStringAsync(new Uri(url + "/page"), Token));

        File.Move(Path.Combine(folder.Path, "Procfile"), Path.Combine(folder.Path, "Procfile.old"));
        Assert.Null((await oak.DeployAsync("friends", folder.Path, "shop")).Url);
        // Nor when its files are those of a version that had one.
        File.Move(Path.Combine(folder.Path, "Procfile.old"), Path.Combine(folder.Path, "Procfile"));
        await oak.DeployAsync("friends", folder.Path, "shop");
        var portless = new DeployRequest(folder.Path, null, "shop", null, new Dictionary<string, IReadOnlyList<string>> { ["run"] = ["sleep 1000"] });
        DeployReply? reply = null;
        await foreach (var happened in oak.Client.EventsAsync(HttpMethod.Post, "/v1/swarms/friends/deploy", JsonContent.Create(portless, TestNode.Json.DeployRequest), TestNode.Json.EventDeployReply)) reply = happened.Result ?? reply;
        Assert.Null(reply!.Url);
        using var answer = await browser.GetAsync(new Uri(url + "/page"), Token);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("names no port", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Much_at_once_and_much_that_nobody_takes_is_carried_as_it_is_taken()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Web, "ports = [\"8080/http\"]\npids = 400", "shop", "elm");
        var url = friends.Oak.Node.Web!.UrlOf("friends", "shop")!;
        var port = new Uri(url).Port;
        using var browser = new HttpClient(Handler(port)) { Timeout = TestNode.Patience };

        // As many requests at once as one program gets connections.
        const int Many = WebLimits.MaxConnectionsPerProgram;
        var answers = await Task.WhenAll(Enumerable.Range(0, Many).Select(_ => browser.GetStringAsync(new Uri($"{url}/meet/{Many}"), Token)));
        Assert.All(answers, answer => Assert.StartsWith($"/meet/{Many} ", answer));

        // Requests that do not wait for the answers before are answered in their order.
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(IPAddress.Loopback, port, Token);
            var stream = client.GetStream();
            string[] paths = ["/first", "/second", $"http://shop.friends.localhost:{port}/third?x"];
            await stream.WriteAsync(Encoding.ASCII.GetBytes(string.Concat(paths.Select(path => $"GET {path} HTTP/1.1\r\nHost: shop.friends.localhost:{port}\r\n{(path == paths[^1] ? "Connection: close\r\n" : "")}\r\n"))), Token);
            var all = await new StreamReader(stream).ReadToEndAsync(Token).WaitAsync(TestNode.Patience, Token);
            Assert.Equal(["/first", "/second", "/third?x"], all.Split('\n').Where(line => line.StartsWith('/')).Select(line => line.Split(' ')[0]));
        }

        // An answer without end, of which nobody reads more: the program waits in its write, and goes on when somebody does.
        using (var endless = await browser.GetAsync(new Uri(url + "/endless"), HttpCompletionOption.ResponseHeadersRead, Token))
        {
            var sent = await StandingStillAsync();
            Assert.InRange(sent, 1, 32 << 20);
            await using var body = await endless.Content.ReadAsStreamAsync(Token);
            var read = 0L;
            for (var buffer = new byte[1 << 16]; read < sent + (1 << 20);) read += await body.ReadAsync(buffer, Token).AsTask().WaitAsync(TestNode.Patience, Token);
            Assert.True(await StandingStillAsync() > sent);
        }

        // The same the other way: what the program does not read is not taken from the browser.
        var (taken, much) = (0L, new byte[1 << 16]);
        var size = 96L << 20;
        var posting = browser.PostAsync(new Uri(url + "/silent"), new Pieces(size, much, count => Volatile.Write(ref taken, count)), Token);
        var before = await SettledAsync(() => Task.FromResult(Volatile.Read(ref taken)));
        Assert.InRange(before, 1, 32 << 20);
        await browser.GetStringAsync(new Uri(url + "/listen"), Token);
        using (var answer = await posting)
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(new byte[size])), await answer.Content.ReadAsStringAsync(Token));

        // Half an answer does not look like all of it.
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => browser.GetStringAsync(new Uri(url + "/broken"), Token));

        Task<long> StandingStillAsync() => SettledAsync(async () => long.Parse(await browser.GetStringAsync(new Uri(url + "/sent"), Token), CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_person_reads_why_there_is_no_page_and_the_page_tries_again()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Echo, "ports = [\"8080/http\"]", "Shop", "elm"); // it never listens there
        var url = new Uri(friends.Oak.Node.Web!.UrlOf("friends", "Shop")!);
        using var browser = new HttpClient(Handler(url.Port)) { Timeout = TestNode.Patience };
        browser.DefaultRequestHeaders.Accept.ParseAdd("text/html,*/*;q=0.8");
        browser.DefaultRequestHeaders.Add("Sec-Fetch-Mode", "navigate");

        using (var waiting = await browser.GetAsync(url, Token))
        {
            var page = await waiting.Content.ReadAsStringAsync(Token);
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "text/html", TimeSpan.FromSeconds(2)), (waiting.StatusCode, waiting.Content.Headers.ContentType!.MediaType, waiting.Headers.RetryAfter!.Delta));
            Assert.Contains("<meta http-equiv=\"refresh\" content=\"2\">", page);
            Assert.Contains("<title>Shop is not there right now</title>", page);
            Assert.Contains("This page tries again by itself.", page);
            Assert.Contains("PC6121: port 8080 of Shop could not be reached: nothing listens on port 8080 of the program", page);
            Assert.Contains("default-src 'none'", waiting.Headers.GetValues("Content-Security-Policy").Single());
        }

        // Other names have pages too, and none of them says it again.
        using (var none = await browser.GetAsync(new Uri($"http://none.friends.localhost:{url.Port}"), Token))
        {
            Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
            Assert.DoesNotContain("refresh", await none.Content.ReadAsStringAsync(Token));
        }

        // What is no page gets a line of text.
        using var script = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://none.friends.localhost:{url.Port}"));
        script.Headers.Add("Sec-Fetch-Mode", "cors");
        browser.DefaultRequestHeaders.Clear();
        using var text = await browser.SendAsync(script, Token);
        Assert.Equal(("text/plain", "this node's swarms have no program of this name"), (text.Content.Headers.ContentType!.MediaType, (await text.Content.ReadAsStringAsync(Token)).Split('\n')[0]));
    }

    [Fact]
    public async Task A_page_shows_what_it_is_told_as_text()
    {
        var context = new DefaultHttpContext { Request = { Method = "GET" }, Response = { Body = new MemoryStream() } };
        context.Request.Headers.Accept = "text/html";

        await new WebPage(500, "<title>", "a<script>b", "\"c\"") { Code = "PC1" }.WriteAsync(context);

        var page = Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray());
        Assert.DoesNotContain("<script", page);
        Assert.Contains("PC1: a&lt;script&gt;b", page);
        Assert.Equal(2, page.Split("&lt;title&gt;").Length - 1);
    }

    [Fact]
    public async Task A_port_that_is_configured_and_taken_is_said_so()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        var error = await Assert.ThrowsAsync<PcException>(() => TestNode.StartAsync("oak", configure: config => config with { Web = new WebConfig { Port = port } }));

        Assert.Equal(ErrorCode.WebPortTaken, error.Code);
        await using var without = await TestNode.StartAsync("oak", configure: config => config with { Web = new WebConfig { Serve = false } });
        Assert.Null(without.Node.Web);
    }

    // Names below localhost are this machine; not every resolver knows.
    internal static SocketsHttpHandler Handler(int port) => new()
    {
        UseCookies = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    // .NET makes of a path what it thinks is the same; that it arrives whole is what matters.
    private static string Unescaped(string text) => text.Replace("/c?", "/a%2Fb/../c?", StringComparison.Ordinal).Replace("/a%2Fb/../a%2Fb/../c", "/a%2Fb/../c", StringComparison.Ordinal);

    /// <summary>A request by hand: no client library has an opinion about its headers.</summary>
    private static async Task<int> StatusAsync(int port, string host, params string[] headers)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, Token);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {host}\r\n{string.Concat(headers.Select(header => header + "\r\n"))}Connection: close\r\n\r\n"), Token);
        using var reader = new StreamReader(stream);
        var status = await reader.ReadLineAsync(Token).AsTask().WaitAsync(TestNode.Patience, Token);
        return int.Parse(status!.Split(' ')[1]);
    }

    /// <summary>A number that grows, once it did not for a while: five looks in a row.</summary>
    private static async Task<long> SettledAsync(Func<Task<long>> look)
    {
        var (last, same) = (0L, 0);
        using var patience = new CancellationTokenSource(TestNode.Patience);
        while (same < 5)
        {
            await Task.Delay(100, patience.Token);
            var now = await look();
            (last, same) = (now, now == last && now > 0 ? same + 1 : 0);
        }
        return last;
    }

    /// <summary>A body of zeros that says how much of it was taken.</summary>
    private sealed class Pieces(long size, byte[] piece, Action<long> taken) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            for (var count = 0L; count < size; taken(count += piece.Length)) await stream.WriteAsync(piece, Token);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = size;
            return true;
        }
    }

    private static async Task<string> ReceiveAsync(ClientWebSocket socket)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer, Token).WaitAsync(TestNode.Patience, Token);
            text.Append(Encoding.ASCII.GetString(buffer, 0, received.Count));
            if (received.EndOfMessage) return text.ToString();
        }
    }

    private static IEnumerable<IPAddress> Listeners(int port) =>
        System.Net.NetworkInformation.IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Where(listener => listener.Port == port).Select(listener => listener.Address);
}
