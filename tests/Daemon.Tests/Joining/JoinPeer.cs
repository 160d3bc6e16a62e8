using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Joining;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Joining;

/// <summary>Somebody with a key and connections, and nothing else of a daemon, who says on /pc/join/1 whatever a test wants.</summary>
internal sealed class JoinPeer : IAsyncDisposable
{
    private readonly Ed25519Key _key = new(Ed25519Key.NewSeed());

    public JoinPeer() => Host = new Libp2pHost(_key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);

    public Libp2pHost Host { get; }

    public async Task<string> ListenAsync()
    {
        var address = await Host.ListenAsync(Multiaddr.FromEndPoint(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0)), Cancelled);
        return $"127.0.0.1:{address.Port}";
    }

    public async Task<Libp2pStream> OpenAsync(TestNode node)
    {
        Host.AddAddresses(node.Node.Self, node.Node.Host.ListenAddresses);
        return await Host.OpenStreamAsync(node.Node.Self, JoinProtocol.Id, Cancelled);
    }

    /// <summary>One guess, as far as it gets: the last refusal, or null when it was right.</summary>
    public async Task<JoinRefusal?> GuessAsync(TestNode node, string name, string secret, JoinKind kind = JoinKind.Secret)
    {
        await using var stream = await OpenAsync(node);
        using var side = new JoiningSide(Host.Self, stream.RemotePeer, stream.ChannelBinding, new JoinHello(kind, name));
        await JoinProtocol.WriteAsync(stream, side.Hello, Cancelled);
        Assert.True(side.TryTakeOffer((await ReadAsync(stream))!, out var refusal));
        if (refusal is not null) return refusal;
        await JoinProtocol.WriteAsync(stream, side.Prove(secret, new JoinApplicant("guesser", new byte[32], DateTimeOffset.UtcNow))!, Cancelled);
        Assert.True(side.TryTakeVerdict((await ReadAsync(stream))!, out refusal));
        Assert.Equal(refusal is null, side.Confirmed);
        return refusal;
    }

    public static async Task<byte[]?> ReadAsync(Libp2pStream stream) => await JoinProtocol.ReadAsync(stream.Input, 1 << 20, Cancelled).WaitAsync(TestNode.Patience, Cancelled);

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        _key.Dispose();
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;
}
