using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

/// <summary>Web programs as a browser on a member's machine reaches them.</summary>
public sealed class WebTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_browser_reaches_a_web_program_by_its_name()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Web, "ports = [\"8080/http\"]\nopen = \"members\"", "Shop", "elm");
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
    private static SocketsHttpHandler Handler(int port) => new()
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
