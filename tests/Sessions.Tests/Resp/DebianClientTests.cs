using System.Diagnostics;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Resp;

/// <summary>Debian's redis-cli and python3-redis, as they are.</summary>
public sealed class DebianClientTests
{
    private const string Python = """
        import sys, threading, redis
        port, password = int(sys.argv[1]), sys.argv[2] or None
        r = redis.Redis(host="127.0.0.1", port=port, password=password, client_name="tester", health_check_interval=1)
        assert r.ping()
        p = r.pubsub()
        p.subscribe("news")
        p.psubscribe("new*")
        def next_of(kind):
            while True:
                m = p.get_message(timeout=60)
                assert m is not None, "nothing came"
                if m["type"] == kind: return m
        next_of("subscribe"), next_of("psubscribe")
        assert r.publish("news", "h\u00e9llo") == 2
        assert next_of("message")["data"].decode() == "h\u00e9llo"
        assert next_of("pmessage")["channel"] == b"news"
        assert r.pubsub_channels() == [b"news"], r.pubsub_channels()
        assert r.pubsub_numsub("news") == [(b"news", 1)]
        assert r.pubsub_numpat() == 1
        assert r.client_getname() == "tester"
        assert any(c["name"] == "tester" for c in r.client_list())
        heard = threading.Event()
        q = r.pubsub(ignore_subscribe_messages=True)
        q.subscribe(**{"other": lambda m: heard.set()})
        t = q.run_in_thread(sleep_time=0.1)
        while r.pubsub_numsub("other")[0][1] == 0: pass
        r.publish("other", b"\x00\xff")
        assert heard.wait(60)
        t.stop(); t.join()
        p.unsubscribe(); p.punsubscribe()
        next_of("unsubscribe"), next_of("punsubscribe")
        try: r.get("x"); assert False
        except redis.ResponseError as e: assert "unknown command" in str(e), e
        print("done")
        """;

    [Theory]
    [InlineData("")]
    [InlineData("secret")]
    public async Task Python_s_client_works_unchanged(string password)
    {
        await using var endpoint = new TestEndpoint(password.Length == 0 ? null : password);
        Assert.Equal("done\n", await RunAsync("/usr/bin/python3", ["-c", Python, $"{endpoint.Port}", password]));
    }

    [Fact]
    public async Task Redis_cli_works_unchanged()
    {
        await using var endpoint = new TestEndpoint();
        using var subscriber = Start("redis-cli", ["-p", $"{endpoint.Port}", "SUBSCRIBE", "news"]);
        Assert.Equal("subscribe", await subscriber.StandardOutput.ReadLineAsync().WaitAsync(RedisServer.Patience));
        for (var i = 0; i < 2; i++) await subscriber.StandardOutput.ReadLineAsync().WaitAsync(RedisServer.Patience);
        Assert.Equal("1\n", await RunAsync("redis-cli", ["-p", $"{endpoint.Port}", "PUBLISH", "news", "hello"]));
        Assert.Equal("message", await subscriber.StandardOutput.ReadLineAsync().WaitAsync(RedisServer.Patience));
        Assert.Equal("news", await subscriber.StandardOutput.ReadLineAsync().WaitAsync(RedisServer.Patience));
        Assert.Equal("hello", await subscriber.StandardOutput.ReadLineAsync().WaitAsync(RedisServer.Patience));
        Assert.Equal("PONG\n", await RunAsync("redis-cli", ["-3", "-p", $"{endpoint.Port}", "PING"]));
        subscriber.Kill();
    }

    private static async Task<string> RunAsync(string program, string[] arguments)
    {
        using var process = Start(program, arguments);
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(RedisServer.Patience);
            await process.WaitForExitAsync().WaitAsync(RedisServer.Patience);
            Assert.True(process.ExitCode == 0, await errors);
            return output;
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    private static Process Start(string program, string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
}
