using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Interop.Tests;

/// <summary>Our host against js-libp2p over TLS and over WebSocket, and what each tells the other by identify/push.</summary>
public sealed class JsTransportTests : IAsyncDisposable
{
    private const int EchoBytes = 8 * 1024 * 1024;
    private static readonly TimeSpan Patience = JsPeer.Patience;

    private readonly Ed25519Key _key = new(Ed25519Key.NewSeed());
    private readonly Libp2pHost _host;

    public JsTransportTests()
    {
        _host = new Libp2pHost(_key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        _host.Handle("/echo/1", async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _key.Dispose();
    }

    [Theory]
    [InlineData("default")]
    [InlineData("secp256k1")]
    [InlineData("RSA")]
    public async Task TLS_is_spoken_both_ways(string keyType)
    {
        await using var js = await JsPeer.StartAsync(keyType, "tls");
        await EchoesBothWaysAsync(js, await ListenAsync("/ip4/127.0.0.1/tcp/0"), SecurityProtocol.Tls);
    }

    [Theory]
    [InlineData(SecurityProtocol.Noise)]
    [InlineData(SecurityProtocol.Tls)]
    public async Task WebSocket_is_spoken_both_ways(SecurityProtocol security)
    {
        await using var js = await JsPeer.StartAsync("default", security == SecurityProtocol.Tls ? ["ws", "tls"] : ["ws"]);
        Assert.True(js.Address.IsWebSocket);
        await EchoesBothWaysAsync(js, await ListenAsync("/ip4/127.0.0.1/tcp/0/ws"), security);
    }

    [Fact]
    public async Task Another_peer_than_the_expected_one_is_refused_over_TLS_both_ways()
    {
        await using var js = await JsPeer.StartAsync("default", "tls");
        var address = await ListenAsync("/ip4/127.0.0.1/tcp/0");
        var stranger = PeerId.FromEd25519(Ed25519Key.NewSeed());
        _host.AddAddresses(stranger, [js.Address.WithoutPeer()]);
        Assert.Equal(Libp2pError.WrongPeer, (await Assert.ThrowsAsync<Libp2pException>(async () => await _host.ConnectAsync(stranger))).Error);
        await Assert.ThrowsAsync<InvalidOperationException>(() => js.AskAsync("dial", address.WithPeer(stranger)));
        await Eventually.TrueAsync(() => Task.FromResult(_host.Connections.Count == 0));
    }

    [Fact]
    public async Task Changes_are_pushed_both_ways()
    {
        await using var js = await JsPeer.StartAsync();
        _host.AddAddresses(js.Self, [js.Address]);
        var connection = await _host.ConnectAsync(js.Self);
        await Eventually.TrueAsync(async () => (await js.AskAsync("protocols")).EnumerateArray().Any(p => p.GetString() == "/echo/1"));

        // 1. We serve one more, and it hears of it.
        _host.Handle("/new/1", (_, _) => Task.CompletedTask);
        await Eventually.TrueAsync(async () => (await js.AskAsync("protocols")).EnumerateArray().Any(p => p.GetString() == "/new/1"));

        // 2. It serves one more, and we hear of it.
        Assert.DoesNotContain("/new/1", (await _host.IdentifyAsync(js.Self)).Protocols);
        await js.AskAsync("serve");
        await Eventually.TrueAsync(() => Task.FromResult(connection.Identified!.Protocols.Contains("/new/1")));
    }

    private async Task<Multiaddr> ListenAsync(string text)
    {
        Assert.True(Multiaddr.TryParse(text, out var any));
        return (await _host.ListenAsync(any, CancellationToken.None)).WithPeer(_host.Self);
    }

    private async Task EchoesBothWaysAsync(JsPeer js, Multiaddr ours, SecurityProtocol security)
    {
        // 1. We dial.
        _host.AddAddresses(js.Self, [js.Address]);
        var connection = await _host.ConnectAsync(js.Self);
        Assert.Equal(security, connection.Security);
        Assert.True(await _host.PingAsync(js.Self) > TimeSpan.Zero);
        await EchoAsync(js.Self).WaitAsync(Patience);

        // 2. It dials, on a connection of its own.
        _host.Disconnect(js.Self);
        await Eventually.TrueAsync(async () => (await js.AskAsync("connections")).GetInt32() == 0);
        Assert.True((await js.AskAsync("ping", ours)).GetDouble() >= 0);
        var echoed = await js.AskAsync("echo", ours, EchoBytes);
        Assert.Equal(EchoBytes, echoed.GetProperty("count").GetInt64());
        Assert.True(echoed.GetProperty("same").GetBoolean());
        var accepted = Assert.Single(_host.Connections);
        Assert.Equal((js.Self, security, false), (accepted.RemotePeer, accepted.Security, accepted.IsOutbound));
        Assert.Equal(ours.IsWebSocket, accepted.RemoteAddress.IsWebSocket);
    }

    private async Task EchoAsync(PeerId peer)
    {
        await using var stream = await _host.OpenStreamAsync(peer, "/echo/1");
        await using var bytes = stream.AsStream();
        var sent = RandomNumberGenerator.GetBytes(EchoBytes);
        var write = Task.Run(async () =>
        {
            await bytes.WriteAsync(sent);
            await stream.Output.CompleteAsync();
        });
        var received = new byte[EchoBytes];
        await bytes.ReadExactlyAsync(received);
        await write;
        Assert.Equal(SHA256.HashData(sent), SHA256.HashData(received));
    }
}
