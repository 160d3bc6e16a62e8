using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Resp;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Resp;

public sealed class EndpointTests
{
    private static readonly byte[] LineEnd = "\r\n"u8.ToArray();

    [Fact]
    public async Task Messages_reach_clients_and_this_node_in_the_order_in_which_they_were_published()
    {
        await using var endpoint = new TestEndpoint();
        var heard = new List<string>();
        using var node = new HubSubscription(endpoint.Hub, "news", message => heard.Add(Encoding.UTF8.GetString(message.Payload.Span)));
        using var subscriber = new RawClient(endpoint.Port);
        await subscriber.AskAsync("SUBSCRIBE news\r\n"u8.ToArray(), ":1\r\n"u8.ToArray());
        using var publisher = new RawClient(endpoint.Port);
        await publisher.SendAsync(string.Concat(Enumerable.Range(0, 1000).Select(i => $"PUBLISH news {i}\r\n")));
        var text = await subscriber.ReadUntilAsync(text => text.EndsWith("\r\n999\r\n", StringComparison.Ordinal));
        Assert.Equal(string.Concat(Enumerable.Range(0, 1000).Select(i => $"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n${i.ToString().Length}\r\n{i}\r\n")), text);
        Assert.Equal(string.Concat(Enumerable.Repeat(":2\r\n", 1000)), await publisher.ReadUntilAsync(text => text.Length >= 4000));
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => i.ToString()), heard);
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_cut_off_and_the_others_hear_everything()
    {
        await using var endpoint = new TestEndpoint(limits: new RespLimits { HardOutputBytes = 1 << 20 });
        using var slow = new RawClient(endpoint.Port, receiveBytes: 4096);
        using var quick = new RawClient(endpoint.Port);
        await slow.AskAsync("SUBSCRIBE news\r\n"u8.ToArray(), ":1\r\n"u8.ToArray());
        await quick.AskAsync("SUBSCRIBE news\r\n"u8.ToArray(), ":1\r\n"u8.ToArray());
        using var publisher = new RawClient(endpoint.Port);
        var payload = new string('x', 64 << 10);
        var reading = quick.ReadUntilAsync(text => text.EndsWith("the last\r\n", StringComparison.Ordinal));
        for (var said = 0; !(await publisher.AskAsync(Encoding.Latin1.GetBytes($"PUBLISH news {payload[..60_000]}\r\n"), LineEnd)).Equals(":1\r\n", StringComparison.Ordinal); said++) Assert.True(said < 10_000, "it was never cut off");
        await publisher.AskAsync("PUBLISH news \"the last\"\r\n"u8.ToArray(), LineEnd);
        Assert.DoesNotContain("<closed>", await reading);
        Assert.EndsWith("<closed>", await slow.ReadUntilAsync(_ => false));
        Assert.Equal(":1\r\n", await publisher.AskAsync("PUBLISH news x\r\n"u8.ToArray(), LineEnd));
    }

    [Fact]
    public async Task A_client_that_reads_too_slowly_for_too_long_is_cut_off()
    {
        var time = new ManualTime();
        await using var endpoint = new TestEndpoint(limits: new RespLimits { SoftOutputBytes = 64 << 10 }, time: time);
        using var slow = new RawClient(endpoint.Port, receiveBytes: 4096);
        await slow.AskAsync("SUBSCRIBE news\r\n"u8.ToArray(), ":1\r\n"u8.ToArray());
        for (var i = 0; i < 200; i++) endpoint.Hub.Publish(ChannelName.Of("news"), new byte[64 << 10], publishedHere: false);
        Assert.Equal(1, endpoint.Hub.ListenersOf(ChannelName.Of("news")));
        time.Advance(TimeSpan.FromSeconds(61));
        Assert.EndsWith("<closed>", await slow.ReadUntilAsync(_ => false));
    }

    [Fact]
    public async Task What_waits_for_all_clients_together_is_bounded_and_given_back()
    {
        await using var endpoint = new TestEndpoint(limits: new RespLimits { MaxOutputBytes = 1 << 20 });
        using var slow = new RawClient(endpoint.Port, receiveBytes: 4096);
        await slow.AskAsync("SUBSCRIBE news\r\n"u8.ToArray(), ":1\r\n"u8.ToArray());
        for (var i = 0; i < 1000; i++) endpoint.Hub.Publish(ChannelName.Of("news"), new byte[64 << 10], publishedHere: false);
        Assert.EndsWith("<closed>", await slow.ReadUntilAsync(_ => false));
        await Until(() => endpoint.Endpoint.Output.Held == 0);
    }

    [Fact]
    public async Task More_clients_than_there_is_room_for_are_told_so()
    {
        await using var endpoint = new TestEndpoint(limits: new RespLimits { MaxClients = 2 });
        using var one = new RawClient(endpoint.Port);
        using var two = new RawClient(endpoint.Port);
        await one.AskAsync("PING\r\n"u8.ToArray(), LineEnd);
        await two.AskAsync("PING\r\n"u8.ToArray(), LineEnd);
        using (var three = new RawClient(endpoint.Port)) Assert.Equal("-ERR max number of clients reached\r\n<closed>", await three.ReadUntilAsync(_ => false));
        two.Dispose();
        await Until(() => endpoint.Endpoint.ClientCount == 1);
        using var four = new RawClient(endpoint.Port);
        Assert.Equal("+PONG\r\n", await four.AskAsync("PING\r\n"u8.ToArray(), LineEnd));
    }

    [Theory]
    [InlineData("*65537\r\n", "-ERR Protocol error: invalid multibulk length\r\n<closed>")]
    [InlineData("*1\r\n$16777217\r\n", "-ERR Protocol error: invalid bulk length\r\n<closed>")]
    public async Task A_command_that_claims_more_than_may_be_is_refused_before_it_comes(string command, string answer)
    {
        await using var endpoint = new TestEndpoint();
        using var client = new RawClient(endpoint.Port);
        await client.SendAsync(command);
        Assert.Equal(answer, await client.ReadUntilAsync(_ => false));
    }

    [Fact]
    public async Task Names_subscriptions_and_unfinished_commands_are_bounded()
    {
        await using var endpoint = new TestEndpoint(limits: new RespLimits { MaxSubscriptions = 3, MaxPatterns = 1, MaxInputBytes = 100_000 });
        using var client = new RawClient(endpoint.Port);
        Assert.Contains("-ERR a client has at most 3 channels and 1 patterns here", await client.AskAsync("SUBSCRIBE a b c d\r\n"u8.ToArray(), "here\r\n"u8.ToArray()), StringComparison.Ordinal);
        await client.AskAsync("UNSUBSCRIBE\r\n"u8.ToArray(), ":0\r\n"u8.ToArray());
        Assert.Contains("-ERR a client has at most 3", await client.AskAsync("PSUBSCRIBE a b\r\n"u8.ToArray(), "here\r\n"u8.ToArray()), StringComparison.Ordinal);
        await client.AskAsync("PUNSUBSCRIBE\r\n"u8.ToArray(), ":0\r\n"u8.ToArray());
        Assert.StartsWith("-ERR the name of a pattern", await client.AskAsync(Encoding.Latin1.GetBytes($"PSUBSCRIBE {new string('*', 1025)}\r\n"), LineEnd), StringComparison.Ordinal);
        Assert.StartsWith("-ERR the name of a channel", await client.AskAsync(Encoding.Latin1.GetBytes($"*3\r\n$7\r\nPUBLISH\r\n$65536\r\n{new string('c', 65536)}\r\n$1\r\nx\r\n"), LineEnd), StringComparison.Ordinal);
        await client.SendAsync($"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$200000\r\n{new string('c', 150_000)}");
        Assert.Equal("-ERR all clients together have too much of commands that are not complete\r\n<closed>", await client.ReadUntilAsync(_ => false));
        await Until(() => endpoint.Endpoint.Input.Held == 0);
    }

    [Fact]
    public async Task Who_may_not_publish_is_told_why()
    {
        await using var endpoint = new TestEndpoint { WhyNotPublish = "NOPERM this node may not publish" };
        using var client = new RawClient(endpoint.Port);
        Assert.Equal("-NOPERM this node may not publish\r\n", await client.AskAsync("PUBLISH a b\r\n"u8.ToArray(), LineEnd));
    }

    [Fact]
    public async Task Clients_say_who_they_are_and_see_who_is_there()
    {
        await using var endpoint = new TestEndpoint();
        using var client = new RawClient(endpoint.Port);
        Assert.Equal("+OK\r\n", await client.AskAsync("CLIENT SETINFO LIB-NAME redis-py\r\n"u8.ToArray(), LineEnd));
        Assert.Equal("-ERR LIB-VER cannot contain spaces, newlines or special characters.\r\n", await client.AskAsync("CLIENT SETINFO LIB-VER \"1 2\"\r\n"u8.ToArray(), LineEnd));
        await client.AskAsync("CLIENT SETNAME me\r\n"u8.ToArray(), LineEnd);
        Assert.Matches(@"^\$\d+\r\nid=1 addr=127\.0\.0\.1:\d+ name=me age=\d+ flags=N db=0 sub=0 psub=0 omem=0 resp=2\n\r\n$", await client.AskAsync("CLIENT LIST\r\n"u8.ToArray(), "\n\r\n"u8.ToArray()));
        using var subscriber = new RawClient(endpoint.Port);
        await subscriber.AskAsync("SUBSCRIBE a\r\n"u8.ToArray(), ":1\r\n"u8.ToArray());
        Assert.Matches(@"^\$\d+\r\nid=2 [^\n]* flags=P [^\n]*\n\r\n$", await client.AskAsync("CLIENT LIST TYPE pubsub\r\n"u8.ToArray(), "\n\r\n"u8.ToArray()));
        Assert.Matches(@"^\$\d+\r\nid=1 [^\n]*\n\r\n$", await client.AskAsync("CLIENT LIST ID 1 7\r\n"u8.ToArray(), "\n\r\n"u8.ToArray()));
        Assert.Contains("redis_version:", await client.AskAsync("INFO\r\n"u8.ToArray(), "\r\n\r\n"u8.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_password_only_this_machine_is_served()
    {
        var error = Assert.Throws<PcException>(() => RespEndpoint.Start(new IPEndPoint(IPAddress.Any, 0), null, new ChannelHub(), () => null, RespLimits.Default, TimeProvider.System, NullLogger.Instance));
        Assert.Equal(ErrorCode.SessionsOpenToAll, error.Code);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_an_error_that_names_it()
    {
        await using var endpoint = new TestEndpoint();
        var error = Assert.Throws<PcException>(() => RespEndpoint.Start(endpoint.Endpoint.Address, null, new ChannelHub(), () => null, RespLimits.Default, TimeProvider.System, NullLogger.Instance));
        Assert.Equal(ErrorCode.SessionsPortTaken, error.Code);
        Assert.Contains($":{endpoint.Port}", error.Message, StringComparison.Ordinal);
    }

    private static async Task Until(Func<bool> holds)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (; !holds(); await Task.Delay(10)) Assert.True(clock.Elapsed < RedisServer.Patience, "it never came to that");
    }
}
