using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Discovery;
using PeoplesCloud.Libp2p.Tests.Hosts;
using PeoplesCloud.Libp2p.Tests.Noise;

namespace PeoplesCloud.Libp2p.Tests.Discovery;

public sealed class MdnsTests
{
    private static readonly PeerId Oak = NewPeer();
    private static readonly PeerId Elm = NewPeer();

    private readonly ManualTime _time = new();

    [Fact]
    public void The_question_has_the_bytes_of_the_specification() =>
        Assert.Equal("00000000000100000000000004" + Hex("_p2p") + "04" + Hex("_udp") + "05" + Hex("local") + "00000c0001", Convert.ToHexStringLower(MdnsEngine.Query()));

    [Fact]
    public void Who_asks_is_answered_and_learns_where()
    {
        var (oak, elm) = (Engine(Oak, "/ip4/10.1.2.3/tcp/4242", "/ip6/fd00::3/tcp/4242"), Engine(Elm, "/ip4/10.1.2.4/tcp/4242"));
        var (answer, nobody) = elm.Handle(MdnsEngine.Query());
        Assert.Empty(nobody);
        Assert.Equal((null, Elm), (oak.Handle(answer!).Answer, Assert.Single(oak.Peers).Peer));
        var found = Assert.Single(elm.Handle(oak.Announcement()!).Found);
        Assert.Equal(["/ip4/10.1.2.3/tcp/4242", "/ip6/fd00::3/tcp/4242"], found.Addresses.Select(a => a.ToString()));
        Assert.Empty(elm.Handle(elm.Announcement()!).Found); // oneself

        elm.Handle(oak.Announcement(goodbye: true)!);
        Assert.Empty(elm.Peers);
    }

    [Fact]
    public void What_others_cannot_dial_is_not_told_and_the_name_tells_nothing()
    {
        Assert.Null(Engine(Oak, "/ip4/127.0.0.1/tcp/4242").Announcement());
        Assert.Null(Engine(Oak, $"/ip4/10.1.2.3/tcp/4242/p2p/{Elm}/p2p-circuit").Announcement());
        Assert.True(DnsMessage.TryRead(Engine(Oak, "/ip4/10.1.2.3/tcp/4242").Announcement(), out var message));
        Assert.All(message.Records, record => Assert.DoesNotContain(Oak.ToString(), record.Name + record.Target, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_flood_of_questions_is_answered_once_a_second()
    {
        var oak = Engine(Oak, "/ip4/10.1.2.3/tcp/4242");
        Assert.NotNull(oak.Handle(MdnsEngine.Query()).Answer);
        Assert.Null(oak.Handle(MdnsEngine.Query()).Answer);
        _time.Advance(TimeSpan.FromSeconds(1.1));
        Assert.NotNull(oak.Handle(MdnsEngine.Query()).Answer);
    }

    [Fact]
    public void A_flood_of_made_up_peers_is_bounded_and_silence_forgets()
    {
        var oak = Engine(Oak, "/ip4/10.1.2.3/tcp/4242");
        for (var i = 0; i < Libp2pLimits.Default.MaxLocalPeers + 50; i++) oak.Handle(Engine(NewPeer(), "/ip4/10.9.9.9/tcp/1").Announcement()!);
        Assert.Equal(Libp2pLimits.Default.MaxLocalPeers, oak.Peers.Count);
        _time.Advance(Libp2pLimits.Default.LocalPeerLifetime + TimeSpan.FromSeconds(1));
        Assert.Empty(oak.Peers);
    }

    [Fact]
    public void Answers_of_others_are_read_compressed_and_beside_records_of_other_services()
    {
        var oak = Engine(Oak, "/ip4/10.1.2.3/tcp/4242");
        var text = $"dnsaddr=/ip4/10.1.2.4/tcp/4001/p2p/{Elm}";
        // One PTR, one TXT whose name is a pointer into the first's data, one A record.
        var name = $"04{Hex("_p2p")}04{Hex("_udp")}05{Hex("local")}00"; // at 12, 17 bytes
        var ptr = $"{name}000c000100000078000704{Hex("abcd")}c00c"; // its target begins at 12 + 17 + 10 = 39
        var txt = $"c027001080010000007800{text.Length + 1:x2}{text.Length:x2}{Hex(text)}";
        var a = "c027000180010000007800040a010204";
        var datagram = Convert.FromHexString($"000084000000000100000002{ptr}{txt}{a}");
        Assert.Equal("/ip4/10.1.2.4/tcp/4001", Assert.Single(Assert.Single(oak.Handle(datagram).Found).Addresses).ToString());
    }

    [Theory]
    [InlineData("000000000001000000000000c00c000c0001")] // a pointer to itself
    [InlineData("000000000001000000000000c00e000c0001")] // a pointer forwards
    [InlineData("00000000ffff000000000000")] // more than there is
    [InlineData("00000000000100000000000040")] // a label of no kind
    [InlineData("0000840000000001000000000000100001000000780005ff")] // a text that is longer than its record
    public void What_is_malformed_is_refused(string hex) => Assert.False(DnsMessage.TryRead(Convert.FromHexString(hex), out _));

    [Fact]
    public void Every_truncation_is_refused()
    {
        var whole = Engine(Oak, "/ip4/10.1.2.3/tcp/4242").Announcement()!;
        for (var length = 0; length < whole.Length; length++) Assert.False(DnsMessage.TryRead(whole.AsSpan(0, length), out _));
    }

    [Fact]
    public async Task Two_nodes_on_one_network_find_each_other_and_hear_the_goodbye()
    {
        var port = Random.Shared.Next(20000, 60000);
        await using var oak = Discovery(Oak, "/ip4/10.1.2.3/tcp/4242", port);
        var elm = Discovery(Elm, "/ip4/10.1.2.4/tcp/4242", port);
        var heard = new TaskCompletionSource<LocalPeer>(TaskCreationOptions.RunContinuationsAsynchronously);
        oak.Found += peer => heard.TrySetResult(peer);
        Assert.True(oak.Start());
        Assert.True(elm.Start());
        Assert.Equal(Elm, (await heard.Task.WaitAsync(TestHost.Patience)).Peer);
        await Eventually.TrueAsync(() => elm.Peers.Any(peer => peer.Peer == Oak), "elm finds oak");
        await elm.DisposeAsync();
        await Eventually.TrueAsync(() => oak.Peers.Count == 0, "the goodbye is heard");
    }

    private MdnsEngine Engine(PeerId self, params string[] addresses) => new(self, "aaaa0000", () => Parse(addresses), Libp2pLimits.Default, _time);

    private static MdnsDiscovery Discovery(PeerId self, string address, int port) =>
        new(self, () => Parse([address]), Libp2pLimits.Default, TimeProvider.System, NullLoggerFactory.Instance, port, () => [IPAddress.Loopback]);

    private static IReadOnlyList<Multiaddr> Parse(string[] addresses) => [.. addresses.Select(text => Multiaddr.TryParse(text, out var address) ? address : throw new FormatException(text))];

    private static PeerId NewPeer()
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        return PeerId.FromEd25519(key.PublicKey.Span);
    }

    private static string Hex(string text) => Convert.ToHexStringLower(Encoding.ASCII.GetBytes(text));
}
