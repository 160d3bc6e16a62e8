using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Bench;

/// <summary>
/// 64 bytes there and back while a stream of the same peer fills the connection: alone, with the bulk on the same connection, and
/// with the bulk on the second one. On loopback, and on a link of 20 Mbit/s and 30 ms that <see cref="TunLink"/> makes (needs root).
/// <code>bench latency [--pings 2000] [--link-pings 200] [--mbit 20] [--ms 30] [--queue 100] [--control reno]</code>
/// </summary>
internal static class LatencyBenchmark
{
    private const string Echo = "/bench/echo/1";
    private const string Endless = "/bench/endless/1";
    private const int PingBytes = 64;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal) { ["pings"] = "2000", ["link-pings"] = "200", ["mbit"] = "20", ["ms"] = "30", ["queue"] = "100", ["control"] = "reno", ["serve"] = "", ["ask"] = "" };
        for (var i = 0; i + 1 < args.Length; i += 2) options[args[i][2..]] = args[i + 1];
        if (options["serve"].Length > 0) return await ServeAsync(options["serve"]);
        if (options["ask"].Length > 0) return await AskAsync(options["ask"], Number(options["pings"]));

        Console.WriteLine($"loopback, {options["pings"]} pings of {PingBytes} bytes");
        await using (var server = await StartServerAsync(IPAddress.Loopback)) await AskAsync(AddressOf(server), Number(options["pings"]));

        if (Environment.UserName != "root")
        {
            Console.WriteLine("the link is left out: it needs root");
            return 0;
        }
        Console.WriteLine($"\n{options["mbit"]} Mbit/s, {options["ms"]} ms there and back, a queue of {options["queue"]} packets, {options["control"]}, {options["link-pings"]} pings");
        using var link = TunLink.Create(Number(options["mbit"]) * 1e6, TimeSpan.FromMilliseconds(Number(options["ms"]) / 2.0), Number(options["queue"]));
        link.Configure(options["control"]);
        // A namespace may not be given every control that the kernel has; reno fills queues until they drop, as cubic does.
        using var serving = TunLink.Start(link.Far, ["latency", "--serve", link.FarAddress]);
        var address = await serving.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("the far side did not start");
        using var asking = TunLink.Start(link.Near, ["latency", "--ask", address, "--pings", options["link-pings"]]);
        await asking.StandardOutput.BaseStream.CopyToAsync(Console.OpenStandardOutput());
        await asking.WaitForExitAsync();
        serving.Kill();
        Console.WriteLine($"dropped by the queue: {link.Dropped} packets");
        return asking.ExitCode;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static string AddressOf(Libp2pHost server) => server.ListenAddresses[0].WithPeer(server.Self).ToString();

    private static async Task<int> ServeAsync(string ip)
    {
        await using var server = await StartServerAsync(IPAddress.Parse(ip));
        Console.WriteLine(AddressOf(server));
        await Task.Delay(Timeout.Infinite);
        return 0;
    }

    private static async Task<Libp2pHost> StartServerAsync(IPAddress ip)
    {
        var server = NewHost();
        server.Handle(Echo, async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
        server.Handle(Endless, async (stream, token) =>
        {
            var chunk = new byte[64 * 1024];
            while (!(await stream.Output.WriteAsync(chunk, token)).IsCompleted)
            {
            }
        });
        await server.ListenAsync(Multiaddr.FromEndPoint(new IPEndPoint(ip, 0)), CancellationToken.None);
        return server;
    }

    private static Libp2pHost NewHost() => new(new Ed25519Key(Ed25519Key.NewSeed()), new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);

    private static async Task<int> AskAsync(string at, int pings)
    {
        if (!Multiaddr.TryParse(at, out var address) || address.Peer is not { } peer) throw new ArgumentException($"{at} is no address with a peer id");
        await using var host = NewHost();
        host.AddAddresses(peer, [address]);
        Console.WriteLine("\n| case | p50 ms | ratio | p99 ms | bulk MB/s |\n|---|---|---|---|---|");
        var idle = await CaseAsync("alone", host, peer, pings, null, null);
        _ = await CaseAsync("behind bulk on the same connection", host, peer, pings, StreamUse.Quick, idle);
        _ = await CaseAsync("behind bulk on the second connection", host, peer, pings, StreamUse.Bulk, idle);
        return 0;
    }

    private static async Task<double> CaseAsync(string name, Libp2pHost host, PeerId peer, int pings, StreamUse? bulk, double? idle)
    {
        await using var ping = await host.OpenStreamAsync(peer, Echo, StreamUse.Quick);
        var warm = new TaskCompletionSource();
        using var stop = new CancellationTokenSource();
        long received = 0;
        var load = bulk is not { } use ? Task.CompletedTask : Task.Run(async () =>
        {
            await using var stream = await host.OpenStreamAsync(peer, Endless, use, CancellationToken.None);
            await stream.Output.CompleteAsync();
            var start = Stopwatch.GetTimestamp();
            while (!stop.IsCancellationRequested)
            {
                var read = await stream.Input.ReadAsync(CancellationToken.None);
                received += read.Buffer.Length;
                stream.Input.AdvanceTo(read.Buffer.End);
                if (Stopwatch.GetElapsedTime(start) > WarmUp) warm.TrySetResult(); // windows and rates have found their size
            }
            stream.Reset();
        }, CancellationToken.None);
        if (bulk is not null) await warm.Task;
        var (before, begin) = (Interlocked.Read(ref received), Stopwatch.GetTimestamp());
        var times = new double[pings];
        await using var bytes = ping.AsStream();
        var message = new byte[PingBytes];
        for (var i = 0; i < pings; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await bytes.WriteAsync(message, CancellationToken.None);
            await bytes.ReadExactlyAsync(message, CancellationToken.None);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        var rate = (Interlocked.Read(ref received) - before) / 1e6 / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        await stop.CancelAsync();
        await load;
        Array.Sort(times);
        var median = times[pings / 2];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {median:F2} | {median / (idle ?? median):F2} | {times[pings * 99 / 100]:F2} | {rate:F1} |"));
        return median;
    }

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(3);
}
