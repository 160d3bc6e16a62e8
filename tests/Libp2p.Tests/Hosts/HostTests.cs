using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

public sealed class HostTests
{
    [Fact]
    public async Task Two_hosts_ping_identify_and_echo()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        oak.Echoes();
        Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);

        var info = await elm.Host.IdentifyAsync(oak.Self);
        Assert.Equal(oak.Self, info.Peer);
        Assert.StartsWith("peoples-cloud/", info.AgentVersion, StringComparison.Ordinal);
        Assert.Contains("/echo/1", info.Protocols);
        Assert.Contains(oak.Address, info.ListenAddresses);
        Assert.Equal("127.0.0.1", info.ObservedAddress?.Host);

        await using var stream = await elm.Host.OpenStreamAsync(oak.Self, "/echo/1");
        Assert.Equal(oak.Self, stream.RemotePeer);
        await stream.Output.WriteAsync("hello"u8.ToArray());
        await stream.Output.CompleteAsync();
        Assert.Equal("hello", await ReadTextAsync(stream.Input));
        Assert.Single(elm.Host.Connections);
        Assert.True(elm.Host.Connections[0].IsOutbound && elm.Host.Connections[0].BytesIn > 0 && elm.Host.Connections[0].BytesOut > 0);
    }

    [Fact]
    public async Task A_large_echo_arrives_whole_and_no_stream_is_left()
    {
        const int size = 8 * 1024 * 1024;
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var sent = RandomNumberGenerator.GetBytes(size);
        await using (var stream = await elm.Host.OpenStreamAsync(oak.Self, "/echo/1"))
        {
            await using var bytes = stream.AsStream();
            var write = Task.Run(async () =>
            {
                await bytes.WriteAsync(sent);
                await stream.Output.CompleteAsync();
            });
            var received = new byte[size];
            await bytes.ReadExactlyAsync(received).AsTask().WaitAsync(TestHost.Patience);
            await write;
            Assert.Equal(0, await bytes.ReadAsync(new byte[1]));
            Assert.Equal(SHA256.HashData(sent), SHA256.HashData(received));
        }
        await Eventually.TrueAsync(() => oak.Host.Connections.Concat(elm.Host.Connections).All(c => c.StreamCount == 0), "all streams ended");
    }

    [Fact]
    public async Task Streams_opened_while_the_connection_is_busy_all_get_through()
    {
        // Goal: the opening frame of a stream and its first data never miss each other in the writer; a lost turn would hang.
        // Method: fresh pairs, so that identify, three streams and their acknowledgements meet in the first milliseconds.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            for (var round = 0; round < 50; round++)
            {
                await using var oak = (await TestHost.StartAsync()).Echoes();
                await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
                await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
                {
                    await using var stream = await elm.Host.OpenStreamAsync(oak.Self, "/echo/1").AsTask().WaitAsync(TestHost.Patience);
                    await stream.Output.WriteAsync(new byte[10_000]);
                    await stream.Output.CompleteAsync();
                    Assert.Equal(10_000, (await ReadTextAsync(stream.Input)).Length);
                }));
            }
        }));
    }

    [Fact]
    public async Task Both_sides_know_who_is_there_and_events_come_in_order()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var news = new System.Collections.Concurrent.ConcurrentQueue<string>();
        oak.Host.PeerConnected += p => news.Enqueue($"+{p}");
        oak.Host.PeerDisconnected += p => news.Enqueue($"-{p}");
        _ = await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => !news.IsEmpty, "oak heard of elm");
        elm.Host.Disconnect(oak.Self);
        await Eventually.TrueAsync(() => news.Count == 2 && elm.Host.Connections.Count == 0, "both heard of the end");
        Assert.Equal([$"+{elm.Self}", $"-{elm.Self}"], news);
        Assert.Empty(oak.Host.Connections);
    }

    [Fact]
    public async Task A_peer_with_another_key_is_refused()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(listen: false);
        var expected = MultiaddrTests.RandomPeer();
        elm.Host.AddAddresses(expected, [oak.Address]);
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(expected));
        Assert.Equal(Libp2pError.WrongPeer, failure.Error);
        Assert.Empty(elm.Host.Connections);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 0, "oak dropped it too");
    }

    [Fact]
    public async Task A_node_does_not_connect_to_itself()
    {
        await using var oak = await TestHost.StartAsync();
        oak.Knows(oak);
        Assert.Equal(Libp2pError.WrongPeer, (await Assert.ThrowsAsync<Libp2pException>(async () => await oak.Host.ConnectAsync(oak.Self))).Error);
    }

    [Fact]
    public async Task A_protocol_that_is_not_served_is_reported_and_costs_no_connection()
    {
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var connection = await elm.Host.ConnectAsync(oak.Self);
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.OpenStreamAsync(oak.Self, "/nothing/1"));
        Assert.Equal(Libp2pError.ProtocolNotSupported, failure.Error);
        Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);
        Assert.Same(connection, Assert.Single(elm.Host.Connections));
    }

    [Fact]
    public async Task A_known_protocol_that_is_gone_meanwhile_fails_at_the_first_read()
    {
        // Goal: lazy negotiation never lets a refused stream look like an empty one. Method: identify, then stop serving.
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var connection = await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => connection.Identified is not null, "identified");
        oak.Host.StopHandling("/echo/1");
        await using var stream = await elm.Host.OpenStreamAsync(oak.Self, "/echo/1");
        await stream.Output.WriteAsync("data"u8.ToArray());
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await stream.Input.ReadAsync().AsTask().WaitAsync(TestHost.Patience));
        Assert.Equal(Libp2pError.ProtocolNotSupported, failure.Error);
    }

    [Fact]
    public async Task Concurrent_callers_share_one_dial()
    {
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var connections = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => elm.Host.ConnectAsync(oak.Self).AsTask()));
        Assert.All(connections, c => Assert.Same(connections[0], c));
        Assert.Single(elm.Host.Connections);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count > 0, "oak has it in its table");
        Assert.Single(oak.Host.Connections);
    }

    [Fact]
    public async Task A_simultaneous_dial_ends_with_one_connection_that_both_prefer()
    {
        var limits = Libp2pLimits.Default with { SimultaneousDial = TimeSpan.FromMilliseconds(400) };
        await using var oak = (await TestHost.StartAsync(limits)).Echoes();
        await using var elm = (await TestHost.StartAsync(limits)).Echoes().Knows(oak);
        oak.Knows(elm);
        for (var round = 0; round < 5; round++)
        {
            await Task.WhenAll(oak.Host.ConnectAsync(elm.Self).AsTask(), elm.Host.ConnectAsync(oak.Self).AsTask());
            await Eventually.TrueAsync(() => oak.Host.Connections.Count == 1 && elm.Host.Connections.Count == 1, "the spare one is closed");
            Assert.True(await oak.Host.PingAsync(elm.Self) > TimeSpan.Zero);
            Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);
            oak.Host.Disconnect(elm.Self);
            await Eventually.TrueAsync(() => oak.Host.Connections.Count == 0 && elm.Host.Connections.Count == 0, "disconnected");
        }
    }

    [Fact]
    public async Task After_a_failed_dial_the_peer_is_left_alone_until_an_address_is_new()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(Libp2pLimits.Default with { DialBackoff = TimeSpan.FromHours(1), MaxDialBackoff = TimeSpan.FromHours(1) }, listen: false);
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var dead = Multiaddr.FromEndPoint((IPEndPoint)closed.LocalEndpoint);
        closed.Stop();
        elm.Host.AddAddresses(oak.Self, [dead]);
        Assert.Equal(Libp2pError.Unreachable, (await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(oak.Self))).Error);
        var again = await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(oak.Self));
        Assert.Contains("not tried again yet", again.Message, StringComparison.Ordinal);
        Assert.True(again.IsRefused);
        elm.Knows(oak);
        Assert.Equal(oak.Self, (await elm.Host.ConnectAsync(oak.Self)).RemotePeer);
    }

    [Fact]
    public async Task An_unknown_peer_is_unreachable_at_once()
    {
        await using var elm = await TestHost.StartAsync(listen: false);
        Assert.Equal(Libp2pError.Unreachable, (await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(MultiaddrTests.RandomPeer()))).Error);
    }

    [Fact]
    public async Task Dead_addresses_do_not_keep_a_good_one_from_being_found()
    {
        // A socket that accepts nothing (its backlog is there, but nobody answers the handshake) and a closed port, before the good one.
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(Libp2pLimits.Default with { HandshakeTimeout = TimeSpan.FromSeconds(2) }, listen: false);
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        elm.Host.AddAddresses(oak.Self, [Multiaddr.FromEndPoint((IPEndPoint)silent.LocalEndpoint), Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 1)), oak.Address]);
        Assert.Equal(oak.Address, (await elm.Host.ConnectAsync(oak.Self).AsTask().WaitAsync(TestHost.Patience)).RemoteAddress);
    }

    // Goal: only a peer whose machine says that nothing listens there is taken for gone. Method: a closed port; beside it a silent one, and none at all.
    [Fact]
    public async Task Whether_all_addresses_refused_is_told()
    {
        await using var elm = await TestHost.StartAsync(Libp2pLimits.Default with { HandshakeTimeout = TimeSpan.FromMilliseconds(100) }, listen: false);
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var refusing = Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 1));
        Assert.True((await FailedAsync([refusing, refusing.WithIP(IPAddress.Parse("127.0.0.2"))])).IsRefused);
        Assert.False((await FailedAsync([refusing, Multiaddr.FromEndPoint((IPEndPoint)silent.LocalEndpoint)])).IsRefused);
        Assert.False((await FailedAsync([])).IsRefused);

        async Task<Libp2pException> FailedAsync(IReadOnlyList<Multiaddr> addresses)
        {
            var peer = MultiaddrTests.RandomPeer();
            elm.Host.AddAddresses(peer, addresses);
            return await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(peer));
        }
    }

    [Fact]
    public async Task A_name_is_resolved()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(listen: false);
        Assert.True(Multiaddr.TryParse($"/dns4/localhost/tcp/{oak.Address.Port}", out var name));
        elm.Host.AddAddresses(oak.Self, [name]);
        Assert.Equal(oak.Self, (await elm.Host.ConnectAsync(oak.Self)).RemotePeer);
    }

    [Fact]
    public async Task An_idle_connection_is_closed_and_one_with_a_stream_is_not()
    {
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var busy = (await TestHost.StartAsync(Libp2pLimits.Default with { IdleTimeout = TimeSpan.FromMilliseconds(200) }, listen: false)).Knows(oak);
        await using (var stream = await busy.Host.OpenStreamAsync(oak.Self, "/echo/1"))
        {
            var connection = busy.Host.Connections[0];
            Assert.True(connection.Idle < TimeSpan.FromMilliseconds(200));
            await stream.Output.WriteAsync("x"u8.ToArray());
            await stream.Output.CompleteAsync();
            Assert.Equal("x", await ReadTextAsync(stream.Input));
        }
        await Eventually.TrueAsync(() => busy.Host.Connections.Count == 0 && oak.Host.Connections.Count == 0, "closed when idle");
        // Opening a stream later dials again.
        Assert.True(await busy.Host.PingAsync(oak.Self) > TimeSpan.Zero);
    }

    [Fact]
    public async Task A_handler_that_fails_resets_its_stream_only()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        oak.Host.Handle("/broken/1", async (stream, token) =>
        {
            await stream.Input.ReadAsync(token);
            throw new InvalidOperationException("a bug");
        });
        await using var stream = await elm.Host.OpenStreamAsync(oak.Self, "/broken/1");
        await stream.Output.WriteAsync("x"u8.ToArray());
        Assert.Equal(Libp2pError.Reset, (await Assert.ThrowsAsync<Libp2pException>(async () => await stream.Input.ReadAsync().AsTask().WaitAsync(TestHost.Patience))).Error);
        Assert.True(await elm.Host.PingAsync(oak.Self) > TimeSpan.Zero);
    }

    [Fact]
    public async Task A_reset_cancels_the_handler_of_the_other_side()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        var started = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        oak.Host.Handle("/wait/1", async (_, token) =>
        {
            started.SetResult();
            await Task.Delay(Timeout.Infinite, token).ContinueWith(_ => { }, TaskScheduler.Default);
            cancelled.SetResult();
        });
        var stream = await elm.Host.OpenStreamAsync(oak.Self, "/wait/1");
        await started.Task.WaitAsync(TestHost.Patience);
        stream.Reset();
        await cancelled.Task.WaitAsync(TestHost.Patience);
        Assert.True(stream.Closed.WaitHandle.WaitOne(TestHost.Patience));
        await Eventually.TrueAsync(() => elm.Host.Connections[0].StreamCount == 0, "no stream is left after a reset alone");
    }

    [Fact]
    public async Task Stopping_ends_handlers_and_refuses_further_work()
    {
        var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Knows(oak);
        oak.Host.Handle("/wait/1", async (_, token) => await Task.Delay(Timeout.Infinite, token));
        await using var stream = await elm.Host.OpenStreamAsync(oak.Self, "/wait/1");
        await oak.DisposeAsync().AsTask().WaitAsync(TestHost.Patience);
        await Assert.ThrowsAsync<Libp2pException>(async () => await stream.Input.ReadAsync().AsTask().WaitAsync(TestHost.Patience));
        Assert.Equal(Libp2pError.Stopped, (await Assert.ThrowsAsync<Libp2pException>(async () => await oak.Host.ConnectAsync(elm.Self))).Error);
    }

    [Fact]
    public async Task Listening_on_a_taken_port_a_foreign_address_or_a_name_says_so()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(listen: false);
        var taken = await Assert.ThrowsAsync<PcException>(() => elm.Host.ListenAsync(oak.Address, CancellationToken.None));
        Assert.Equal(ErrorCode.MeshPortTaken, taken.Code);
        Assert.Contains(oak.Address.Port.ToString()!, taken.Message, StringComparison.Ordinal);
        foreach (var text in new[] { "/ip4/192.0.2.1/tcp/0", "/dns4/localhost/tcp/0", "/ip4/127.0.0.1" })
        {
            Assert.True(Multiaddr.TryParse(text, out var address));
            Assert.Equal(ErrorCode.MeshAddressUnusable, (await Assert.ThrowsAsync<PcException>(() => elm.Host.ListenAsync(address, CancellationToken.None))).Code);
        }
    }

    [Fact]
    public void A_port_that_needs_rights_has_an_error_of_its_own()
    {
        // Root may use every port, so the translation is tested alone.
        var error = Libp2pHost.Explain(new SocketException((int)SocketError.AccessDenied), TestHost.AnyPort, new IPEndPoint(IPAddress.Loopback, 80));
        Assert.Equal(ErrorCode.MeshPortDenied, error.Code);
    }

    [Fact]
    public async Task An_any_address_is_shown_as_the_addresses_of_the_machine()
    {
        await using var oak = await TestHost.StartAsync(listen: false);
        Assert.True(Multiaddr.TryParse("/ip4/0.0.0.0/tcp/0", out var any));
        var bound = await oak.Host.ListenAsync(any, CancellationToken.None);
        Assert.Contains(oak.Host.ListenAddresses, a => a.Host == "127.0.0.1" && a.Port == bound.Port);
        Assert.DoesNotContain(oak.Host.ListenAddresses, a => a.Host == "0.0.0.0");
    }

    internal static async Task<string> ReadTextAsync(PipeReader input)
    {
        while (true)
        {
            var result = await input.ReadAsync().AsTask().WaitAsync(TestHost.Patience);
            if (result.IsCompleted) return System.Text.Encoding.UTF8.GetString(result.Buffer.ToArray());
            input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }
}
