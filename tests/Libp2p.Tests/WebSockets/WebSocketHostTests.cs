using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using PeoplesCloud.Libp2p.Tests.Hosts;

namespace PeoplesCloud.Libp2p.Tests.WebSockets;

public sealed class WebSocketHostTests
{
    private static readonly Multiaddr AnyPort = TestHost.AnyPort.WithWebSocket();

    [Theory]
    [InlineData(SecurityProtocol.Noise)]
    [InlineData(SecurityProtocol.Tls)]
    public async Task A_large_echo_arrives_whole_over_a_WebSocket(SecurityProtocol security)
    {
        const int size = 4 * 1024 * 1024;
        await using var oak = (await TestHost.StartAsync(listen: false, security: [security])).Echoes();
        await using var elm = await TestHost.StartAsync(listen: false, security: [security]);
        var address = await oak.Host.ListenAsync(AnyPort, CancellationToken.None);
        Assert.True(address.IsWebSocket && address.Port > 0);
        Assert.Equal([address], oak.Host.ListenAddresses);
        elm.Host.AddAddresses(oak.Self, [address]);

        var connection = await elm.Host.ConnectAsync(oak.Self);
        Assert.Equal((address, security), (connection.RemoteAddress, connection.Security));
        await Eventually.TrueAsync(() => oak.Host.Connections is [{ RemoteAddress.IsWebSocket: true }], "oak has it in its table");
        for (var i = 0; i < 40; i++) await elm.Host.PingAsync(oak.Self);
        var sent = RandomNumberGenerator.GetBytes(size);
        var received = new byte[size];
        await using var stream = await elm.Host.OpenStreamAsync(oak.Self, "/echo/1");
        await using var bytes = stream.AsStream();
        var write = Task.Run(async () =>
        {
            await bytes.WriteAsync(sent);
            await stream.Output.CompleteAsync();
        });
        await bytes.ReadExactlyAsync(received).AsTask().WaitAsync(TestHost.Patience);
        await write;
        Assert.Equal(SHA256.HashData(sent), SHA256.HashData(received));
    }

    [Fact]
    public async Task TCP_is_dialed_before_WebSocket_and_WebSocket_when_TCP_fails()
    {
        await using var oak = await TestHost.StartAsync();
        var ws = await oak.Host.ListenAsync(AnyPort, CancellationToken.None);
        await using var elm = await TestHost.StartAsync(listen: false);
        elm.Host.AddAddresses(oak.Self, [ws, oak.Address]);
        Assert.Equal(oak.Address, (await elm.Host.ConnectAsync(oak.Self)).RemoteAddress);

        await using var fir = await TestHost.StartAsync(listen: false);
        fir.Host.AddAddresses(oak.Self, [Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 1)), ws]);
        Assert.Equal(ws, (await fir.Host.ConnectAsync(oak.Self)).RemoteAddress);
    }

    [Fact]
    public async Task Whoever_asks_for_something_else_is_told_and_the_host_goes_on()
    {
        await using var oak = await TestHost.StartAsync(new Libp2pLimits { MaxUpgradeBytes = 1024 }, listen: false);
        var address = await oak.Host.ListenAsync(AnyPort, CancellationToken.None);
        Assert.StartsWith("HTTP/1.1 426 ", await SayAsync(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal("", await SayAsync(address, "GET / HTTP/1.1\r\nX: " + new string('a', 2000))); // over the limit
        Assert.Equal("", await SayAsync(address, "\u0013/multistream/1.0.0\n", half: true));

        await using var elm = await TestHost.StartAsync(listen: false);
        elm.Host.AddAddresses(oak.Self, [address]);
        await elm.Host.PingAsync(oak.Self);
    }

    [Fact]
    public async Task A_WebSocket_client_that_sends_text_or_nothing_gets_no_connection()
    {
        await using var oak = await TestHost.StartAsync(listen: false);
        var address = await oak.Host.ListenAsync(AnyPort, CancellationToken.None);
        using var client = new ClientWebSocket();
        await client.ConnectAsync(new Uri($"ws://127.0.0.1:{address.Port}/"), CancellationToken.None);
        await client.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        await Assert.ThrowsAnyAsync<WebSocketException>(() => client.ReceiveAsync(new byte[100], CancellationToken.None).WaitAsync(TestHost.Patience));
        Assert.Empty(oak.Host.Connections);
    }

    [Fact]
    public async Task A_dialer_that_finds_no_WebSocket_says_so()
    {
        await using var oak = await TestHost.StartAsync(); // plain TCP
        await using var elm = await TestHost.StartAsync(listen: false);
        elm.Host.AddAddresses(oak.Self, [oak.Address.WithWebSocket()]);
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(oak.Self));
        Assert.Equal(Libp2pError.Unreachable, failure.Error);
        Assert.Contains("/ws: ", failure.Message, StringComparison.Ordinal);
    }

    private static async Task<string> SayAsync(Multiaddr address, string request, bool half = false)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, address.Port!.Value));
        await using var stream = new NetworkStream(socket);
        await socket.SendAsync(Encoding.ASCII.GetBytes(request));
        if (half) socket.Shutdown(SocketShutdown.Send);
        try
        {
            return await new StreamReader(stream).ReadToEndAsync().WaitAsync(TestHost.Patience);
        }
        catch (IOException)
        {
            return ""; // reset: what we sent was not read to its end
        }
    }
}
