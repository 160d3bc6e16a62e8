using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Tests.Noise;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

/// <summary>Two real yamux connections over a real Noise channel over a connection in memory.</summary>
internal sealed class YamuxPair : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Channel<YamuxStream> _accepted = Channel.CreateUnbounded<YamuxStream>();

    /// <summary>What is done with accepted streams instead of queueing them for <see cref="AcceptAsync"/>.</summary>
    public Action<YamuxStream>? OnAccept { get; set; }

    public YamuxConnection Dialer { get; private set; } = null!;

    public YamuxConnection Listener { get; private set; } = null!;

    public static async Task<YamuxPair> StartAsync(Libp2pLimits? limits = null, TimeProvider? time = null)
    {
        limits ??= Libp2pLimits.Default;
        time ??= TimeProvider.System;
        var pair = new YamuxPair();
        var (first, second) = MemoryDuplex.Create();
        var (dialed, accepted) = await ShakeHandsAsync(first, second);
        pair.Dialer = new YamuxConnection(dialed, true, limits, time, NullLogger.Instance, pair.Accept);
        pair.Listener = new YamuxConnection(accepted, false, limits, time, NullLogger.Instance, pair.Accept);
        _ = pair.Dialer.RunAsync(CancellationToken.None); // DisposeAsync waits for both
        _ = pair.Listener.RunAsync(CancellationToken.None);
        return pair;
    }

    public static async Task<(NoiseChannel First, NoiseChannel Second)> ShakeHandsAsync(Stream first, Stream second)
    {
        using var one = new Ed25519Key(Ed25519Key.NewSeed());
        using var two = new Ed25519Key(Ed25519Key.NewSeed());
        var answer = NoiseHandshake.RunAsync(second, two, false, null, [YamuxConnection.Protocol], Libp2pLimits.Default, TimeProvider.System, CancellationToken.None).AsTask();
        var ask = await NoiseHandshake.RunAsync(first, one, true, PeerId.FromEd25519(two.PublicKey.Span), [YamuxConnection.Protocol], Libp2pLimits.Default, TimeProvider.System, CancellationToken.None);
        return (ask, await answer);
    }

    public async Task<YamuxStream> AcceptAsync() => await _accepted.Reader.ReadAsync().AsTask().WaitAsync(Patience);

    public async Task<(YamuxStream Ours, YamuxStream Theirs)> OpenAsync()
    {
        var ours = await Dialer.OpenAsync(CancellationToken.None);
        return (ours, await AcceptAsync());
    }

    private void Accept(YamuxStream stream)
    {
        if (OnAccept is { } accept) accept(stream);
        else _accepted.Writer.TryWrite(stream);
    }

    public async ValueTask DisposeAsync()
    {
        await Dialer.DisposeAsync();
        await Listener.DisposeAsync();
    }
}
