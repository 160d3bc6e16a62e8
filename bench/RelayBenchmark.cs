using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Bench;

/// <summary>
/// One stream through a member that forwards against the same stream directly; three hosts in this process, on loopback, in turns,
/// medians of the rounds. The first round warms up and does not count.
/// <code>bench relay [--mib 512] [--rounds 3] [--pings 5000]</code>
/// </summary>
internal static class RelayBenchmark
{
    private const int ChunkBytes = 64 * 1024;
    private const string Sink = "/sink/1";

    public static async Task<int> RunAsync(string[] args)
    {
        var (mib, rounds, pings) = (512, 3, 5000);
        for (var i = 0; i + 1 < args.Length; i += 2)
        {
            var number = int.Parse(args[i + 1], CultureInfo.InvariantCulture);
            switch (args[i])
            {
                case "--mib": mib = number; break;
                case "--rounds": rounds = number; break;
                case "--pings": pings = number; break;
                default:
                    Console.Error.WriteLine($"unknown option {args[i]}");
                    return 2;
            }
        }

        var any = Multiaddr.TryParse("/ip4/127.0.0.1/tcp/0", out var parsed) ? parsed : throw new InvalidOperationException();
        await using var elm = new Node();
        await using var fir = new Node();
        var relay = await elm.Host.ListenAsync(any);
        var direct = await fir.Host.ListenAsync(any);
        elm.Host.ServeRelay(RelayPolicy.Everybody);
        fir.Host.AddAddresses(elm.Host.Self, [relay]);
        await fir.Host.ReserveAsync(elm.Host.Self);
        fir.Host.Handle(Sink, async (stream, token) =>
        {
            long count = 0;
            while (true)
            {
                var result = await stream.Input.ReadAsync(token);
                count += result.Buffer.Length;
                stream.Input.AdvanceTo(result.Buffer.End);
                if (!result.IsCompleted) continue;
                await stream.Output.WriteAsync(BitConverter.GetBytes(count), token);
                return;
            }
        });
        var ways = new (string Name, Multiaddr Address)[] { ("direct", direct), ("through a member", relay.WithPeer(elm.Host.Self).ThroughRelay()) };
        var results = ways.ToDictionary(way => way.Name, _ => new List<(double Speed, double Processor, double RoundTrip)>(), StringComparer.Ordinal);
        for (var round = 0; round <= rounds; round++)
        {
            foreach (var (name, address) in ways)
            {
                // A host that knows this one way only, so that no better one takes over.
                await using var oak = new Node();
                oak.Host.AddAddresses(fir.Host.Self, [address]);
                var sample = await MeasureAsync(oak.Host, fir.Host.Self, address.IsRelayed, (long)mib << 20, pings);
                if (round > 0) results[name].Add(sample);
            }
        }
        Console.WriteLine($"\n{mib} MiB one way on one stream, 32 bytes there and back {pings} times, {rounds} rounds\n\n| way | MB/s | ratio | CPU-s/GiB | round trip p50 us |\n|---|---|---|---|---|");
        foreach (var (name, _) in ways)
        {
            var list = results[name];
            Console.WriteLine($"| {name} | {Median(list, s => s.Speed):F0} | {Median(list, s => s.Speed) / Median(results["direct"], s => s.Speed):F2} | {Median(list, s => s.Processor):F1} | {Median(list, s => s.RoundTrip):F0} |");
        }
        return 0;
    }

    private static async Task<(double Speed, double Processor, double RoundTrip)> MeasureAsync(Libp2pHost from, PeerId to, bool isRelayed, long bytes, int pings)
    {
        var times = new List<double>();
        for (var i = 0; i < pings; i++) times.Add((await from.PingAsync(to)).TotalMicroseconds);
        await using var stream = await from.OpenStreamAsync(to, Sink);
        var chunk = RandomNumberGenerator.GetBytes(ChunkBytes);
        var processor = Process.GetCurrentProcess().TotalProcessorTime;
        var start = Stopwatch.GetTimestamp();
        for (var left = bytes; left > 0; left -= ChunkBytes) await stream.Output.WriteAsync(chunk, stream.Closed);
        await stream.Output.CompleteAsync();
        var answer = await stream.Input.ReadAsync(stream.Closed);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (answer.Buffer.Length == 0) throw new EndOfStreamException("not all arrived");
        if (from.Connections.Any(connection => connection.RemotePeer == to && connection.IsRelayed != isRelayed)) throw new InvalidOperationException("it did not go the way that was meant");
        var used = Process.GetCurrentProcess().TotalProcessorTime - processor;
        return (bytes / 1e6 / seconds, used.TotalSeconds / (bytes / (double)(1 << 30)), times.Order().ElementAt(times.Count / 2));
    }

    private static double Median(List<(double Speed, double Processor, double RoundTrip)> samples, Func<(double Speed, double Processor, double RoundTrip), double> of) =>
        samples.Select(of).Order().ElementAt(samples.Count / 2);

    private sealed class Node : IAsyncDisposable
    {
        private readonly Ed25519Key _key = new(Ed25519Key.NewSeed());

        // No direct connection is looked for: it would be found on loopback.
        public Node() => Host = new Libp2pHost(_key, new Libp2pOptions { Limits = Libp2pLimits.Default with { DirectRetry = TimeSpan.FromHours(1) } }, TimeProvider.System, NullLoggerFactory.Instance);

        public Libp2pHost Host { get; }

        public async ValueTask DisposeAsync()
        {
            await Host.DisposeAsync();
            _key.Dispose();
        }
    }
}
