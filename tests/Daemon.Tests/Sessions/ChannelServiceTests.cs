using System.Net;
using System.Net.Sockets;
using System.Text;
using PeoplesCloud.Daemon.Configuration;

namespace PeoplesCloud.Daemon.Tests.Sessions;

public sealed class ChannelServiceTests
{
    [Fact]
    public async Task What_is_published_on_one_node_is_heard_by_clients_of_all_nodes_of_the_swarm_and_by_no_others()
    {
        // 1. Three nodes carry the channels of a swarm that they join later; the fourth is in it and carries none.
        await using var oak = await StartAsync("oak", "friends");
        await using var elm = await StartAsync("elm", "friends");
        await using var fir = await StartAsync("fir", "friends");
        await using var ash = await TestNode.StartAsync("ash");
        using (var early = new Client(oak)) Assert.StartsWith("-NOPERM this node is in no swarm called friends", await early.AskAsync("PUBLISH news x\r\n"), StringComparison.Ordinal);
        var ticket = (await oak.CreateAsync("friends")).Ticket!;
        foreach (var node in new[] { elm, fir, ash }) await node.JoinAsync(ticket);
        await TestNode.UntilAsync(() => new[] { oak, elm, fir }.All(node => node.Node.Channels!.Channels.Connected.Count == 2));

        // 2. Each publishes, all hear all of it in the order of each publisher.
        TestNode[] nodes = [oak, elm, fir];
        var subscribers = nodes.Select(node => new Client(node)).ToList();
        foreach (var subscriber in subscribers) await subscriber.AskAsync("PSUBSCRIBE from.*\r\n", ":1\r\n");
        var here = 0;
        using var coordinating = elm.Node.Channels!.Channels.Subscribe("from.*", message => Interlocked.Add(ref here, message.PublishedHere ? 1 : 0));
        foreach (var node in nodes)
        {
            using var publisher = new Client(node);
            await publisher.AskAsync(string.Concat(Enumerable.Range(0, 100).Select(i => $"PUBLISH from.{node.Name} {i}\r\n")), string.Concat(Enumerable.Repeat(node == elm ? ":2\r\n" : ":1\r\n", 100)));
        }
        foreach (var subscriber in subscribers)
        {
            var text = await subscriber.ReadUntilAsync(heard => heard.Split("pmessage").Length > 300);
            foreach (var node in nodes)
            {
                var messages = text.Split("$8\r\npmessage\r\n", StringSplitOptions.RemoveEmptyEntries).Where(message => message.Contains($"from.{node.Name}", StringComparison.Ordinal)).Select(message => message.Split("\r\n")[5]);
                Assert.Equal(Enumerable.Range(0, 100).Select(i => i.ToString()), messages);
            }
            subscriber.Dispose();
        }
        Assert.Equal(100, here);

        // 3. Who was removed hears and says no more.
        await oak.Node.Membership.RemoveAsync("friends", "elm", TestContext.Current.CancellationToken);
        await TestNode.UntilAsync(() => fir.Node.Channels!.Channels.Connected.Count == 1 && oak.Node.Channels!.Channels.Connected.Count == 1);
    }

    [Fact]
    public async Task The_endpoint_is_off_until_a_swarm_is_named()
    {
        await using var oak = await TestNode.StartAsync("oak");
        Assert.Null(oak.Node.Channels);
    }

    private static Task<TestNode> StartAsync(string name, string swarm) =>
        TestNode.StartAsync(name, configure: config => config with { Sessions = new SessionsConfig { Swarm = swarm, Listen = new IPEndPoint(IPAddress.Loopback, 0) } });

    private sealed class Client : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public Client(TestNode node) => _socket.Connect(node.Node.Channels!.Endpoint.Address);

        public async Task<string> AskAsync(string text, string end = "\r\n")
        {
            await _socket.SendAsync(Encoding.Latin1.GetBytes(text));
            return await ReadUntilAsync(answer => answer.EndsWith(end, StringComparison.Ordinal));
        }

        public async Task<string> ReadUntilAsync(Func<string, bool> isEnough)
        {
            var (text, buffer) = ("", new byte[64 << 10]);
            while (!isEnough(text))
            {
                var read = await _socket.ReceiveAsync(buffer).WaitAsync(TestNode.Patience);
                Assert.True(read > 0, $"the connection ended after {text}");
                text += Encoding.Latin1.GetString(buffer, 0, read);
            }
            return text;
        }

        public void Dispose() => _socket.Dispose();
    }
}
