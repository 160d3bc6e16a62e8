using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Tests.Noise;
using PeoplesCloud.Libp2p.Tests.Yamux;
using PeoplesCloud.Libp2p.Tls;

namespace PeoplesCloud.Libp2p.Tests.Tls;

public sealed class TlsHandshakeTests
{
    [Fact]
    public async Task Both_sides_learn_who_the_other_is_and_agree_on_the_muxer()
    {
        var (one, two) = (new CertificateRecipe(), new CertificateRecipe());
        var (first, second) = MemoryDuplex.Create();
        var answering = ShakeAsync(second, two, initiator: false, muxers: ["/c", "/a"]);
        await using var dialed = await ShakeAsync(first, one, initiator: true, two.Peer, muxers: ["/a", "/b"]);
        await using var accepted = await answering;
        Assert.Equal((two.Peer, one.Peer), (dialed.RemotePeer, accepted.RemotePeer));
        Assert.Equal(("/a", "/a"), (dialed.EarlyMuxer, accepted.EarlyMuxer));
    }

    [Fact]
    public async Task Both_sides_know_a_channel_binding_that_no_other_connection_has()
    {
        var (one, two) = (new CertificateRecipe(), new CertificateRecipe());
        var seen = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            var (first, second) = MemoryDuplex.Create();
            var answering = ShakeAsync(second, two, initiator: false);
            await using var dialed = await ShakeAsync(first, one, initiator: true);
            await using var accepted = await answering;
            Assert.True(dialed.ChannelBinding.Length >= 32);
            Assert.Equal(dialed.ChannelBinding.ToArray(), accepted.ChannelBinding.ToArray());
            seen.Add(Convert.ToHexStringLower(dialed.ChannelBinding.Span[^32..]));
        }
        Assert.NotEqual(seen[0], seen[1]);
    }

    [Fact]
    public async Task Without_a_common_muxer_none_is_agreed()
    {
        var (first, second) = MemoryDuplex.Create();
        var answering = ShakeAsync(second, new CertificateRecipe(), initiator: false, muxers: ["/b"]);
        await using var dialed = await ShakeAsync(first, new CertificateRecipe(), initiator: true, muxers: ["/a"]);
        await using var accepted = await answering;
        Assert.Null(dialed.EarlyMuxer);
        Assert.Null(accepted.EarlyMuxer);
    }

    [Fact]
    public async Task Another_peer_than_expected_is_refused_and_learns_nothing_of_us()
    {
        var (first, second) = MemoryDuplex.Create();
        var peer = new Peer(new CertificateRecipe());
        var answering = peer.ServeAsync(second);
        var failure = await Assert.ThrowsAsync<Libp2pException>(() => ShakeAsync(first, new CertificateRecipe(), initiator: true, MultiaddrTests.RandomPeer()));
        Assert.Equal(Libp2pError.WrongPeer, failure.Error);
        Assert.NotNull(await Record.ExceptionAsync(() => answering.WaitAsync(YamuxPair.Patience)));
        Assert.False(peer.SawCertificate);
    }

    [Fact]
    public async Task A_certificate_that_is_not_right_is_refused_by_either_side()
    {
        var expired = new CertificateRecipe { NotAfter = CertificateRecipe.Now.AddSeconds(-1) };
        await RefusesServerAsync(new Peer(expired), "not valid at this time");
        await RefusesClientAsync(new Peer(expired), "not valid at this time");
        await RefusesServerAsync(new Peer(new CertificateRecipe { SignsAnotherTlsKey = true }), "does not cover its TLS key");
        await RefusesClientAsync(new Peer(new CertificateRecipe { SignsAnotherTlsKey = true }), "does not cover its TLS key");
        await RefusesServerAsync(new Peer(new CertificateRecipe { ExtensionCount = 0 }), "no libp2p extension");
        await RefusesClientAsync(new Peer(new CertificateRecipe { ExtensionCount = 0 }), "no libp2p extension");
    }

    [Fact]
    public async Task More_than_one_certificate_is_refused_by_either_side()
    {
        var authorities = CertificateRecipe.MakeAuthorities();
        await RefusesServerAsync(new Peer(new CertificateRecipe { Issuer = authorities[0] }) { Chain = authorities }, "more than one");
        await RefusesClientAsync(new Peer(new CertificateRecipe { Issuer = authorities[0] }) { Chain = authorities }, "more than one");
    }

    [Fact]
    public async Task A_peer_without_a_certificate_is_refused() => await RefusesClientAsync(new Peer(null), "no certificate");

    [Fact]
    public async Task A_peer_that_does_not_offer_libp2p_in_ALPN_is_refused_by_either_side()
    {
        await RefusesServerAsync(new Peer(new CertificateRecipe()) { Alpn = [] }, "ALPN");
        await RefusesClientAsync(new Peer(new CertificateRecipe()) { Alpn = [] }, "ALPN");
        await RefusesServerAsync(new Peer(new CertificateRecipe()) { Alpn = ["h2"] }, "");
        await RefusesClientAsync(new Peer(new CertificateRecipe()) { Alpn = ["h2"] }, "");
    }

    [Fact]
    public async Task An_older_TLS_is_refused_by_either_side()
    {
        await RefusesServerAsync(new Peer(new CertificateRecipe()) { Version = SslProtocols.Tls12 }, "");
        await RefusesClientAsync(new Peer(new CertificateRecipe()) { Version = SslProtocols.Tls12 }, "");
    }

    [Fact]
    public async Task A_handshake_that_ends_early_or_is_garbage_is_refused()
    {
        foreach (var said in new byte[][] { [], [22], [22, 3, 1, 2, 0, 1], "GET / HTTP/1.1\r\n\r\n"u8.ToArray() })
        {
            var (ours, theirs) = MemoryDuplex.Create();
            var shaking = ShakeAsync(ours, new CertificateRecipe(), initiator: false);
            await theirs.WriteAsync(said);
            await theirs.DisposeAsync();
            var failure = await Assert.ThrowsAsync<Libp2pException>(() => shaking.WaitAsync(YamuxPair.Patience));
            Assert.True(failure.Error is Libp2pError.BadHandshake or Libp2pError.ConnectionClosed, failure.Message);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_silent_peer_is_given_up_when_the_time_is_over(bool initiator)
    {
        var time = new ManualTime();
        var (ours, _) = MemoryDuplex.Create();
        using var certificate = new CertificateRecipe().Make();
        var shaking = TlsHandshake.RunAsync(ours, Context(certificate), initiator, null, [], Libp2pLimits.Default, time, CancellationToken.None).AsTask();
        time.Advance(Libp2pLimits.Default.HandshakeTimeout * 0.8);
        Assert.False(shaking.IsCompleted);
        time.Advance(Libp2pLimits.Default.HandshakeTimeout * 0.3);
        Assert.Equal(Libp2pError.TimedOut, (await Assert.ThrowsAsync<Libp2pException>(() => shaking.WaitAsync(YamuxPair.Patience))).Error);
    }

    // -- a peer that does as it likes ---------------------------------------------------------------------------

    private sealed record Peer(CertificateRecipe? Recipe)
    {
        public X509Certificate2[]? Chain { get; init; }

        public string[] Alpn { get; init; } = ["libp2p"];

        public SslProtocols Version { get; init; } = SslProtocols.Tls13;

        public bool SawCertificate { get; private set; }

        public async Task ServeAsync(Stream transport)
        {
            using var certificate = Recipe!.Make();
            await using var tls = new SslStream(transport);
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = Context(certificate, Chain),
                ClientCertificateRequired = true,
                EnabledSslProtocols = Version,
                ApplicationProtocols = Offer,
                RemoteCertificateValidationCallback = (_, shown, _, _) => SawCertificate |= shown is not null,
            });
            _ = await tls.ReadAsync(new byte[1]);
        }

        public async Task DialAsync(Stream transport)
        {
            using var certificate = Recipe?.Make();
            await using var tls = new SslStream(transport);
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "",
                ClientCertificateContext = certificate is null ? null : Context(certificate, Chain),
                EnabledSslProtocols = Version,
                ApplicationProtocols = Offer,
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null,
            });
            _ = await tls.ReadAsync(new byte[1]); // a client of TLS 1.3 is through before the server has judged it
        }

        private List<SslApplicationProtocol>? Offer => Alpn.Length == 0 ? null : [.. Alpn.Select(a => new SslApplicationProtocol(a))];
    }

    /// <summary>We dial a server that is not right.</summary>
    private static async Task RefusesServerAsync(Peer peer, string why)
    {
        var (ours, theirs) = MemoryDuplex.Create();
        var serving = peer.ServeAsync(theirs);
        await RefusesAsync(ShakeAsync(ours, new CertificateRecipe(), initiator: true), serving, why);
    }

    /// <summary>A client that is not right dials us.</summary>
    private static async Task RefusesClientAsync(Peer peer, string why)
    {
        var (ours, theirs) = MemoryDuplex.Create();
        var dialing = peer.DialAsync(theirs);
        await RefusesAsync(ShakeAsync(ours, new CertificateRecipe(), initiator: false), dialing, why);
    }

    private static async Task RefusesAsync(Task<TlsChannel> shaking, Task other, string why)
    {
        var failure = await Assert.ThrowsAsync<Libp2pException>(() => shaking.WaitAsync(YamuxPair.Patience));
        Assert.Equal(Libp2pError.BadHandshake, failure.Error);
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
        await Record.ExceptionAsync(() => other.WaitAsync(YamuxPair.Patience)); // told so, or cut off
    }

    private static async Task<TlsChannel> ShakeAsync(Stream transport, CertificateRecipe recipe, bool initiator, PeerId? expected = null, string[]? muxers = null)
    {
        using var certificate = recipe.Make();
        return await TlsHandshake.RunAsync(transport, Context(certificate), initiator, expected, muxers ?? ["/yamux/1.0.0"], Libp2pLimits.Default, new ManualTime(), CancellationToken.None);
    }

    private static SslStreamCertificateContext Context(X509Certificate2 certificate, X509Certificate2[]? more = null) =>
        SslStreamCertificateContext.Create(certificate, more is null ? null : [.. more], offline: true);
}
