using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Sessions.Engine;
using PeoplesCloud.Sessions.Hosting;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Redis;

namespace PeoplesCloud.Sessions.Tests.Whole;

/// <summary>A node on a real Redis in a process of its own, as the daemon puts one together: it can be killed, frozen, and looked at from outside.</summary>
internal static class NodeProcess
{
    /// <summary>The first argument of a process that is one; port of the Redis, folder, most sessions and most requests follow.</summary>
    public const string Word = "session-node";

    /// <summary>While this file is in its folder no session begins.</summary>
    public const string HoldFile = "hold";

    /// <summary>Says its id, answers until its input ends, and then ends what it runs.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var (port, folder) = (arguments[0], arguments[1]);
        var limits = new SessionLimits
        {
            Sessions = int.Parse(arguments[2], CultureInfo.InvariantCulture),
            Requests = int.Parse(arguments[3], CultureInfo.InvariantCulture),
        };
        _ = RedisAddress.TryParse($"redis://127.0.0.1:{port}", out var address);
        var options = new RedisOptions { Address = address!, Time = TimeProvider.System, Random = () => 0.5, Logger = NullLogger.Instance };
        await using var client = new RedisClient(options);
        await using var channels = new RedisChannels(options, client);
        await using var runtime = new SandboxRuntime(new SandboxOptions { Folder = Path.Combine(folder, "sandbox"), Standby = [] }, TimeProvider.System, NullLogger.Instance);
        await runtime.CollectAsync(CancellationToken.None);
        var host = new SessionHost(
            new SessionHostOptions { Folder = Path.Combine(folder, "sessions"), Hostname = "localhost", Address = IPAddress.Loopback, Network = NetworkMode.None }, limits,
            new HoldingRuntime(runtime, Path.Combine(folder, HoldFile)), TimeProvider.System, NullLogger.Instance);
        var cloud = SessionNames.CloudId(RandomNumberGenerator.GetBytes(6));
        var service = new SessionService(
            cloud, new SessionEngineOptions { Agreement = SessionAgreement.Claimed, Limits = limits }, channels, new RedisClaims(client, channels), host, () => new SessionLoad(10, 10, null),
            () => SessionNames.SessionId(RandomNumberGenerator.GetBytes(8)), TimeProvider.System, NullLogger.Instance);
        using var ending = new CancellationTokenSource();
        var running = service.RunAsync(ending.Token);
        Console.WriteLine(cloud);
        while (await Console.In.ReadLineAsync(CancellationToken.None) is not null)
        {
            // Nothing is said to it.
        }
        await ending.CancelAsync();
        await running;
        await host.DisposeAsync();
        return 0;
    }

    private sealed class HoldingRuntime(IRuntime inner, string file) : IRuntime
    {
        public string Name => inner.Name;

        public ValueTask<IReadOnlyList<RuntimeReport>> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

        public async ValueTask<IRun> StartAsync(RunSpec spec, Func<OutputKind, ReadOnlyMemory<byte>, ValueTask> output, CancellationToken cancellationToken)
        {
            while (File.Exists(file)) await Task.Delay(10, cancellationToken);
            return await inner.StartAsync(spec, output, cancellationToken);
        }

        public ValueTask CollectAsync(CancellationToken cancellationToken) => inner.CollectAsync(cancellationToken);
    }
}
