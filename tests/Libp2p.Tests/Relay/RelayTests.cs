using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using PeoplesCloud.Libp2p.Relay;
using PeoplesCloud.Libp2p.Tests.Hosts;

namespace PeoplesCloud.Libp2p.Tests.Relay;

/// <summary>Real hosts on loopback: fir listens nowhere, so that only elm, the relay, leads to it.</summary>
public sealed class RelayTests : IAsyncLifetime
{
    private readonly List<TestHost> _hosts = [];
    private TestHost _oak = null!;
    private TestHost _elm = null!;
    private TestHost _fir = null!;

    public async ValueTask InitializeAsync()
    {
        _oak = await StartAsync();
        _elm = await StartAsync();
        _fir = (await StartAsync(listen: false)).Knows(_elm).Echoes();
        _elm.Host.ServeRelay(RelayPolicy.Everybody);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts) await host.DisposeAsync();
    }

    [Fact]
    public async Task Who_cannot_be_dialled_is_reached_through_the_relay_and_proves_who_it_is()
    {
        var reservation = await _fir.Host.ReserveAsync(_elm.Self, default);
        Assert.True(reservation.Expires > DateTimeOffset.UnixEpoch);
        Assert.Equal($"{_elm.Address}/p2p/{_elm.Self}/p2p-circuit", reservation.Addresses[0].ToString());
        _oak.Host.AddAddresses(_fir.Self, reservation.Addresses);

        Assert.Equal("hello", await EchoAsync(_oak, _fir, "hello"));
        var connection = Assert.Single(_oak.Host.Connections, c => c.RemotePeer == _fir.Self);
        Assert.True(connection.IsRelayed);
        Assert.Equal(_elm.Self, connection.RemoteAddress.Relay);
        Assert.True(Assert.Single(_fir.Host.Connections, c => c.RemotePeer == _oak.Self).IsRelayed);
        Assert.Equal((1, 1), (_elm.Host.RelayUse!.Reservations, _elm.Host.RelayUse.Circuits));

        // Back over the same connection: oak serves too.
        _oak.Echoes();
        Assert.Equal("and back", await EchoAsync(_fir, _oak, "and back"));
    }

    [Fact]
    public async Task Megabytes_pass_through_and_are_counted()
    {
        await MeetAsync();
        var payload = new byte[4 << 20];
        System.Security.Cryptography.RandomNumberGenerator.Fill(payload);
        await using var stream = await _oak.Host.OpenStreamAsync(_fir.Self, "/echo/1");
        var reading = ReadToEndAsync(stream.Input);
        await stream.Output.WriteAsync(payload);
        await stream.Output.CompleteAsync();
        Assert.Equal(payload, await reading.WaitAsync(TestHost.Patience));
        Assert.True(_elm.Host.RelayUse!.Bytes > 2 * payload.Length);
    }

    [Fact]
    public async Task A_relay_that_plays_the_other_end_is_found_out()
    {
        // Elm says that the circuit stands, and answers the handshake itself.
        _elm.Host.Handle(RelayService.HopProtocol, async (stream, token) =>
        {
            await RelayMessage.ReadAsync(stream.Input, isHop: true, Libp2pLimits.Default, token);
            await stream.Output.WriteAsync(RelayMessage.Answer(RelayStatus.Ok).Encode(isHop: true), token);
            await _elm.Host.WelcomeAsync(stream.AsStream(), stream.RemoteAddress);
        });
        _oak.Host.AddAddresses(_fir.Self, [_elm.Address.WithPeer(_elm.Self).ThroughRelay()]);
        var refused = await Assert.ThrowsAsync<Libp2pException>(async () => await _oak.Host.ConnectAsync(_fir.Self));
        Assert.Equal(Libp2pError.WrongPeer, refused.Error);
    }

    [Fact]
    public async Task Who_the_owner_does_not_serve_is_refused()
    {
        _elm.Host.ServeRelay(new RelayPolicy(peer => peer == _fir.Self, (from, to) => from == _oak.Self && to == _fir.Self ? RelayGrant.Full : RelayGrant.None));
        var stranger = (await StartAsync()).Knows(_elm);
        await _fir.Host.ReserveAsync(_elm.Self, default);
        Assert.Contains("does not serve us", (await Assert.ThrowsAsync<Libp2pException>(async () => await stranger.Host.ReserveAsync(_elm.Self, default))).Message, StringComparison.Ordinal);
        Assert.Equal(RelayStatus.PermissionDenied, await AskAsync(stranger, new RelayMessage(RelayMessageType.Connect) { Peer = _fir.Self }));
        // It does not learn either who is there.
        Assert.Equal(RelayStatus.PermissionDenied, await AskAsync(stranger, new RelayMessage(RelayMessageType.Connect) { Peer = _oak.Self }));
        Assert.Equal(1, _elm.Host.RelayUse!.Reservations);
        _oak.Host.AddAddresses(_fir.Self, [_elm.Address.WithPeer(_elm.Self).ThroughRelay()]);
        Assert.Equal("served", await EchoAsync(_oak, _fir, "served"));
    }

    [Fact]
    public async Task The_relay_answers_with_the_codes_of_the_specification()
    {
        _oak.Knows(_elm);
        Assert.Equal(RelayStatus.NoReservation, await AskAsync(_oak, new RelayMessage(RelayMessageType.Connect) { Peer = _fir.Self }));
        Assert.Equal(RelayStatus.PermissionDenied, await AskAsync(_oak, new RelayMessage(RelayMessageType.Connect) { Peer = _oak.Self }));
        Assert.Equal(RelayStatus.UnexpectedMessage, await AskAsync(_oak, RelayMessage.Answer(RelayStatus.Ok)));
        Assert.Equal(RelayStatus.MalformedMessage, await AskAsync(_oak, [0x02, 0xff, 0xff]));
        Assert.Equal(RelayStatus.MalformedMessage, await AskAsync(_oak, [0xff, 0xff, 0x7f])); // two megabytes are announced
        Assert.Equal(RelayStatus.Ok, await AskAsync(_oak, new RelayMessage(RelayMessageType.Reserve)));
        // Oak's client did not ask for that place itself: it takes no circuit from this relay.
        Assert.Equal(RelayStatus.ConnectionFailed, await AskAsync(_fir, new RelayMessage(RelayMessageType.Connect) { Peer = _oak.Self }));
    }

    [Fact]
    public async Task A_place_ends_with_the_connection()
    {
        await MeetAsync();
        _fir.Host.Disconnect(_elm.Self);
        await Eventually.TrueAsync(() => _elm.Host.RelayUse!.Reservations == 0, "the place is free");
        await Eventually.TrueAsync(() => _fir.Host.Reservations.Count == 0, "fir knows it");
    }

    [Fact]
    public async Task Who_is_disconnected_loses_every_connection_with_the_streams_on_them()
    {
        await MeetAsync();
        await using var relayed = await _oak.Host.OpenStreamAsync(_fir.Self, "/echo/1"); // keeps the relayed connection
        _fir.Knows(_oak.Echoes());
        await _fir.Host.ConnectDirectlyAsync(_oak.Self);
        await using var direct = await _fir.Host.OpenStreamAsync(_oak.Self, "/echo/1");
        await using var bulk = await _fir.Host.OpenStreamAsync(_oak.Self, "/echo/1", StreamUse.Bulk);
        foreach (var stream in new[] { relayed, direct, bulk })
        {
            await stream.Output.WriteAsync("there"u8.ToArray());
            stream.Input.AdvanceTo((await stream.Input.ReadAtLeastAsync(5)).Buffer.End);
        }
        var ways = _oak.Host.Connections.Where(c => c.RemotePeer == _fir.Self).ToList();
        Assert.Contains(ways, c => c.IsRelayed);
        Assert.Contains(ways, c => !c.IsRelayed && c.Use == StreamUse.Quick);
        Assert.Contains(ways, c => c.Use == StreamUse.Bulk);

        _oak.Host.Disconnect(_fir.Self);
        foreach (var stream in new[] { relayed, direct, bulk })
            await Assert.ThrowsAnyAsync<IOException>(async () => await stream.Input.ReadAsync().AsTask().WaitAsync(TestHost.Patience));
        await Eventually.TrueAsync(() => _oak.Host.Connections.All(c => c.RemotePeer != _fir.Self) && _fir.Host.Connections.All(c => c.RemotePeer != _oak.Self), "nothing is left between them");
        await Eventually.TrueAsync(() => _elm.Host.RelayUse!.Circuits == 0, "the relay knows it");
    }

    [Fact]
    public async Task The_connection_of_a_place_is_kept_though_nothing_passes()
    {
        var limits = Libp2pLimits.Default with { IdleTimeout = TimeSpan.FromMilliseconds(200) };
        var elm = await StartAsync(limits);
        elm.Host.ServeRelay(RelayPolicy.Everybody);
        var (fir, other) = ((await StartAsync(limits, listen: false)).Knows(elm), (await StartAsync(limits, listen: false)).Knows(elm));
        await fir.Host.ReserveAsync(elm.Self, default);
        await other.Host.ConnectAsync(elm.Self, default);
        await Eventually.TrueAsync(() => elm.Host.Connections.All(c => c.RemotePeer != other.Self), "the connection without a place is closed");
        Assert.Contains(elm.Host.Connections, c => c.RemotePeer == fir.Self);
        fir.Host.ForgetReservation(elm.Self);
        Assert.Empty(fir.Host.Reservations);
    }

    [Fact]
    public async Task A_circuit_ends_at_its_bytes()
    {
        var limits = Libp2pLimits.Default with { Relay = new RelayLimits { MaxCircuitBytes = 256 << 10 } };
        await MeetAsync(limits);
        await using var stream = await _oak.Host.OpenStreamAsync(_fir.Self, "/echo/1");
        var reading = ReadToEndAsync(stream.Input);
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            for (var i = 0; i < 1024; i++)
            {
                if ((await stream.Output.WriteAsync(new byte[4096])).IsCompleted) throw new IOException("the circuit is closed");
            }
            await reading.WaitAsync(TestHost.Patience);
        });
        Assert.InRange(_elm.Host.RelayUse!.Bytes, 1, 2 * (256 << 10));
    }

    [Fact]
    public async Task A_guest_may_introduce_itself_and_no_more()
    {
        _elm = await StartAsync(Libp2pLimits.Default with { Relay = new RelayLimits { MaxGuestBytes = 64 << 10 } });
        _elm.Host.ServeRelay(new RelayPolicy(_ => true, (_, _) => RelayGrant.Guest));
        _fir.Knows(_elm);
        _oak.Host.AddAddresses(_fir.Self, (await _fir.Host.ReserveAsync(_elm.Self, default)).Addresses);
        Assert.Equal("hello", await EchoAsync(_oak, _fir, "hello"));
        await Assert.ThrowsAnyAsync<IOException>(() => EchoAsync(_oak, _fir, new string('x', 128 << 10)));
    }

    [Fact]
    public async Task A_circuit_ends_at_its_time()
    {
        await MeetAsync(Libp2pLimits.Default with { Relay = new RelayLimits { MaxCircuitDuration = TimeSpan.FromMilliseconds(300) } });
        await Eventually.TrueAsync(() => _elm.Host.RelayUse!.Circuits == 0, "the circuit is closed");
        await Eventually.TrueAsync(() => _oak.Host.Connections.All(c => c.RemotePeer != _fir.Self), "its connection too");
    }

    [Fact]
    public async Task No_relay_behind_a_relay()
    {
        await MeetAsync();
        _fir.Host.ServeRelay(RelayPolicy.Everybody);
        // Fir is reached through elm: that is no direct connection, and fir serves none over it.
        await Assert.ThrowsAsync<Libp2pException>(async () => await _oak.Host.ReserveAsync(_fir.Self, default));
        await using var stream = await _oak.Host.OpenStreamAsync(_fir.Self, RelayService.HopProtocol);
        await stream.Output.WriteAsync(new RelayMessage(RelayMessageType.Reserve).Encode(isHop: true));
        var answer = await RelayMessage.ReadAsync(stream.Input, isHop: true, Libp2pLimits.Default, default);
        Assert.Equal(RelayStatus.PermissionDenied, answer!.Status);
    }

    [Fact]
    public async Task A_direct_connection_takes_over_and_the_relayed_one_goes()
    {
        var limits = Libp2pLimits.Default with { SimultaneousDial = TimeSpan.FromMilliseconds(200) };
        var oak = (await StartAsync(limits)).Knows(_elm);
        await _fir.Host.ReserveAsync(_elm.Self, default);
        oak.Host.AddAddresses(_fir.Self, [_elm.Address.WithPeer(_elm.Self).ThroughRelay()]);
        Assert.True((await oak.Host.ConnectAsync(_fir.Self, default)).IsRelayed);

        var open = await _fir.Host.ListenAsync(TestHost.AnyPort);
        oak.Host.AddAddresses(_fir.Self, [open]);
        Assert.False((await oak.Host.ConnectDirectlyAsync(_fir.Self, default)).IsRelayed);
        Assert.False((await oak.Host.ConnectAsync(_fir.Self, default)).IsRelayed);
        Assert.Equal("direct", await EchoAsync(oak, _fir, "direct"));
        await Eventually.TrueAsync(() => oak.Host.Connections.All(c => !c.IsRelayed), "the relayed connection is closed");
        Assert.Contains(oak.Host.Connections, c => c.RemotePeer == _fir.Self);
    }

    private async Task<TestHost> StartAsync(Libp2pLimits? limits = null, bool listen = true)
    {
        var host = await TestHost.StartAsync(limits, listen: listen);
        _hosts.Add(host);
        return host;
    }

    /// <summary>Oak and fir are connected through elm.</summary>
    private async Task MeetAsync(Libp2pLimits? relay = null)
    {
        if (relay is not null)
        {
            _elm = await StartAsync(relay);
            _elm.Host.ServeRelay(RelayPolicy.Everybody);
            _fir.Knows(_elm);
        }
        var reservation = await _fir.Host.ReserveAsync(_elm.Self, default);
        _oak.Host.AddAddresses(_fir.Self, reservation.Addresses);
        Assert.True((await _oak.Host.ConnectAsync(_fir.Self)).IsRelayed);
    }

    private Task<RelayStatus> AskAsync(TestHost from, RelayMessage message) => AskAsync(from, message.Encode(isHop: true));

    private async Task<RelayStatus> AskAsync(TestHost from, byte[] message)
    {
        await using var stream = await from.Host.OpenStreamAsync(_elm.Self, RelayService.HopProtocol);
        await stream.Output.WriteAsync(message);
        return (await RelayMessage.ReadAsync(stream.Input, isHop: true, Libp2pLimits.Default, default))!.Status;
    }

    private static async Task<string> EchoAsync(TestHost from, TestHost to, string text)
    {
        await using var stream = await from.Host.OpenStreamAsync(to.Self, "/echo/1");
        await stream.Output.WriteAsync(Encoding.UTF8.GetBytes(text));
        await stream.Output.CompleteAsync();
        return Encoding.UTF8.GetString(await ReadToEndAsync(stream.Input).WaitAsync(TestHost.Patience));
    }

    private static async Task<byte[]> ReadToEndAsync(PipeReader input)
    {
        var all = new ArrayBufferWriter<byte>();
        while (true)
        {
            var result = await input.ReadAsync();
            foreach (var segment in result.Buffer) all.Write(segment.Span);
            input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted) return all.WrittenSpan.ToArray();
        }
    }
}
