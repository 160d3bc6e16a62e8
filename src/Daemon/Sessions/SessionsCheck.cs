using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Runtimes;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>Whether what carries the messages of sessions works, asked without the daemon (<c>pc doctor</c>).</summary>
public static class SessionsCheck
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>One line.</summary>
    public static async Task<RuntimeReport> ProbeAsync(string home, CancellationToken cancellationToken)
    {
        try
        {
            if (PyCloudRun.Read(home) is { } run) return new RuntimeReport("sessions", Holds: true, $"{run.Nodes} {(run.Nodes == 1 ? "node" : "nodes")} of pc sessions run, for {run.Redis}; pc sessions status says how they are");
            var config = DaemonConfig.Load(configFile: null, new Dictionary<string, string?>(StringComparer.Ordinal) { ["home"] = home }, DaemonConfig.ProcessEnvironment()).Sessions;
            if (config.Redis is not null) return await ProbeRedisAsync(config, cancellationToken);
            if (config.Swarm is not null) return await ProbeEndpointAsync(config, cancellationToken);
            return new RuntimeReport("sessions", Holds: false, "off; to answer requests for sessions, set swarm = \"NAME\" under [sessions] in the configuration, or redis = \"redis://HOST:6379\"");
        }
        catch (PcException e)
        {
            return new RuntimeReport("sessions", Holds: false, $"{e.Message}; try: {e.Hint}");
        }
    }

    /// <summary>Whether the engine answers that sessions are to run in; null where they run in sandboxes.</summary>
    public static async Task<RuntimeReport?> ProbeDockerAsync(string home, CancellationToken cancellationToken)
    {
        try
        {
            var config = DaemonConfig.Load(configFile: null, new Dictionary<string, string?>(StringComparer.Ordinal) { ["home"] = home }, DaemonConfig.ProcessEnvironment());
            if (config.Sessions is not { IsOn: true, Mode: "docker" }) return null;
            await using var containers = SessionDocker.Open(config, new HomePaths(home), "doctor", TimeProvider.System, NullLogger.Instance);
            _ = await containers.FindAsync(cancellationToken);
            return new RuntimeReport("docker", Holds: true, "sessions run in Docker, which answers");
        }
        catch (PcException e) when (e.Code is ErrorCode.DockerUnreachable or ErrorCode.DockerRefused)
        {
            return new RuntimeReport("docker", Holds: false, $"sessions are to run in Docker, and {e.Message}; try: systemctl start docker, or mode = \"sandbox\" under [sessions]");
        }
        catch (PcException)
        {
            return null; // what is wrong with the configuration is said beside this
        }
    }

    private static async Task<RuntimeReport> ProbeRedisAsync(SessionsConfig config, CancellationToken cancellationToken)
    {
        await using var redis = new RedisService(config, TimeProvider.System, NullLogger.Instance);
        await redis.Client.PingAsync(cancellationToken);
        return new RuntimeReport("sessions", Holds: true, $"{config.Redis} answers");
    }

    private static async Task<RuntimeReport> ProbeEndpointAsync(SessionsConfig config, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            using var socket = new Socket(config.Listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(config.Listen, limit.Token);
            await socket.SendAsync("PING\r\n"u8.ToArray(), limit.Token);
            var answer = new byte[64];
            var read = await socket.ReceiveAsync(answer, limit.Token);
            var text = Encoding.Latin1.GetString(answer, 0, read);
            if (text.StartsWith("+PONG", StringComparison.Ordinal) || text.StartsWith("-NOAUTH", StringComparison.Ordinal)) return new RuntimeReport("sessions", Holds: true, $"clients of Redis are served on {config.Listen}, for {config.Swarm}");
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // Said below.
        }
        return new RuntimeReport("sessions", Holds: false, $"nobody serves clients of Redis on {config.Listen}; try: pc up, or another listen under [sessions]");
    }
}
