using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>A real host on loopback with a fresh identity.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Ed25519Key _key;

    private TestHost(Ed25519Key key, Libp2pOptions options, TimeProvider? time)
    {
        _key = key;
        Host = new Libp2pHost(key, options, time ?? TimeProvider.System, NullLoggerFactory.Instance);
    }

    public Libp2pHost Host { get; }

    public PeerId Self => Host.Self;

    public Multiaddr Address { get; private set; } = null!;

    public static Multiaddr AnyPort { get; } = Multiaddr.TryParse("/ip4/127.0.0.1/tcp/0", out var address) ? address : throw new InvalidOperationException();

    public static async Task<TestHost> StartAsync(Libp2pLimits? limits = null, TimeProvider? time = null, bool listen = true, SecurityProtocol[]? security = null)
    {
        var options = new Libp2pOptions { Limits = limits ?? Libp2pLimits.Default };
        var host = new TestHost(new Ed25519Key(Ed25519Key.NewSeed()), security is null ? options : options with { Security = security }, time);
        if (listen) host.Address = await host.Host.ListenAsync(AnyPort, CancellationToken.None);
        return host;
    }

    /// <summary>This host knows where the other one is.</summary>
    public TestHost Knows(TestHost other)
    {
        Host.AddAddresses(other.Self, [other.Address]);
        return this;
    }

    /// <summary>Serves an echo that ends when the other side ends.</summary>
    public TestHost Echoes(string protocol = "/echo/1")
    {
        Host.Handle(protocol, async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        _key.Dispose();
    }
}

/// <summary>Waits for a state; there is no event for everything.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<bool> state, string what)
    {
        using var limit = new CancellationTokenSource(TestHost.Patience);
        while (!state())
        {
            if (limit.IsCancellationRequested) Assert.Fail($"never came true: {what}");
            await Task.Yield();
            await Task.Delay(5, CancellationToken.None);
        }
    }
}
