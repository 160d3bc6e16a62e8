using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Libp2p.Noise;
using PeoplesCloud.Libp2p.Tls;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Bench;

/// <summary>
/// yamux over Noise and over TLS against a bare SslStream (TLS 1.3) on loopback, both ends in this process, in turns, medians of the rounds.
/// <code>bench mesh [--mib 2048] [--rounds 3] [--streams 16] [--pings 20000] [--only NAME] [--unsent BYTES] [--window BYTES]</code>
/// The first round warms up and does not count. js-libp2p is compared when tests/Interop.Tests/js/setup has installed it.
/// </summary>
internal static partial class MeshBenchmark
{
    private const int ChunkBytes = 64 * 1024;

    private static Libp2pLimits _limits = Libp2pLimits.Default;

    public static async Task<int> RunAsync(string[] args)
    {
        var (mib, rounds, streams, pings, only) = (2048, 3, 16, 20_000, "");
        for (var i = 0; i + 1 < args.Length; i += 2)
        {
            var number = () => int.Parse(args[i + 1], CultureInfo.InvariantCulture);
            switch (args[i])
            {
                case "--mib": mib = number(); break;
                case "--rounds": rounds = number(); break;
                case "--streams": streams = number(); break;
                case "--pings": pings = number(); break;
                case "--only": only = args[i + 1]; break;
                case "--unsent": _limits = _limits with { SocketUnsentBytes = number() }; break;
                case "--window": _limits = _limits with { MaxStreamWindowBytes = number() }; break;
                default:
                    Console.Error.WriteLine($"unknown option {args[i]}");
                    return 2;
            }
        }

        var bytes = (long)mib << 20;
        const string baseline = "SslStream, TLS 1.3";
        var js = FindJs();
        if (js is null) Console.WriteLine("js-libp2p is left out: run tests/Interop.Tests/js/setup to have it compared");
        var cases = new List<(string Name, Func<Task<Sample>> Run)>
        {
            (baseline, () => WithTlsAsync((one, two) => BulkAsync([one], [two], bytes))),
            ("yamux on Noise, 1 stream, pipes", () => WithYamuxAsync(1, (ours, theirs) => PipeBulkAsync(ours, theirs, bytes))),
            ("yamux on Noise, 1 stream, as Stream", () => WithYamuxAsync(1, (ours, theirs) => BulkAsync(AsStreams(ours), AsStreams(theirs), bytes))),
            ("yamux on TLS, 1 stream, pipes", () => WithYamuxAsync(1, (ours, theirs) => PipeBulkAsync(ours, theirs, bytes), overTls: true)),
            ("yamux on TLS, 1 stream, as Stream", () => WithYamuxAsync(1, (ours, theirs) => BulkAsync(AsStreams(ours), AsStreams(theirs), bytes), overTls: true)),
            ($"yamux on Noise, {streams} streams, pipes", () => WithYamuxAsync(streams, (ours, theirs) => PipeBulkAsync(ours, theirs, bytes))),
        };
        if (js is not null) cases.Add(("js-libp2p with itself, 1 stream", () => RunJsAsync(js, JsMib, pings: 1)));
        await PrintAsync($"{mib} MiB one way, {rounds} rounds", "MB/s", "CPU-s/GiB", cases, rounds, only, baseline,
            sample => (sample.Bytes / 1e6 / sample.Elapsed.TotalSeconds, sample.Processor.TotalSeconds / (sample.Bytes / (double)(1 << 30))));

        var pingCases = new List<(string Name, Func<Task<Sample>> Run)>
        {
            (baseline, () => WithTlsAsync((one, two) => PingPongAsync(one, two, pings))),
            ("yamux on Noise", () => WithYamuxAsync(1, (ours, theirs) => PingPongAsync(AsStreams(ours)[0], AsStreams(theirs)[0], pings))),
            ("yamux on TLS", () => WithYamuxAsync(1, (ours, theirs) => PingPongAsync(AsStreams(ours)[0], AsStreams(theirs)[0], pings), overTls: true)),
        };
        if (js is not null) pingCases.Add(("js-libp2p with itself", () => RunJsAsync(js, mib: 1, JsPings)));
        await PrintAsync($"64 bytes there and back, {pings} times, {rounds} rounds", "p50 us", "p99 us", pingCases, rounds, only, baseline,
            sample => (sample.Median.TotalMicroseconds, sample.Slow.TotalMicroseconds));
        return 0;
    }

    private static async Task PrintAsync(string title, string first, string second, List<(string Name, Func<Task<Sample>> Run)> cases, int rounds, string only, string baseline, Func<Sample, (double, double)> measure)
    {
        cases = [.. cases.Where(one => only.Length == 0 || one.Name.Contains(only, StringComparison.OrdinalIgnoreCase))];
        var results = cases.ToDictionary(one => one.Name, _ => new List<(double First, double Second)>(), StringComparer.Ordinal);
        for (var round = 0; round <= rounds; round++)
        {
            foreach (var (name, run) in cases)
            {
                var sample = measure(await run());
                if (round > 0) results[name].Add(sample); // the first round warms up: the compiler's tiers, the pools
            }
        }
        Console.WriteLine($"\n{title}\n\n| case | {first} | ratio | {second} | ratio |\n|---|---|---|---|---|");
        var reference = results.TryGetValue(baseline, out var measured) ? measured : null;
        foreach (var (name, _) in cases)
        {
            var (one, two) = (Median(results[name].Select(sample => sample.First)), Median(results[name].Select(sample => sample.Second)));
            var (ratioOne, ratioTwo) = reference is null ? (1, 1) : (one / Median(reference.Select(sample => sample.First)), two / Median(reference.Select(sample => sample.Second)));
            Console.WriteLine($"| {name} | {one:F1} | {ratioOne:F2} | {two:F2} | {ratioTwo:F2} |");
        }
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    // -- what is measured -------------------------------------------------------------------------------------

    private static Task<Sample> BulkAsync(Stream[] from, Stream[] to, long bytes) => MeasureAsync(bytes, from.Zip(to).Select(pair => (
        (Func<long, Task>)(async share =>
        {
            var chunk = RandomNumberGenerator.GetBytes(ChunkBytes);
            for (; share > 0; share -= ChunkBytes) await pair.First.WriteAsync(chunk);
        }),
        (Func<long, Task>)(async share =>
        {
            var buffer = new byte[ChunkBytes];
            while (share > 0)
            {
                var count = await pair.Second.ReadAsync(buffer);
                if (count == 0) throw new EndOfStreamException();
                share -= count;
            }
        }))));

    private static Task<Sample> PipeBulkAsync(IDuplexPipe[] from, IDuplexPipe[] to, long bytes) => MeasureAsync(bytes, from.Zip(to).Select(pair => (
        (Func<long, Task>)(async share =>
        {
            var chunk = RandomNumberGenerator.GetBytes(ChunkBytes);
            for (; share > 0; share -= ChunkBytes) await pair.First.Output.WriteAsync(chunk);
        }),
        (Func<long, Task>)(async share =>
        {
            while (share > 0)
            {
                var result = await pair.Second.Input.ReadAsync();
                if (result.IsCompleted && result.Buffer.IsEmpty) throw new EndOfStreamException();
                share -= result.Buffer.Length;
                pair.Second.Input.AdvanceTo(result.Buffer.End);
            }
        }))));

    private static async Task<Sample> MeasureAsync(long bytes, IEnumerable<(Func<long, Task> Write, Func<long, Task> Read)> pairs)
    {
        var all = pairs.ToArray();
        var share = bytes / all.Length / ChunkBytes * ChunkBytes;
        var processor = Environment.CpuUsage.TotalTime;
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(all.SelectMany(pair => new[] { Task.Run(() => pair.Write(share)), Task.Run(() => pair.Read(share)) }));
        return new Sample { Bytes = share * all.Length, Elapsed = Stopwatch.GetElapsedTime(start), Processor = Environment.CpuUsage.TotalTime - processor };
    }

    private static async Task<Sample> PingPongAsync(Stream one, Stream two, int pings)
    {
        const int size = 64;
        var echo = Task.Run(async () =>
        {
            var buffer = new byte[size];
            for (var i = 0; i < pings; i++)
            {
                await two.ReadExactlyAsync(buffer);
                await two.WriteAsync(buffer);
                await two.FlushAsync();
            }
        });
        var times = new TimeSpan[pings];
        var message = new byte[size];
        for (var i = 0; i < pings; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await one.WriteAsync(message);
            await one.FlushAsync();
            await one.ReadExactlyAsync(message);
            times[i] = Stopwatch.GetElapsedTime(start);
        }
        await echo;
        times.AsSpan(0, pings).Sort();
        return new Sample { Median = times[pings / 2], Slow = times[pings * 99 / 100] };
    }

    // -- what it runs on --------------------------------------------------------------------------------------

    private static Stream[] AsStreams(IDuplexPipe[] pipes) => [.. pipes.Select(pipe => new PipeStream(pipe))];

    private static async Task<(Socket Dialed, Socket Accepted)> ConnectAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var dialed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await dialed.ConnectAsync(listener.LocalEndPoint!);
        return (dialed, await listener.AcceptAsync());
    }

    private static async Task<Sample> WithTlsAsync(Func<Stream, Stream, Task<Sample>> measure)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=bench", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        var (dialed, accepted) = await ConnectAsync();
        dialed.NoDelay = accepted.NoDelay = true;
        await using var client = new SslStream(new NetworkStream(dialed, ownsSocket: true));
        await using var server = new SslStream(new NetworkStream(accepted, ownsSocket: true));
        await Task.WhenAll(
            client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "bench", EnabledSslProtocols = SslProtocols.Tls13, RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() == certificate.GetCertHashString() }),
            server.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, EnabledSslProtocols = SslProtocols.Tls13 }));
        return await measure(client, server);
    }

    private static async Task<Sample> WithYamuxAsync(int streams, Func<IDuplexPipe[], IDuplexPipe[], Task<Sample>> measure, bool overTls = false)
    {
        using var one = new Ed25519Key(Ed25519Key.NewSeed());
        using var two = new Ed25519Key(Ed25519Key.NewSeed());
        var (dialed, accepted) = await ConnectAsync();
        var limits = _limits;
        var theirs = new List<YamuxStream>();
        var allThere = new TaskCompletionSource();
        var answering = ShakeHandsAsync(accepted, two, initiator: false, overTls);
        var channel = await ShakeHandsAsync(dialed, one, initiator: true, overTls);
        await using var client = new YamuxConnection(channel, true, limits, TimeProvider.System, NullLogger.Instance, _ => { });
        await using var server = new YamuxConnection(await answering, false, limits, TimeProvider.System, NullLogger.Instance, stream =>
        {
            theirs.Add(stream);
            if (theirs.Count == streams) allThere.SetResult();
        });
        _ = client.RunAsync(CancellationToken.None);
        _ = server.RunAsync(CancellationToken.None);
        var ours = new List<YamuxStream>();
        for (var i = 0; i < streams; i++) ours.Add(await client.OpenAsync(CancellationToken.None));
        await allThere.Task;
        return await measure([.. ours], [.. theirs]);
    }

    private static async Task<ISecureChannel> ShakeHandsAsync(Socket socket, Ed25519Key identity, bool initiator, bool overTls)
    {
        var transport = MeshSocket.Prepare(socket, _limits);
        if (!overTls) return await NoiseHandshake.RunAsync(transport, identity, initiator, null, [YamuxConnection.Protocol], _limits, TimeProvider.System, CancellationToken.None);
        using var certificate = TlsCertificate.Create(identity);
        return await TlsHandshake.RunAsync(transport, SslStreamCertificateContext.Create(certificate, null, offline: true), initiator, null, [YamuxConnection.Protocol], _limits, TimeProvider.System, CancellationToken.None);
    }

    private sealed record Sample
    {
        public long Bytes { get; init; }

        public TimeSpan Elapsed { get; init; }

        public TimeSpan Processor { get; init; }

        public TimeSpan Median { get; init; }

        public TimeSpan Slow { get; init; }
    }

    /// <summary>A duplex pipe as one stream.</summary>
    private sealed class PipeStream(IDuplexPipe pipe) : Stream
    {
        private readonly Stream _input = pipe.Input.AsStream();

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _input.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var write = pipe.Output.WriteAsync(buffer, cancellationToken);
            return write.IsCompletedSuccessfully ? default : new ValueTask(write.AsTask());
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
