using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Tests.Mesh;

/// <summary>The option ws_port of a real node.</summary>
public sealed class WebSocketTests : IDisposable
{
    private readonly string _home = TestNode.NewHome();

    [Fact]
    public async Task A_node_takes_WebSocket_only_when_it_is_told_to_and_names_the_address_last()
    {
        await using (var plain = await StartAsync(null)) Assert.DoesNotContain(plain.Host.ListenAddresses, a => a.IsWebSocket);

        await using var node = await StartAsync(0);
        var address = Assert.Single(node.Host.ListenAddresses, a => a.IsWebSocket);
        Assert.Equal(address.ToString(), node.Addresses[^1]);
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        await using var visitor = new Libp2pHost(key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        visitor.AddAddresses(node.Self, [address]);
        await visitor.PingAsync(node.Self, TestContext.Current.CancellationToken);
        Assert.True(Assert.Single(visitor.Connections).RemoteAddress.IsWebSocket);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_an_error_with_the_key_to_change()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        var error = await Assert.ThrowsAsync<PcException>(() => StartAsync(((IPEndPoint)taken.LocalEndPoint!).Port));
        Assert.Equal(ErrorCode.PortTaken, error.Code);
        Assert.Contains("ws_port", error.Hint, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_home, recursive: true);

    private Task<DaemonNode> StartAsync(int? webSocketPort) =>
        DaemonNode.StartAsync(TestNode.ConfigOf(_home, "oak", hosts: false) with { WebSocketPort = webSocketPort }, TimeProvider.System, SystemDisk.Instance, TestContext.Current.CancellationToken);
}
