using System.Net.Sockets;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Tunnels;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

/// <summary>pc open of a port for datagrams.</summary>
public sealed class DatagramTunnelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // One swarm for all of it: making one takes longer than each part.
    [Fact]
    public async Task Datagrams_reach_the_program_wherever_it_runs()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Datagrams, "ports = [\"5300/udp\"]\nnetwork = \"none\"", "game", "elm");
        await using var opened = await Opened.AsOfAsync(friends.Oak, "game");
        Assert.Equal(("game", 5300, "127.0.0.1", "elm", "udp"), (opened.Reply.Program, opened.Reply.Port, opened.Reply.Address, opened.Reply.Host, opened.Reply.Protocol));

        // Each sender is one to the program.
        using var first = opened.Sender();
        using var second = opened.Sender();
        var (one, other) = ((await AskAsync(first, "one")).Split(' '), (await AskAsync(second, "other")).Split(' '));
        Assert.Equal(("one", "other"), (one[1], other[1]));
        Assert.NotEqual(one[0], other[0]);
        Assert.Equal($"{one[0]} ", await AskAsync(first, ""));

        // More than is taken: some are lost, also of the questions, and the way goes on.
        await first.SendAsync("quick"u8.ToArray(), Token);
        using (var asking = CancellationTokenSource.CreateLinkedTokenSource(Token))
        {
            var asked = AskAgainAsync(first, "still there?", asking.Token);
            while (await HearAsync(first) is var answer && answer != $"{one[0]} still there?") Assert.True(answer.StartsWith('x') || answer == $"{one[0]} quick", answer);
            await asking.CancelAsync();
            await asked;
        }

        // It moves to another host: the same sender is answered from there.
        await friends.Oak.StopProgramAsync("friends", "game");
        Assert.Equal("no member runs game now", await opened.NextAsync());
        await first.SendAsync("to whom?"u8.ToArray(), Token);
        await friends.DeployAsync(TestPrograms.Datagrams, "ports = [\"5300/udp\", 7000]\nopen = \"members\"", "game", "fir");
        string heard;
        do heard = await HearAsync(first);
        while (heard == $"{one[0]} still there?");
        Assert.EndsWith(" to whom?", heard, StringComparison.Ordinal);

        // Rights, and what kind of port it is: the host decides.
        await using (var members = await Opened.AsOfAsync(friends.Ash, "game", 5300))
        {
            using var sender = members.Sender();
            Assert.EndsWith(" hello", await AskAsync(sender, "hello"), StringComparison.Ordinal);
        }
        var state = friends.Oak.Node.Swarms.Require("friends").State;
        var game = state.Programs.Values.Single(program => !program.Stopped && program.Deployed.Name == "game").Id;
        Assert.Equal(TunnelStatus.NotPermitted, await AskAsync(friends.Ash, friends.Fir, TunnelService.Protocol, new TunnelRequest(state.Id, game, 5300)));
        Assert.Equal(TunnelStatus.NotPermitted, await AskAsync(friends.Ash, friends.Fir, TunnelService.DatagramProtocol, new TunnelRequest(state.Id, game, 7000)));
        Assert.Equal(TunnelStatus.NotPermitted, await AskAsync(friends.Ash, friends.Fir, TunnelService.DatagramProtocol, new TunnelRequest(state.Id, game, 5301)));
        Assert.Equal(TunnelStatus.Connected, await AskAsync(friends.Ash, friends.Fir, TunnelService.DatagramProtocol, new TunnelRequest(state.Id, game, 5300)));

        // The host's own member goes the short way.
        await using var near = await Opened.AsOfAsync(friends.Fir, "game", 5300);
        using var neighbour = near.Sender();
        Assert.EndsWith(" near", await AskAsync(neighbour, "near"), StringComparison.Ordinal);

        // Who is removed is cut off, though another swarm keeps the connection of the two nodes: after a frame, what comes is the end.
        await friends.Ash.JoinAsync((await friends.Fir.CreateAsync("others")).Ticket!);
        await using var way = new StreamDatagrams(await OpenAsync(friends.Ash, friends.Fir, TunnelService.DatagramProtocol, new TunnelRequest(state.Id, game, 5300)));
        await friends.Oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("ash"), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);
        await Assert.ThrowsAsync<IOException>(() => way.WaitAsync(Token).AsTask().WaitAsync(TestNode.Patience, Token));
    }

    private static async Task<string> AskAsync(Socket socket, string text)
    {
        await socket.SendAsync(Encoding.ASCII.GetBytes(text), Token);
        return await HearAsync(socket);
    }

    private static async Task AskAgainAsync(Socket socket, string text, CancellationToken cancellationToken)
    {
        using var clock = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        try
        {
            do await socket.SendAsync(Encoding.ASCII.GetBytes(text), cancellationToken);
            while (await clock.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException)
        {
            // It was answered.
        }
    }

    private static async Task<string> HearAsync(Socket socket)
    {
        var buffer = new byte[2000];
        return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(TestNode.Patience, Token));
    }

    private static async Task<Libp2pStream> OpenAsync(TestNode from, TestNode host, string protocol, TunnelRequest request)
    {
        var stream = await from.Node.Host.OpenStreamAsync(host.Node.Self, protocol, Token);
        await stream.Output.WriteAsync(request.Encode(), Token);
        var read = await stream.Input.ReadAtLeastAsync(2, Token).AsTask().WaitAsync(TestNode.Patience, Token);
        Assert.Equal([(byte)TunnelStatus.Connected, 0], read.Buffer.FirstSpan[..2].ToArray());
        stream.Input.AdvanceTo(read.Buffer.GetPosition(2));
        return stream;
    }

    private static async Task<TunnelStatus> AskAsync(TestNode from, TestNode host, string protocol, TunnelRequest request)
    {
        await using var stream = await from.Node.Host.OpenStreamAsync(host.Node.Self, protocol, Token);
        await stream.Output.WriteAsync(request.Encode(), Token);
        var read = await stream.Input.ReadAsync(Token).AsTask().WaitAsync(TestNode.Patience, Token);
        return (TunnelStatus)read.Buffer.FirstSpan[0];
    }
}
