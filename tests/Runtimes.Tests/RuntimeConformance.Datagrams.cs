using System.Text;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>Datagrams reach a command from outside.</summary>
public abstract partial class RuntimeConformance
{
    // Answers each datagram with its sender's port and itself.
    private const string DatagramServer = """
        import socket, sys
        server = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((sys.argv[1], 5300))
        print('listening', flush=True)
        while True:
          data, sender = server.recvfrom(65536)
          server.sendto(data if len(data) > 60000 else b'%d %s' % (sender[1], data), sender)
        """;

    [Theory]
    [InlineData(NetworkMode.None, "127.0.0.1")]
    [InlineData(NetworkMode.None, "::1")]
    [InlineData(NetworkMode.None, "::")]
    [InlineData(NetworkMode.Internet, "0.0.0.0")]
    [InlineData(NetworkMode.Lan, "127.0.0.1")]
    public async Task Datagrams_reach_the_command_whatever_network_it_has(NetworkMode network, string address)
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", DatagramServer, address) with { Network = network }, output.Receive, Token);
        await output.WaitForAsync("listening");

        // Two senders are two to the command.
        await using var first = await run.OpenDatagramsAsync(5300, Token);
        await using var second = await run.OpenDatagramsAsync(5300, Token);
        var (one, other) = ((await AskAsync(first, "one")).Split(' '), (await AskAsync(second, "other")).Split(' '));

        Assert.Equal(("one", "other"), (one[1], other[1]));
        Assert.NotEqual(one[0], other[0]);
        Assert.Equal([one[0], "again"], (await AskAsync(first, "again")).Split(' '));

        // The longest and the shortest.
        Assert.Equal([one[0], ""], (await AskAsync(first, "")).Split(' '));
        var longest = new string('x', PortLimits.MaxDatagramBytes);
        Assert.Equal(longest, await AskAsync(second, longest));
    }

    [Fact]
    public async Task A_datagram_that_meets_nobody_is_lost_and_the_next_may_not_be()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(
            Python("""
                import socket
                def listen(port):
                  new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                  new.bind(('127.0.0.1', port))
                  return new
                first, orders = listen(5300), listen(5301)
                print('listening', flush=True)
                first.sendto(b'heard', first.recvfrom(100)[1])
                first.close()
                print('closed', flush=True)
                orders.recvfrom(100)
                first = listen(5300)
                print('open again', flush=True)
                first.sendto(b'heard again', first.recvfrom(100)[1])
                """),
            output.Receive, Token);
        await output.WaitForAsync("listening");
        await Assert.ThrowsAsync<IOException>(async () => await run.OpenDatagramsAsync(5302, Token));
        await using var orders = await run.OpenDatagramsAsync(5301, Token);
        await using var datagrams = await run.OpenDatagramsAsync(5300, Token);
        Assert.Equal("heard", await AskAsync(datagrams, "1"));

        await output.WaitForAsync("closed");
        await Assert.ThrowsAsync<IOException>(async () => await run.OpenDatagramsAsync(5300, Token));
        var answer = ReceiveAsync(datagrams);
        for (var i = 0; i < 3; i++) await datagrams.SendAsync("2"u8.ToArray(), Token);
        await orders.SendAsync("open"u8.ToArray(), Token);
        await output.WaitForAsync("open again");
        await datagrams.SendAsync("3"u8.ToArray(), Token);

        Assert.Equal("heard again", await answer);
    }

    [Fact]
    public async Task Datagrams_end_with_the_run()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(Spec("python3", "-c", DatagramServer, "127.0.0.1"), output.Receive, Token);
        await output.WaitForAsync("listening");
        await using var datagrams = await run.OpenDatagramsAsync(5300, Token);
        var waiting = datagrams.WaitAsync(Token).AsTask();

        await run.StopAsync(TimeSpan.Zero);

        await Assert.ThrowsAsync<IOException>(() => waiting.WaitAsync(Patience, Token));
        await Assert.ThrowsAsync<IOException>(async () => await datagrams.SendAsync(new byte[1], Token));
        await Assert.ThrowsAsync<IOException>(async () => await run.OpenDatagramsAsync(5300, Token));
    }

    private static async Task<string> AskAsync(IDatagramChannel datagrams, string text)
    {
        await datagrams.SendAsync(Encoding.ASCII.GetBytes(text), Token);
        return await ReceiveAsync(datagrams);
    }

    private static async Task<string> ReceiveAsync(IDatagramChannel datagrams)
    {
        await datagrams.WaitAsync(Token).AsTask().WaitAsync(Patience, Token);
        var buffer = new byte[PortLimits.MaxDatagramBytes];
        return Encoding.ASCII.GetString(buffer, 0, await datagrams.ReceiveAsync(buffer, Token).AsTask().WaitAsync(Patience, Token));
    }
}
