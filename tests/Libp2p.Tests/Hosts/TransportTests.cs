using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Libp2p.Connections;
using PeoplesCloud.Libp2p.Tests.Noise;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>Connections over other streams of bytes than our own sockets.</summary>
public sealed class TransportTests
{
    [Fact]
    public async Task Any_stream_of_bytes_becomes_a_connection()
    {
        await using var oak = await TestHost.StartAsync(listen: false);
        await using var fir = await TestHost.StartAsync(listen: false);
        var relayed = RelayedAddress();
        oak.Host.AddTransport(new MemoryTransport(fir.Host));
        oak.Host.AddAddresses(fir.Self, [relayed]);

        var connection = await oak.Host.ConnectAsync(fir.Self);
        await oak.Host.PingAsync(fir.Self);

        Assert.True(connection.IsRelayed);
        Assert.Equal(relayed, connection.RemoteAddress);
        Assert.True(Assert.Single(fir.Host.Connections).IsRelayed);
    }

    [Fact]
    public async Task A_direct_connection_is_preferred_to_a_relayed_one_of_any_age()
    {
        await using var oak = await TestHost.StartAsync();
        await using var fir = await TestHost.StartAsync(listen: false);
        fir.Knows(oak);
        var direct = await fir.Host.ConnectAsync(oak.Self);
        // The relayed one is newer, and was made long before or after: neither counts.
        var (near, far) = MemoryDuplex.Create();
        _ = fir.Host.WelcomeAsync(far, RelayedAddress());
        await oak.Host.UpgradeAsync(near, RelayedAddress(), fir.Self, isOutbound: true, StreamUse.Quick, CancellationToken.None);
        await Eventually.TrueAsync(() => fir.Host.Connections.Count == 2, "the relayed connection is in the table");

        Assert.Same(direct, await fir.Host.ConnectAsync(oak.Self));
        Assert.False((await oak.Host.ConnectAsync(fir.Self)).IsRelayed);
    }

    [Fact]
    public async Task Direct_addresses_are_tried_before_relayed_ones()
    {
        await using var oak = await TestHost.StartAsync(listen: false);
        await using var fir = await TestHost.StartAsync();
        var transport = new MemoryTransport(fir.Host);
        oak.Host.AddTransport(transport);
        oak.Host.AddAddresses(fir.Self, [RelayedAddress(), fir.Address]);

        Assert.False((await oak.Host.ConnectAsync(fir.Self)).IsRelayed);
        Assert.Equal(0, transport.Dials);
    }

    [Fact]
    public async Task A_transport_that_fails_is_one_reason_among_the_others()
    {
        await using var oak = await TestHost.StartAsync(listen: false);
        await using var fir = await TestHost.StartAsync(listen: false);
        var through = Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 1)).WithPeer(oak.Self).ThroughRelay(); // oneself is no relay
        oak.Host.AddAddresses(fir.Self, [through]);
        var nobody = await Assert.ThrowsAsync<Libp2pException>(async () => await oak.Host.ConnectAsync(fir.Self));
        Assert.Contains($"{through}: addresses of this kind are not dialed here", nobody.Message, StringComparison.Ordinal);

        oak.Host.AddTransport(new MemoryTransport(null));
        var relayed = RelayedAddress();
        oak.Host.AddAddresses(fir.Self, [relayed]); // a new address ends the pause
        var refused = await Assert.ThrowsAsync<Libp2pException>(async () => await oak.Host.ConnectAsync(fir.Self));
        Assert.Equal(Libp2pError.Unreachable, refused.Error);
        Assert.Contains($"{relayed}: the relay does not answer", refused.Message, StringComparison.Ordinal);
    }

    // Goal: who names an address while a dial of the old ones runs, and waits for that dial, is connected. Method: the old one fails when the new one is known.
    [Fact]
    public async Task An_address_that_is_named_while_a_dial_runs_is_tried_by_it()
    {
        await using var oak = await TestHost.StartAsync(listen: false);
        await using var fir = await TestHost.StartAsync();
        var transport = new WaitingTransport();
        oak.Host.AddTransport(transport);
        oak.Host.AddAddresses(fir.Self, [RelayedAddress()]);
        var first = oak.Host.ConnectAsync(fir.Self).AsTask();
        await transport.Dialed.Task.WaitAsync(TestHost.Patience);

        oak.Knows(fir);
        var second = oak.Host.ConnectAsync(fir.Self).AsTask();
        transport.Fail.SetResult();

        Assert.False((await first.WaitAsync(TestHost.Patience)).IsRelayed);
        Assert.Same(await first, await second);
    }

    private static Multiaddr RelayedAddress() => Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 1)).WithPeer(MultiaddrTests.RandomPeer()).ThroughRelay();

    /// <summary>Dials relayed addresses by a pair of streams in memory, whose other end a host takes in.</summary>
    private sealed class MemoryTransport(Libp2pHost? target) : IDialTransport
    {
        public int Dials { get; private set; }

        public bool CanDial(Multiaddr address) => address.IsRelayed;

        public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken)
        {
            Dials++;
            await Task.Yield();
            if (target is null) throw new SocketException((int)SocketError.HostUnreachable, "the relay does not answer");
            Assert.Equal(target.Self, address.Peer);
            var (near, far) = MemoryDuplex.Create();
            _ = target.WelcomeAsync(far, address.WithoutPeer());
            return near;
        }
    }

    /// <summary>Takes relayed addresses, and fails when it is told to.</summary>
    private sealed class WaitingTransport : IDialTransport
    {
        public TaskCompletionSource Dialed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Fail { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool CanDial(Multiaddr address) => address.IsRelayed;

        public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken)
        {
            Dialed.SetResult();
            await Fail.Task.WaitAsync(cancellationToken);
            throw new SocketException((int)SocketError.HostUnreachable, "the relay does not answer");
        }
    }
}
