using System.Net;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Sessions;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Daemon.Tests.Sessions;

/// <summary>The line of pc doctor about sessions.</summary>
public sealed class SessionsCheckTests : IDisposable
{
    private readonly string _home = TestNode.NewHome();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sessions_that_are_off_or_set_up_wrongly_are_said_with_what_to_write()
    {
        Assert.Equal((false, true), await LookAsync("", "off; to answer requests for sessions, set swarm = \"NAME\" under [sessions]"));
        Assert.Equal((false, true), await LookAsync("redis = \"http://localhost\"", "redis://:password@host:6379"));
    }

    [Fact]
    public async Task A_redis_is_tried()
    {
        await using var redis = await RedisServer.StartAsync("--requirepass", "hunter2");
        Assert.Equal((true, true), await LookAsync($"redis = \"redis://:hunter2@127.0.0.1:{redis.Port}\"", $"redis://127.0.0.1:{redis.Port} answers"));
        Assert.Equal((false, true), await LookAsync($"redis = \"redis://:wrong@127.0.0.1:{redis.Port}\"", "it refuses: WRONGPASS"));
        await redis.KillAsync();
        Assert.Equal((false, true), await LookAsync($"redis = \"redis://:hunter2@127.0.0.1:{redis.Port}\"", $"redis://127.0.0.1:{redis.Port} cannot be reached"));
    }

    [Fact]
    public async Task The_endpoint_of_a_swarm_is_tried()
    {
        await using var oak = await TestNode.StartAsync("oak", configure: config => config with { Sessions = new SessionsConfig { Swarm = "friends", Listen = new IPEndPoint(IPAddress.Loopback, 0) } });
        var lines = $"swarm = \"friends\"\nlisten = \"{oak.Node.Channels!.Endpoint.Address}\"";
        Assert.Equal((true, true), await LookAsync(lines, "clients of Redis are served on 127.0.0.1:"));
        await oak.StopAsync();
        Assert.Equal((false, true), await LookAsync(lines, "nobody serves clients of Redis on 127.0.0.1:"));
        await oak.StartAgainAsync();
    }

    public void Dispose() => Directory.Delete(_home, recursive: true);

    private async Task<(bool Holds, bool Says)> LookAsync(string lines, string words)
    {
        File.WriteAllText(Path.Combine(_home, "config.toml"), $"[sessions]\n{lines}\n");
        var report = await SessionsCheck.ProbeAsync(_home, Token);
        Assert.Equal("sessions", report.Name);
        Assert.DoesNotContain("hunter2", report.How, StringComparison.Ordinal);
        return (report.Holds, report.How.Contains(words, StringComparison.Ordinal) ? true : throw new InvalidOperationException($"'{report.How}' does not say '{words}'"));
    }
}
