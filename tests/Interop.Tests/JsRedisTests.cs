using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Resp;

namespace PeoplesCloud.Interop.Tests;

/// <summary>node-redis and ioredis, as they are, against our endpoint.</summary>
public sealed class JsRedisTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("secret")]
    public async Task Clients_of_Redis_in_JavaScript_work_unchanged(string? password)
    {
        await using var endpoint = RespEndpoint.Start(new IPEndPoint(IPAddress.Loopback, 0), password, new ChannelHub(), () => null, RespLimits.Default, TimeProvider.System, NullLogger.Instance);
        var lines = await JsScript.RunAsync("redis.mjs", [$"{endpoint.Address.Port}", password ?? ""], TestContext.Current.CancellationToken);
        Assert.Equal(["node-redis RESP2", "node-redis RESP3", "ioredis"], lines.Select(line => line.GetProperty("done").GetString()));
    }
}
