using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Bench;

/// <summary>
/// What an idle connection costs: a host that listens, and as many peers, each with a key of its own, in another process.
/// <code>bench connections [--count 500]</code>
/// </summary>
internal static class ConnectionsBenchmark
{
    private const int AtOnce = 8;

    private static readonly Libp2pLimits Limits = Libp2pLimits.Default with { MaxConnections = 10_000, MaxStrangerConnections = 10_000, IdleTimeout = TimeSpan.FromHours(1) };

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["--dial", var at, var many]) return await DialAsync(at, int.Parse(many, CultureInfo.InvariantCulture));
        var count = args is ["--count", var text] ? int.Parse(text, CultureInfo.InvariantCulture) : 500;
        Console.WriteLine($"\n| {count} idle connections | RSS KiB each | managed KiB each |\n|---|---|---|");
        foreach (var security in Enum.GetValues<SecurityProtocol>())
        {
            await MeasureAsync(security, Math.Min(50, count)); // code and pools are there before it counts
            var (resident, managed) = await MeasureAsync(security, count);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {security} | {resident:F1} | {managed:F1} |"));
        }
        return 0;
    }

    private static async Task<(double Resident, double Managed)> MeasureAsync(SecurityProtocol security, int count)
    {
        using var key = new Ed25519Key(Ed25519Key.NewSeed());
        await using var host = new Libp2pHost(key, new Libp2pOptions { Limits = Limits, Security = [security] }, TimeProvider.System, NullLoggerFactory.Instance);
        var address = await host.ListenAsync(Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 0)), CancellationToken.None);
        var (resident, managed) = Memory();
        using var dialing = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["connections", "--dial", address.WithPeer(host.Self).ToString(), count.ToString(CultureInfo.InvariantCulture)]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        _ = await dialing.StandardOutput.ReadLineAsync();
        if (host.Connections.Count != count) throw new InvalidOperationException($"{host.Connections.Count} connections instead of {count}");
        await Task.Delay(TimeSpan.FromSeconds(3)); // identify is through
        var (residentAfter, managedAfter) = Memory();
        dialing.StandardInput.Close();
        await dialing.WaitForExitAsync();
        return ((residentAfter - resident) / 1024.0 / count, (managedAfter - managed) / 1024.0 / count);
    }

    private static (long Resident, long Managed) Memory()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return (Environment.WorkingSet, GC.GetTotalMemory(forceFullCollection: true));
    }

    private static async Task<int> DialAsync(string at, int count)
    {
        if (!Multiaddr.TryParse(at, out var address) || address.Peer is not { } peer) throw new ArgumentException($"{at} is no address with a peer id");
        var hosts = new List<Libp2pHost>();
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (_, token) =>
        {
            var host = new Libp2pHost(new Ed25519Key(Ed25519Key.NewSeed()), new Libp2pOptions { Limits = Limits }, TimeProvider.System, NullLoggerFactory.Instance);
            lock (hosts) hosts.Add(host);
            host.AddAddresses(peer, [address]);
            await host.ConnectAsync(peer, token);
            await host.PingAsync(peer, token);
        });
        Console.WriteLine("all are connected");
        await Console.In.ReadToEndAsync();
        return 0;
    }
}
