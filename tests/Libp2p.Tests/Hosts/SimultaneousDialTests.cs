using System.Globalization;
using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>Two peers that dial each other at the same moment.</summary>
public sealed class SimultaneousDialTests
{
    private const int AtOnce = 8;

    [Theory]
    [InlineData(StreamUse.Quick)]
    [InlineData(StreamUse.Bulk)]
    public async Task One_connection_stays_and_no_stream_is_lost(StreamUse use)
    {
        // Goal: whichever handshake is through first, both sides keep the same connection, and what was opened on the other one, or while
        // it is given up, arrives whole. Method: both have connected before either is told so; then streams of both sides come and go at moments
        // from the seed until one connection is left, and a while longer.
        var seeds = int.Parse(Environment.GetEnvironmentVariable("PC_SIMULTANEOUS_DIAL_SEEDS") ?? "16", CultureInfo.InvariantCulture);
        await Parallel.ForEachAsync(Enumerable.Range(1, seeds), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (seed, _) =>
        {
            try
            {
                await RunAsync(seed, use);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }
        });
    }

    private static async Task RunAsync(int seed, StreamUse use)
    {
        var limits = Libp2pLimits.Default with { SimultaneousDial = TimeSpan.FromSeconds(2), BulkDialPatience = TestHost.Patience };
        await using var oak = (await TestHost.StartAsync(limits)).Echoes();
        await using var elm = (await TestHost.StartAsync(limits)).Echoes().Knows(oak);
        oak.Knows(elm);
        if (use == StreamUse.Bulk)
        {
            // Bulk is dialed when there is a first connection.
            await oak.Host.ConnectAsync(elm.Self);
            await Eventually.TrueAsync(() => elm.Host.Connections.Count == 1, "both have the first connection");
        }
        var meeting = new MeetingTransport(Libp2pLimits.Default);
        oak.Host.AddTransport(meeting);
        elm.Host.AddTransport(meeting);

        var random = new Random(seed);
        using var stop = new CancellationTokenSource();
        var workers = Enumerable.Range(0, 6).Select(worker => WorkAsync(worker % 2 == 0 ? oak : elm, worker % 2 == 0 ? elm : oak, use, new Random(random.Next()), stop.Token)).ToArray();
        var wereTwo = false;
        await Eventually.TrueAsync(() =>
        {
            wereTwo |= Of(oak).Length == 2;
            return workers.Any(worker => worker.IsFaulted) || (wereTwo && Of(oak).Length == 1 && Of(elm).Length == 1);
        }, "there were two connections, and one is left");
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => BulkConnectionTests.EchoAsync(oak, elm, use, 1000)));
        await stop.CancelAsync();
        await Task.WhenAll(workers);

        // The one that the smaller peer id dialed.
        var (smaller, other) = oak.Self < elm.Self ? (oak, elm) : (elm, oak);
        Assert.True(Assert.Single(Of(smaller)).IsOutbound);
        Assert.False(Assert.Single(Of(other)).IsOutbound);

        Libp2pConnection[] Of(TestHost host) => [.. host.Host.Connections.Where(connection => connection.Use == use)];
    }

    private static async Task WorkAsync(TestHost from, TestHost to, StreamUse use, Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await BulkConnectionTests.EchoAsync(from, to, use, random.Next(1, 40_000));
            if (random.Next(3) == 0) await Task.Delay(random.Next(20), CancellationToken.None);
        }
    }

    /// <summary>Dials TCP; the first two dials are through together.</summary>
    private sealed class MeetingTransport(Libp2pLimits limits) : IDialTransport
    {
        private readonly TcpTransport _tcp = new(limits, TimeProvider.System);
        private readonly TaskCompletionSource _both = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _dials;

        public bool CanDial(Multiaddr address) => _tcp.CanDial(address);

        public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken)
        {
            var stream = await _tcp.DialAsync(address, cancellationToken);
            if (Interlocked.Increment(ref _dials) == 2) _both.SetResult();
            await _both.Task.WaitAsync(cancellationToken);
            return stream;
        }
    }
}
