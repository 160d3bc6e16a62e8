using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p.Negotiation;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>What a stranger with the address may try before and after the handshake.</summary>
public sealed class AttackTests
{
    public static TheoryData<string, byte[]> Garbage() => new()
    {
        { "a web request", Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: oak\r\n\r\n" + new string('x', 2000)) },
        { "a TLS hello", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, .. new byte[600]] },
        { "zeros", new byte[100] },
        { "a huge length", [0xff, 0xff, 0xff, 0xff, 0x7f] },
        { "noise", [0xff, .. RandomNumberGenerator.GetBytes(4096)] },
        { "another version", MultistreamMessage.Encode("/multistream/2.0.0", "/noise") },
        { "other protocols only", MultistreamMessage.Encode([MultistreamMessage.Header, .. Enumerable.Repeat("/tls/1.0.0", 100)]) },
        { "a broken Noise handshake", [.. MultistreamMessage.Encode(MultistreamMessage.Header, "/noise"), 0, 32, .. new byte[32], 0, 200, .. RandomNumberGenerator.GetBytes(200)] },
        { "a Noise message beyond its limit", [.. MultistreamMessage.Encode(MultistreamMessage.Header, "/noise"), 0xff, 0xff, .. new byte[5000]] },
    };

    [Theory]
    [MemberData(nameof(Garbage))]
    public async Task Garbage_is_cut_off_and_others_notice_nothing(string name, byte[] bytes)
    {
        Assert.NotEmpty(name);
        await using var oak = await TestHost.StartAsync(Libp2pLimits.Default with { HandshakeTimeout = TimeSpan.FromMinutes(10) }); // so it is not the clock that ends it
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        using var socket = await ConnectAsync(oak);
        await socket.SendAsync(bytes);
        await EndsAsync(socket);
        Assert.Empty(oak.Host.Connections);
        Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);
    }

    [Fact]
    public async Task A_handshake_that_is_truncated_anywhere_leaves_no_connection()
    {
        await using var oak = await TestHost.StartAsync();
        byte[] whole = [.. MultistreamMessage.Encode(MultistreamMessage.Header, "/noise"), 0, 32, .. RandomNumberGenerator.GetBytes(32)];
        for (var length = 0; length <= whole.Length; length += 4)
        {
            using var socket = await ConnectAsync(oak);
            await socket.SendAsync(whole.AsMemory(0, length));
            socket.Shutdown(SocketShutdown.Send);
            await EndsAsync(socket);
        }
        Assert.Empty(oak.Host.Connections);
    }

    [Fact]
    public async Task Silent_sockets_are_cut_off_when_their_time_is_over()
    {
        await using var oak = await TestHost.StartAsync(Libp2pLimits.Default with { HandshakeTimeout = TimeSpan.FromMilliseconds(300) });
        var sockets = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => ConnectAsync(oak)));
        foreach (var socket in sockets)
        {
            await EndsAsync(socket);
            socket.Dispose();
        }
    }

    [Fact]
    public async Task Silent_sockets_of_one_address_do_not_fill_the_door()
    {
        var limits = Libp2pLimits.Default with { MaxPendingInbound = 8, MaxPendingInboundPerAddress = 4, HandshakeTimeout = TimeSpan.FromMinutes(10) };
        await using var oak = await TestHost.StartAsync(limits);
        await using var elm = await TestHost.StartAsync(listen: false);
        Assert.True(Multiaddr.TryParse($"/ip4/127.0.0.2/tcp/0", out var other));
        var second = await oak.Host.ListenAsync(other, CancellationToken.None);
        var silent = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => ConnectAsync(oak)));
        await Eventually.TrueAsync(() => oak.Host.RefusedCount == 16, "all but four were refused");

        // Another address (127.0.0.2 is dialed from itself) gets in.
        elm.Host.AddAddresses(oak.Self, [second]);
        using var local = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        local.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
        await local.ConnectAsync(new IPEndPoint(IPAddress.Parse("127.0.0.2"), second.Port!.Value));
        await local.SendAsync(MultistreamMessage.Encode(MultistreamMessage.Header));
        var answer = new byte[20];
        Assert.Equal(20, await local.ReceiveAsync(answer).WaitAsync(TestHost.Patience));
        Assert.Equal(MultistreamMessage.Encode(MultistreamMessage.Header), answer);
        foreach (var socket in silent) socket.Dispose();
    }

    [Fact]
    public async Task Strangers_do_not_take_the_place_of_known_peers()
    {
        await using var oak = await TestHost.StartAsync(Libp2pLimits.Default with { MaxStrangerConnections = 2 });
        await using var elm = await TestHost.StartAsync();
        oak.Knows(elm);
        elm.Knows(oak);
        var strangers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => TestHost.StartAsync(listen: false)));
        for (var i = 0; i < 2; i++) _ = await strangers[i].Knows(oak).Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 2, "two strangers are in");

        // The third may finish its handshake, but is sent away after it.
        _ = await strangers[2].Knows(oak).Host.ConnectAsync(oak.Self).AsTask().ContinueWith(_ => 0, TaskScheduler.Default);
        await Eventually.TrueAsync(() => strangers[2].Host.Connections.Count == 0, "the third stranger was sent away");
        Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);
        Assert.Equal(3, oak.Host.Connections.Count);
        foreach (var stranger in strangers) await stranger.DisposeAsync();
    }

    [Fact]
    public async Task A_peer_has_a_few_connections_at_most()
    {
        // One identity in several processes, or a peer whose old connections died without a word: the oldest goes.
        await using var oak = await TestHost.StartAsync(Libp2pLimits.Default with { MaxConnectionsPerPeer = 2 });
        var seed = Base.Crypto.Ed25519Key.NewSeed();
        var twins = new List<Libp2pHost>();
        using var key = new Base.Crypto.Ed25519Key(seed);
        for (var i = 0; i < 4; i++)
        {
            var twin = new Libp2pHost(key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
            twin.AddAddresses(oak.Self, [oak.Address]);
            _ = await twin.ConnectAsync(oak.Self);
            Assert.True(await twin.PingAsync(oak.Self) > TimeSpan.Zero); // oak has it in its table
            twins.Add(twin);
        }
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 2, "two are left");
        await Eventually.TrueAsync(() => twins[0].Connections.Count == 0 && twins[1].Connections.Count == 0 && twins[3].Connections.Count == 1, "the oldest are gone");
        foreach (var twin in twins) await twin.DisposeAsync();
    }

    public static TheoryData<string, byte[]> LyingIdentify()
    {
        using var other = new Base.Crypto.Ed25519Key(Base.Crypto.Ed25519Key.NewSeed());
        var message = Libp2p.Identify.IdentifyMessage.Write(PublicKeys.EncodeEd25519(other.PublicKey.Span), "ipfs/0.1.0", "a liar", [], null, []);
        return new()
        {
            { "the key of another", [(byte)message.Length, .. message] },
            { "a huge length", [0xff, 0xff, 0xff, 0xff, 0x07] },
            { "a length that is none", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
            { "half a message", [100, .. new byte[50]] },
            { "no message", [10, .. Enumerable.Repeat((byte)0x0f, 10)] },
            { "nothing", [] },
        };
    }

    [Theory]
    [MemberData(nameof(LyingIdentify))]
    public async Task A_peer_that_lies_in_identify_is_not_believed(string name, byte[] bytes)
    {
        Assert.NotEmpty(name);
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        oak.Host.Handle("/ipfs/id/1.0.0", async (stream, token) => await stream.Output.WriteAsync(bytes, token));
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.IdentifyAsync(oak.Self));
        Assert.Equal(Libp2pError.ProtocolViolation, failure.Error);
        Assert.Null(elm.Host.Connections[0].Identified);
    }

    [Fact]
    public async Task A_ping_that_comes_back_changed_or_never_is_no_ping()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(Libp2pLimits.Default with { RequestTimeout = TimeSpan.FromMilliseconds(300) }, listen: false)).Knows(oak);
        oak.Host.Handle("/ipfs/ping/1.0.0", async (stream, token) => await stream.Output.WriteAsync(new byte[32], token));
        Assert.Equal(Libp2pError.ProtocolViolation, (await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.PingAsync(oak.Self))).Error);
        oak.Host.Handle("/ipfs/ping/1.0.0", async (_, token) => await Task.Delay(Timeout.Infinite, token));
        Assert.Equal(Libp2pError.TimedOut, (await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.PingAsync(oak.Self))).Error);
        await Eventually.TrueAsync(() => elm.Host.Connections[0].StreamCount == 0, "the stream is gone");
    }

    [Fact]
    public async Task Control_characters_of_a_stranger_reach_no_terminal()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        oak.Host.Handle("/ipfs/id/1.0.0", async (stream, token) =>
        {
            var message = Libp2p.Identify.IdentifyMessage.Write(default, "v", "evil\u001b[2J\r\n" + new string('a', 500), [], null, Enumerable.Repeat("/p", 1000));
            var prefix = new byte[Varint.SizeOf((ulong)message.Length - 2)];
            Varint.Write(prefix, (ulong)message.Length - 2);
            await stream.Output.WriteAsync((byte[])[.. prefix, .. message.AsSpan(2)], token); // without the empty key
        });
        var info = await elm.Host.IdentifyAsync(oak.Self);
        Assert.StartsWith("evil[2Jaaa", info.AgentVersion, StringComparison.Ordinal);
        Assert.Equal(128, info.AgentVersion.Length);
        Assert.Equal(256, info.Protocols.Count);
    }

    internal static async Task<Socket> ConnectAsync(TestHost host)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, host.Address.Port!.Value));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Refused before the connect returned.
        }
        return socket;
    }

    /// <summary>The other side closes or resets the socket.</summary>
    internal static async Task EndsAsync(Socket socket)
    {
        using var limit = new CancellationTokenSource(TestHost.Patience);
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer, limit.Token) > 0)
            {
                // What it says before is of no interest.
            }
        }
        catch (SocketException)
        {
            // A reset is an end, too.
        }
    }
}
