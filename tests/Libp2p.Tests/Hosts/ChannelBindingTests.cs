using System.Net.Sockets;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>What a protocol binds its proofs to, and dialing an address without knowing who is there.</summary>
public sealed class ChannelBindingTests
{
    [Fact]
    public async Task Both_sides_of_a_connection_have_one_binding_and_each_connection_another()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(listen: false);
        var seen = new List<byte[]>();
        oak.Host.Handle("/binding/1", async (stream, token) => await stream.Output.WriteAsync(stream.ChannelBinding, token));
        for (var i = 0; i < 3; i++)
        {
            var connection = await elm.Host.ConnectAsync([oak.Address]);
            Assert.Equal(oak.Self, connection.RemotePeer);
            Assert.True(connection.ChannelBinding.Length >= 32);
            await using (var stream = await elm.Host.OpenStreamAsync(oak.Self, "/binding/1"))
            {
                var said = new byte[stream.ChannelBinding.Length];
                await stream.AsStream().ReadExactlyAsync(said);
                Assert.Equal(said, stream.ChannelBinding.ToArray());
                Assert.Contains(oak.Host.Connections, other => other.ChannelBinding.Span.SequenceEqual(said));
            }
            Assert.DoesNotContain(seen, other => other.AsSpan().SequenceEqual(connection.ChannelBinding.Span));
            seen.Add(connection.ChannelBinding.ToArray());
            elm.Host.Disconnect(oak.Self);
            await Eventually.TrueAsync(() => oak.Host.Connections.Count == 0 && elm.Host.Connections.Count == 0, "the connection ended");
        }
    }

    [Fact]
    public async Task Whoever_is_at_an_address_is_connected_with_and_known_afterwards()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync(listen: false);
        var connection = await elm.Host.ConnectAsync([oak.Address]);
        Assert.Same(connection, await elm.Host.ConnectAsync(oak.Self));
        elm.Host.Disconnect(oak.Self);
        await Eventually.TrueAsync(() => elm.Host.Connections.Count == 0, "the connection ended");
        await elm.Host.PingAsync(oak.Self); // by the address that it was found at
    }

    [Fact]
    public async Task An_address_that_names_its_peer_is_believed_for_that_peer_only()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = await TestHost.StartAsync();
        await using var fir = await TestHost.StartAsync(listen: false);
        Assert.Equal(oak.Self, (await fir.Host.ConnectAsync([oak.Address.WithPeer(oak.Self)])).RemotePeer);
        var wrong = await Assert.ThrowsAsync<Libp2pException>(() => fir.Host.ConnectAsync([oak.Address.WithPeer(elm.Self)]));
        Assert.Equal(Libp2pError.WrongPeer, wrong.Error);
    }

    [Fact]
    public async Task An_address_where_nobody_or_oneself_is_fails_with_the_reason()
    {
        await using var oak = await TestHost.StartAsync();
        var self = await Assert.ThrowsAsync<Libp2pException>(() => oak.Host.ConnectAsync([oak.Address]));
        Assert.Equal(Libp2pError.WrongPeer, self.Error);
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0)); // bound, and nobody listens
        var nobody = await Assert.ThrowsAsync<Libp2pException>(() => oak.Host.ConnectAsync([Multiaddr.FromEndPoint((System.Net.IPEndPoint)silent.LocalEndPoint!)]));
        Assert.Equal(Libp2pError.Unreachable, nobody.Error);
        Assert.Empty(oak.Host.Connections);
    }
}
