using System.Net;
using FsCheck;
using FsCheck.Fluent;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Tests;

public sealed class MultiaddrTests
{
    // Hex from the multiaddr specification's table of codes, worked out by hand.
    [Theory]
    [InlineData("/ip4/127.0.0.1/tcp/4242", "047f00000106" + "1092")]
    [InlineData("/ip4/0.0.0.0", "0400000000")]
    [InlineData("/ip6/::1/tcp/0", "2900000000000000000000000000000001" + "060000")]
    [InlineData("/dns4/oak.example/tcp/443", "36" + "0b" + "6f616b2e6578616d706c65" + "0601bb")]
    [InlineData("/dns6/oak/tcp/1", "37036f616b060001")]
    [InlineData("/ip4/127.0.0.1/tcp/4242/ws", "047f00000106" + "1092" + "dd03")]
    [InlineData("/ip4/10.0.0.1/tcp/4001/p2p/" + Oak + "/p2p-circuit", "040a000001060fa1" + "a50326" + OakHex + "a202")]
    public void Text_and_bytes_say_the_same(string text, string hex)
    {
        Assert.True(Multiaddr.TryParse(text, out var parsed));
        Assert.Equal(hex, Convert.ToHexStringLower(parsed.Bytes));
        Assert.True(Multiaddr.TryFromBytes(Convert.FromHexString(hex), out var read));
        Assert.Equal(text, read.ToString());
        Assert.Equal(parsed, read);
        Assert.Equal(parsed.GetHashCode(), read.GetHashCode());
    }

    private const string Oak = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
    private const string OakHex = "0024080112202ffa35a99d3a3cfbb17bb7c1dc5561b18a8dcca4df38dc613ea859c37eb1336b";

    [Fact]
    public void A_relayed_address_names_the_relay_and_the_peer_behind_it()
    {
        const string relay = "/ip4/10.0.0.1/tcp/4001/ws/p2p/" + Oak;
        Assert.True(Multiaddr.TryParse(relay, out var direct) && direct is { IsWebSocket: true, IsRelayed: false, RelayAddress: null });
        var fir = RandomPeer();
        var address = direct.ThroughRelay().WithPeer(fir);
        Assert.Equal($"{relay}/p2p-circuit/p2p/{fir}", address.ToString());
        Assert.True(Multiaddr.TryParse(address.ToString(), out var read) && read.Equals(address));
        Assert.True(read.IsRelayed);
        Assert.Equal((direct.Peer, fir, 4001), (read.Relay, read.Peer!.Value, read.Port));
        Assert.Equal(direct, read.RelayAddress);
        Assert.Equal(relay + "/p2p-circuit", read.WithoutPeer().ToString());
        Assert.False(read.TryGetEndPoint(out _)); // nobody takes the relay for the peer
        Assert.Throws<InvalidOperationException>(() => address.ThroughRelay());
        Assert.Throws<InvalidOperationException>(() => address.WithWebSocket());
        Assert.Throws<InvalidOperationException>(() => direct.WithoutPeer().ThroughRelay());
    }

    [Fact]
    public void A_peer_id_is_carried_and_can_be_replaced()
    {
        const string text = "/ip4/10.0.0.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
        Assert.True(Multiaddr.TryParse(text, out var address));
        Assert.Equal(text, address.ToString());
        Assert.Equal("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", address.Peer.ToString());
        var other = RandomPeer();
        Assert.Equal(other, address.WithPeer(other).Peer);
        Assert.Equal("/ip4/10.0.0.1/tcp/4001", address.WithoutPeer().ToString());
        Assert.True(Multiaddr.TryFromBytes(address.Bytes, out var read) && read.Equals(address));
        Assert.True(Multiaddr.TryParse(text.Replace("/p2p/", "/ipfs/", StringComparison.Ordinal), out var old) && old.Equals(address));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("ip4/1.2.3.4")]
    [InlineData("/ip4")]
    [InlineData("/ip4/1.2.3")]
    [InlineData("/ip4/0x7f.0.0.1/tcp/1")]
    [InlineData("/ip4/1.2.3.4/tcp/65536")]
    [InlineData("/ip4/1.2.3.4/tcp/-1")]
    [InlineData("/ip4/1.2.3.4/tcp/01")]
    [InlineData("/ip4/1.2.3.4/tcp/1/tcp/2")]
    [InlineData("/ip4/1.2.3.4/udp/1/quic-v1")]
    [InlineData("/ip4/1.2.3.4/p2p/nobody")]
    [InlineData("/ip4/1.2.3.4/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA/tcp/1")]
    [InlineData("/ip6/1.2.3.4/tcp/1")]
    [InlineData("/ip6/fe80::1%eth0/tcp/1")]
    [InlineData("/dns4/a b/tcp/1")]
    [InlineData("/dns4//tcp/1")]
    [InlineData("/tcp/1/ip4/1.2.3.4")]
    [InlineData("/ip4/1.2.3.4/ws")]
    [InlineData("/ip4/1.2.3.4/ws/tcp/1")]
    [InlineData("/ip4/1.2.3.4/tcp/1/ws/ws")]
    [InlineData("/ip4/1.2.3.4/tcp/1/tls/ws")]
    [InlineData("/ip4/1.2.3.4/tcp/1/p2p-circuit")]
    [InlineData("/ip4/1.2.3.4/tcp/1/p2p/" + Oak + "/ws")]
    [InlineData("/ip4/1.2.3.4/tcp/1/p2p/" + Oak + "/p2p/" + Oak)]
    [InlineData("/ip4/1.2.3.4/tcp/1/p2p/" + Oak + "/p2p-circuit/p2p-circuit")]
    [InlineData("/ip4/1.2.3.4/tcp/1/p2p/" + Oak + "/p2p-circuit/tcp/1")]
    [InlineData("/ip4/1.2.3.4/tcp/1/p2p/" + Oak + "/p2p-circuit/p2p/" + Oak + "/p2p-circuit")]
    [InlineData("/ip4/1.2.3.4/tcp")]
    [InlineData("/p2p/" + Oak + "/p2p-circuit")]
    public void What_we_cannot_dial_is_refused(string text) => Assert.False(Multiaddr.TryParse(text, out _));

    [Theory]
    [InlineData("")]
    [InlineData("04")]
    [InlineData("047f0000")]
    [InlineData("047f000001" + "06")]
    [InlineData("047f000001" + "0610")]
    [InlineData("047f000001" + "061092" + "061092")]
    [InlineData("36ff")]
    [InlineData("3605" + "6f616b")]
    [InlineData("36030a0b0c")]
    [InlineData("3603c3a4c3")]
    [InlineData("8404")]
    [InlineData("047f000001" + "a503" + "ffffffff7f")]
    [InlineData("ffffffffffffffffffff")]
    public void Damaged_bytes_are_refused(string hex) => Assert.False(Multiaddr.TryFromBytes(Convert.FromHexString(hex), out _));

    [Fact]
    public void End_points_of_sockets_become_addresses()
    {
        Assert.Equal("/ip4/1.2.3.4/tcp/5", Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse("::ffff:1.2.3.4"), 5)).ToString());
        Assert.Equal("/ip6/fe80::1/tcp/5", Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse("fe80::1%3"), 5)).ToString());
        Assert.True(Multiaddr.TryParse("/ip4/1.2.3.4/tcp/5", out var address) && address.TryGetEndPoint(out var endPoint) && endPoint.Port == 5);
        Assert.False(Multiaddr.TryParse("/dns4/x/tcp/5", out var name) && name.TryGetEndPoint(out _));
    }

    [Fact]
    public void Every_address_survives_both_forms() => Prop.ForAll(Addresses().ToArbitrary(), address =>
        Multiaddr.TryParse(address.ToString(), out var parsed) && parsed.Equals(address)
        && Multiaddr.TryFromBytes(address.Bytes, out var read) && read.Equals(address) && read.ToString() == address.ToString()).QuickCheckThrowOnFailure();

    [Fact]
    public void Every_truncation_is_refused_or_another_whole_address() => Prop.ForAll(Addresses().ToArbitrary(), address =>
    {
        for (var length = 0; length < address.Bytes.Length; length++)
            if (Multiaddr.TryFromBytes(address.Bytes[..length], out var shorter) && !shorter.Bytes.SequenceEqual(address.Bytes[..length])) return false;
        return true;
    }).QuickCheckThrowOnFailure();

    internal static PeerId RandomPeer() => PeerId.FromEd25519(Ed25519Key.NewSeed());

    private static Gen<Multiaddr> Addresses()
    {
        var ip4 = Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b), 4).Select(b => $"/ip4/{new IPAddress(b)}");
        var ip6 = Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b), 16).Select(b => $"/ip6/{new IPAddress(b)}");
        var name = Gen.NonEmptyListOf(Gen.Elements("abcXYZ019-_.".ToCharArray())).Select(c => $"/dns4/{new string([.. c.Take(200)])}");
        var port = Gen.OneOf(Gen.Constant(""), Gen.Choose(0, 65535).Select(p => $"/tcp/{p}"));
        var peer = Gen.OneOf(Gen.Constant(""), Gen.Fresh(() => $"/p2p/{RandomPeer()}"));
        var circuit = Gen.OneOf(Gen.Constant(""), Gen.Fresh(() => $"/p2p/{RandomPeer()}/p2p-circuit"));
        return from host in Gen.OneOf(ip4, ip6, name)
               from tcp in port
               from ws in Gen.Elements("", "/ws")
               from relay in circuit
               from p2p in peer
               let text = host + tcp + (tcp.Length > 0 ? ws : "") + relay + p2p
               select Multiaddr.TryParse(text, out var address) ? address : throw new InvalidOperationException(text);
    }
}
