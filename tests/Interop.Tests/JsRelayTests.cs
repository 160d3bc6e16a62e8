using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Interop.Tests;

/// <summary>Circuit relay v2 with js-libp2p as each of its three sides.</summary>
public sealed class JsRelayTests : IAsyncDisposable
{
    private const int EchoBytes = 4 * 1024 * 1024;

    private readonly List<IDisposable> _keys = [];
    private readonly List<Libp2pHost> _hosts = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) await host.DisposeAsync();
        foreach (var key in _keys) key.Dispose();
    }

    [Fact]
    public async Task Js_is_reached_through_our_relay()
    {
        var elm = await RelayAsync();
        await using var js = await JsPeer.StartAsync("default", $"through={elm}");
        Assert.Equal(elm.Peer, js.Address.Relay);
        var oak = NewHost();
        oak.AddAddresses(js.Self, [js.Address]);
        Assert.True(await EchoesAsync(oak, js.Self));
        Assert.True((await oak.ConnectAsync(js.Self)).IsRelayed);
    }

    [Fact]
    public async Task Js_reaches_us_through_our_relay()
    {
        var elm = await RelayAsync();
        var fir = NewHost();
        fir.AddAddresses(elm.Peer!.Value, [elm]);
        await fir.ReserveAsync(elm.Peer.Value);
        await using var js = await JsPeer.StartAsync();
        var answer = await js.AskAsync("echo", elm.ThroughRelay().WithPeer(fir.Self), EchoBytes);
        Assert.True(answer.GetProperty("same").GetBoolean());
        Assert.Contains(fir.Connections, connection => connection.RemotePeer == js.Self && connection.IsRelayed);
    }

    [Fact]
    public async Task We_reach_each_other_through_the_relay_of_js()
    {
        await using var js = await JsPeer.StartAsync("default", "relay");
        var fir = NewHost();
        fir.AddAddresses(js.Self, [js.Address]);
        var reservation = await fir.ReserveAsync(js.Self);
        var oak = NewHost();
        oak.AddAddresses(fir.Self, reservation.Addresses);
        Assert.True(await EchoesAsync(oak, fir.Self));
        Assert.Equal(js.Self, (await oak.ConnectAsync(fir.Self)).RemoteAddress.Relay);
    }

    private Libp2pHost NewHost()
    {
        var key = new Ed25519Key(Ed25519Key.NewSeed());
        _keys.Add(key);
        var host = new Libp2pHost(key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        host.Handle("/echo/1", async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
        _hosts.Add(host);
        return host;
    }

    private async Task<Multiaddr> RelayAsync()
    {
        var elm = NewHost();
        elm.ServeRelay(RelayPolicy.Everybody);
        Assert.True(Multiaddr.TryParse("/ip4/127.0.0.1/tcp/0", out var any));
        return (await elm.ListenAsync(any)).WithPeer(elm.Self);
    }

    private static async Task<bool> EchoesAsync(Libp2pHost from, PeerId to)
    {
        var body = RandomNumberGenerator.GetBytes(EchoBytes);
        var received = new byte[EchoBytes];
        await using var stream = (await from.OpenStreamAsync(to, "/echo/1")).AsStream();
        var writing = Task.Run(async () => await stream.WriteAsync(body));
        await stream.ReadExactlyAsync(received).AsTask().WaitAsync(JsPeer.Patience);
        await writing;
        return received.AsSpan().SequenceEqual(body);
    }
}
