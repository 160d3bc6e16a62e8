using System.Security.Cryptography;
using PeoplesCloud.Libp2p.Tests.Hosts;

namespace PeoplesCloud.Libp2p.Tests.Tls;

/// <summary>Whole hosts whose connections are TLS.</summary>
public sealed class TlsHostTests
{
    private const SecurityProtocol Noise = SecurityProtocol.Noise, Tls = SecurityProtocol.Tls;

    [Fact]
    public async Task A_large_echo_arrives_whole_over_TLS_and_small_ones_before_and_after_it()
    {
        const int size = 8 * 1024 * 1024;
        await using var oak = (await TestHost.StartAsync(security: [Tls])).Echoes();
        await using var elm = (await TestHost.StartAsync(listen: false, security: [Tls])).Knows(oak);
        for (var i = 0; i < 40; i++) await elm.Host.PingAsync(oak.Self); // a quiet connection gives its buffers back
        Assert.Equal(Tls, Assert.Single(elm.Host.Connections).Security);
        Assert.Equal(Tls, Assert.Single(oak.Host.Connections).Security);

        var sent = RandomNumberGenerator.GetBytes(size);
        var received = new byte[size];
        await using (var stream = await elm.Host.OpenStreamAsync(oak.Self, "/echo/1"))
        {
            await using var bytes = stream.AsStream();
            var write = Task.Run(async () =>
            {
                await bytes.WriteAsync(sent);
                await stream.Output.CompleteAsync();
            });
            await bytes.ReadExactlyAsync(received).AsTask().WaitAsync(TestHost.Patience);
            await write;
        }
        Assert.Equal(SHA256.HashData(sent), SHA256.HashData(received));
        await elm.Host.PingAsync(oak.Self);
    }

    [Fact]
    public async Task Noise_is_spoken_unless_an_option_says_otherwise()
    {
        Assert.Equal(Noise, await AgreedAsync(null, null));
        Assert.Equal(Tls, await AgreedAsync([Tls, Noise], null));
        Assert.Equal(Noise, await AgreedAsync([Noise, Tls], [Tls, Noise])); // the dialer's order counts
    }

    [Fact]
    public async Task A_dialer_falls_back_to_what_the_other_side_speaks()
    {
        Assert.Equal(Tls, await AgreedAsync([Noise, Tls], [Tls]));
        Assert.Equal(Noise, await AgreedAsync([Tls, Noise], [Noise]));
        Assert.Equal(Libp2pError.ProtocolNotSupported, (await Assert.ThrowsAsync<Libp2pException>(() => AgreedAsync([Tls], [Noise]))).Error);
    }

    [Fact]
    public async Task Another_peer_than_the_expected_one_is_refused()
    {
        await using var oak = await TestHost.StartAsync(security: [Tls]);
        await using var elm = await TestHost.StartAsync(listen: false, security: [Tls]);
        var expected = MultiaddrTests.RandomPeer();
        elm.Host.AddAddresses(expected, [oak.Address]);
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await elm.Host.ConnectAsync(expected));
        Assert.Equal(Libp2pError.WrongPeer, failure.Error);
        Assert.Empty(elm.Host.Connections);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 0, "oak dropped it too");
    }

    [Fact]
    public void Options_that_speak_nothing_or_one_thing_twice_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new Libp2pOptions { Security = [] }.Validate());
        Assert.Throws<ArgumentException>(() => new Libp2pOptions { Security = [Tls, Tls] }.Validate());
    }

    private static async Task<SecurityProtocol> AgreedAsync(SecurityProtocol[]? dialer, SecurityProtocol[]? listener)
    {
        await using var oak = await TestHost.StartAsync(security: listener);
        await using var elm = (await TestHost.StartAsync(listen: false, security: dialer)).Knows(oak);
        await elm.Host.PingAsync(oak.Self);
        return Assert.Single(elm.Host.Connections).Security;
    }
}
