using PeoplesCloud.Libp2p.Relay;
using PeoplesCloud.Libp2p.Tests.Hosts;

namespace PeoplesCloud.Libp2p.Tests.Relay;

/// <summary>Without routers; the end-to-end tests have them.</summary>
public sealed class HolePunchTests
{
    [Theory]
    [InlineData("03 08ac02", true)] // SYNC
    [InlineData("0c 0864 12 08 047f000001061092", false)]
    public void Messages_have_the_bytes_of_the_specification(string hex, bool isSync)
    {
        var bytes = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        Assert.True(Multiaddr.TryParse("/ip4/127.0.0.1/tcp/4242", out var address));
        var message = new HolePunchMessage(isSync, isSync ? [] : [address]);
        Assert.Equal(Convert.ToHexStringLower(bytes), Convert.ToHexStringLower(message.Encode()));
        Assert.True(HolePunchMessage.TryRead(bytes.AsSpan(1), out var read));
        Assert.Equal(message.Addresses, read.Addresses);
        for (var length = 1; length < bytes.Length - 1; length++) Assert.False(HolePunchMessage.TryRead(bytes.AsSpan(1, length), out var part) && part.Addresses.Count == 1);
    }

    [Fact]
    public async Task Both_ends_dial_at_once_from_their_ports_and_meet()
    {
        await using var oak = await TestHost.StartAsync();
        await using var fir = await TestHost.StartAsync();
        for (var i = 0; i < 20; i++)
        {
            var met = await Task.WhenAll(
                oak.Host.PunchAsync(fir.Self, [fir.Address], isInitiator: true, CancellationToken.None),
                fir.Host.PunchAsync(oak.Self, [oak.Address], isInitiator: false, CancellationToken.None));
            Assert.Equal([true, true], met);
            Assert.Contains(oak.Host.Connections, connection => connection.IsPunched);
            await oak.Host.PingAsync(fir.Self);
            await fir.Host.PingAsync(oak.Self);
            oak.Host.Disconnect(fir.Self);
            fir.Host.Disconnect(oak.Self);
            await Eventually.TrueAsync(() => oak.Host.Connections.Count == 0 && fir.Host.Connections.Count == 0, "they parted");
        }
    }

    [Fact]
    public async Task Who_was_to_wait_and_speaks_first_is_answered()
    {
        // What js-libp2p does: it dials from a new port, and as the initiator in either role.
        await using var oak = await TestHost.StartAsync();
        await using var fir = (await TestHost.StartAsync(listen: false)).Knows(oak);
        Assert.True(Multiaddr.TryParse("/ip4/127.0.0.1/tcp/1", out var nobodyThere));
        var punch = oak.Host.PunchAsync(fir.Self, [nobodyThere], isInitiator: true, CancellationToken.None);
        Assert.False((await fir.Host.ConnectAsync(oak.Self)).IsRelayed);
        Assert.True(await punch);
        await oak.Host.PingAsync(fir.Self);
    }

    [Fact]
    public async Task A_relayed_connection_becomes_direct_though_no_end_knows_an_address_of_the_other()
    {
        await using var elm = await TestHost.StartAsync();
        elm.Host.ServeRelay(RelayPolicy.Everybody);
        await using var oak = (await TestHost.StartAsync()).Knows(elm);
        await using var fir = (await TestHost.StartAsync()).Knows(elm);
        await fir.Host.ReserveAsync(elm.Self);
        oak.Host.AddAddresses(fir.Self, [elm.Address.WithPeer(elm.Self).ThroughRelay()]);
        // Identify says nothing of where they listen, as behind routers: only the relay sees it.
        oak.Host.Handle("/ipfs/id/1.0.0", (_, _) => Task.CompletedTask);
        fir.Host.Handle("/ipfs/id/1.0.0", (_, _) => Task.CompletedTask);
        Assert.True((await oak.Host.ConnectAsync(fir.Self)).IsRelayed);
        await Eventually.TrueAsync(() => oak.Host.Connections.Any(c => c.RemotePeer == fir.Self && !c.IsRelayed), "they met");
        Assert.False((await oak.Host.ConnectAsync(fir.Self)).IsRelayed);
    }

    [Fact]
    public async Task Nobody_is_made_to_dial_by_a_peer_that_is_here_directly()
    {
        await using var oak = await TestHost.StartAsync();
        await using var fir = (await TestHost.StartAsync()).Knows(oak);
        await Assert.ThrowsAsync<Libp2pException>(async () =>
        {
            await using var stream = await fir.Host.OpenStreamAsync(oak.Self, HolePuncher.Protocol);
            await stream.Output.WriteAsync(new HolePunchMessage(false, []).Encode());
            await stream.Input.ReadAsync();
        });
    }

    [Fact]
    public async Task The_port_that_one_node_has_is_refused_to_another()
    {
        await using var oak = await TestHost.StartAsync();
        await using var fir = await TestHost.StartAsync(listen: false);
        var taken = await Assert.ThrowsAsync<Base.PcException>(() => fir.Host.ListenAsync(oak.Address));
        Assert.Equal(Base.ErrorCode.MeshPortTaken, taken.Code);
    }
}
