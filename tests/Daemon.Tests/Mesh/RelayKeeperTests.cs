using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Daemon.Tests.Mesh;

public sealed class RelayKeeperTests
{
    [Fact]
    public async Task A_member_keeps_a_place_and_tells_the_others_where()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        var ticket = (await elm.CreateAsync("friends")).Ticket!;
        await oak.JoinAsync(ticket);
        await UntilAsync(() => oak.Node.Host.Reservations.Any(reservation => reservation.Relay == elm.Node.Self), "oak holds a place with elm");
        Assert.Contains(oak.Node.Addresses, address => address.EndsWith($"/p2p/{elm.Node.Self}/p2p-circuit", StringComparison.Ordinal));
        await UntilAsync(() => elm.Node.Swarms.All[0].Presence.GetValueOrDefault(oak.Node.Self)?.Record?.Info.Addresses.Any(address => address.Contains("/p2p-circuit", StringComparison.Ordinal)) == true, "the others are told");
    }

    [Fact]
    public async Task A_stranger_gets_no_place_and_reaches_a_member_as_a_guest_unless_the_owner_minds()
    {
        await using var oak = await TestNode.StartAsync("oak");
        await using var elm = await TestNode.StartAsync("elm");
        await using var strict = await TestNode.StartAsync("strict", relay: new DaemonRelay { Guests = false });
        await using var fox = await TestNode.StartAsync("fox");
        var ticket = (await elm.CreateAsync("friends")).Ticket!;
        await oak.JoinAsync(ticket);
        await strict.JoinAsync(ticket);
        oak.Node.Host.AddAddresses(strict.Node.Self, strict.Node.Host.ListenAddresses);
        await oak.Node.Host.ConnectAsync(strict.Node.Self);
        await UntilAsync(() => oak.Node.Host.Reservations.Count == 2, "oak holds two places");

        foreach (var relay in new[] { elm, strict }) fox.Node.Host.AddAddresses(relay.Node.Self, relay.Node.Host.ListenAddresses);
        await Assert.ThrowsAsync<Libp2pException>(async () => await fox.Node.Host.ReserveAsync(elm.Node.Self));
        Assert.DoesNotContain(fox.Node.Self, elm.Node.Host.Connections.Where(connection => connection.IsRelayed).Select(connection => connection.RemotePeer));

        fox.Node.Host.AddAddresses(oak.Node.Self, [Through(strict)]);
        var refused = await Assert.ThrowsAsync<Libp2pException>(async () => await fox.Node.Host.ConnectAsync(oak.Node.Self));
        Assert.Contains("does not serve us", refused.Message, StringComparison.Ordinal);
        fox.Node.Host.AddAddresses(oak.Node.Self, [Through(elm)]);
        Assert.Equal(elm.Node.Self, (await fox.Node.Host.ConnectAsync(oak.Node.Self)).RemoteAddress.Relay);
    }

    [Fact]
    public async Task Who_forwards_nothing_gives_no_place()
    {
        await using var oak = await TestNode.StartAsync("oak", relay: new DaemonRelay { Use = false });
        await using var elm = await TestNode.StartAsync("elm", relay: new DaemonRelay { Serve = false });
        await oak.JoinAsync((await elm.CreateAsync("friends")).Ticket!);
        var refused = await Assert.ThrowsAsync<Libp2pException>(async () => await oak.Node.Host.ReserveAsync(elm.Node.Self));
        Assert.Equal(Libp2pError.ProtocolNotSupported, refused.Error);
    }

    [Theory]
    [InlineData("203.0.113.7", true)]
    [InlineData("2001:db8::1", true)]
    [InlineData("example.org", true)]
    [InlineData("10.0.0.1", false)]
    [InlineData("172.31.0.1", false)]
    [InlineData("192.168.1.2", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("169.254.1.1", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("::1", false)]
    [InlineData("fd00::1", false)]
    [InlineData("fe80::1", false)]
    public void Which_addresses_the_internet_routes(string host, bool expected) => Assert.Equal(expected, UsableAddresses.IsPublic(host));

    private static Multiaddr Through(TestNode relay) => relay.Node.Host.ListenAddresses[0].WithPeer(relay.Node.Self).ThroughRelay();

    private static async Task UntilAsync(Func<bool> state, string what)
    {
        using var limit = new CancellationTokenSource(TestNode.Patience);
        while (!state())
        {
            if (limit.IsCancellationRequested) Assert.Fail($"never came true: {what}");
            await Task.Delay(20, TestContext.Current.CancellationToken); // the state decides, not the time
        }
    }
}
