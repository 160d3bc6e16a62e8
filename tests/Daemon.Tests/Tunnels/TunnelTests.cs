using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Tunnels;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

/// <summary>pc open: from a member's machine to a program on another's.</summary>
public sealed class TunnelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // One swarm for all of it: making one takes longer than each part.
    [Fact]
    public async Task A_port_of_this_machine_leads_to_the_program_wherever_it_runs()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Echo, "ports = [7000]\nnetwork = \"none\"", "echo", "elm");
        await using var opened = await Opened.AsOfAsync(friends.Oak, "echo");
        Assert.Equal(("echo", 7000, "127.0.0.1", "elm", null), (opened.Reply.Program, opened.Reply.Port, opened.Reply.Address, opened.Reply.Host, opened.Reply.Url));

        // Both ways, and one way closed before the other.
        Assert.Equal("helloEND 5", await opened.TalkAsync("hello"));

        // Much, while another connection is used, and nothing is lost.
        var much = new string('x', 4 << 20);
        var big = opened.TalkAsync(much);
        Assert.Equal("smallEND 5", await opened.TalkAsync("small"));
        Assert.Equal($"{much}END {much.Length}", await big);

        // A connection that one side breaks off ends broken off at the other, not in order.
        using var kept = await opened.ConnectAsync();
        await kept.SendAsync("kept"u8.ToArray(), Token);
        Assert.Equal(4, await kept.ReceiveAsync(new byte[10], Token));

        // It moves to another host as a new deploy of its name: the old connection is broken, the port leads there.
        await friends.Oak.StopProgramAsync("friends", "echo");
        await Assert.ThrowsAsync<SocketException>(async () => Assert.NotEqual(0, await kept.ReceiveAsync(new byte[10], Token).AsTask().WaitAsync(TestNode.Patience, Token)));
        Assert.Equal("no member runs echo now", await opened.NextAsync());
        var waiting = opened.TalkAsync("to whom?");
        await friends.DeployAsync(TestPrograms.Echo, "ports = [7000]", "echo", "fir");
        Assert.Equal("echo runs on fir now", await opened.NextAsync());
        Assert.Equal("to whom?END 8", await waiting);

        // The host's own member goes the short way, and an owner who hosts it too.
        await using var second = await Opened.AsOfAsync(friends.Oak, "echo", 7000);
        Assert.NotEqual(opened.Reply.Local, second.Reply.Local);
        Assert.Equal("againEND 5", await second.TalkAsync("again"));

        // What went through is in what its host says that it took: 4 MiB there and back, and a little.
        await TestNode.UntilAsync(() => friends.Oak.Node.Swarms.Require("friends").State.Programs.Values.Any(program => program.Runs is [{ End: not null, Use.Bytes: > 8 << 20 and < 9 << 20 }]));
    }

    [Fact]
    public async Task Only_who_may_connects_and_only_to_named_ports()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Echo, "ports = [7000]", "private", "elm");
        await friends.DeployAsync(TestPrograms.Echo, "ports = [7000, 7001]\nopen = \"members\"", "shared", "fir");

        // 1. What the member's own daemon says.
        Assert.Equal($"PC{(int)ErrorCode.NotPermitted}", await RefusedAsync(friends.Ash, "private"));
        Assert.Equal($"PC{(int)ErrorCode.ProgramNotFound}", await RefusedAsync(friends.Ash, "none"));
        Assert.Equal($"PC{(int)ErrorCode.PortNotNamed}", await RefusedAsync(friends.Oak, "private", 22));
        await using (var opened = await Opened.AsOfAsync(friends.Ash, "shared")) Assert.Equal("hiEND 2", await opened.TalkAsync("hi"));
        using var taken = new TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        Assert.Equal($"PC{(int)ErrorCode.LocalPortTaken}", await RefusedAsync(friends.Oak, "shared", 7000, ((System.Net.IPEndPoint)taken.LocalEndpoint).Port));

        // 2. What the host says to one who does not ask its own daemon.
        var state = friends.Oak.Node.Swarms.Require("friends").State;
        var (hidden, shared) = (ProgramOf(state, "private"), ProgramOf(state, "shared"));
        Assert.Equal(TunnelStatus.NotPermitted, await AskAsync(friends.Ash, friends.Elm, new TunnelRequest(state.Id, hidden, 7000)));
        Assert.Equal(TunnelStatus.NotPermitted, await AskAsync(friends.Oak, friends.Elm, new TunnelRequest(state.Id, hidden, 22)));
        Assert.Equal(TunnelStatus.NotPermitted, await AskAsync(friends.Oak, friends.Elm, new TunnelRequest(new SwarmId(hidden), hidden, 7000)));
        Assert.Equal(TunnelStatus.NotHere, await AskAsync(friends.Oak, friends.Fir, new TunnelRequest(state.Id, hidden, 7000)));
        Assert.Equal(TunnelStatus.NothingListens, await AskAsync(friends.Ash, friends.Fir, new TunnelRequest(state.Id, shared, 7001)));
        Assert.Equal(TunnelStatus.Connected, await AskAsync(friends.Ash, friends.Fir, new TunnelRequest(state.Id, shared, 7000)));
        await using (var garbled = await friends.Ash.Node.Host.OpenStreamAsync(friends.Fir.Node.Self, TunnelService.Protocol, Token))
        {
            await garbled.Output.WriteAsync(new byte[TunnelRequest.Size], Token);
            await Assert.ThrowsAsync<Libp2pException>(async () => await garbled.Input.ReadAsync(Token).AsTask().WaitAsync(TestNode.Patience, Token));
        }

        // 3. A member that is removed is cut off in the middle, though another swarm keeps the connection of the two nodes.
        await friends.Ash.JoinAsync((await friends.Fir.CreateAsync("others")).Ticket!);
        await using var open = await Opened.AsOfAsync(friends.Ash, "shared");
        using var connection = await open.ConnectAsync();
        await connection.SendAsync("hi"u8.ToArray(), Token);
        Assert.Equal(2, await connection.ReceiveAsync(new byte[10], Token));
        await friends.Oak.Client.PostAsync("/v1/swarms/friends/remove", new RemoveRequest("ash"), TestNode.Json.RemoveRequest, TestNode.Json.RemoveReply);
        await Assert.ThrowsAsync<SocketException>(async () => Assert.NotEqual(0, await connection.ReceiveAsync(new byte[10], Token).AsTask().WaitAsync(TestNode.Patience, Token)));
    }

    [Fact]
    public async Task One_member_cannot_take_all_connections()
    {
        await using var friends = await Friends.MeetAsync();
        await friends.DeployAsync(TestPrograms.Echo, "ports = [7000]\nopen = \"members\"", "echo", "elm");
        await using (var opened = await Opened.AsOfAsync(friends.Ash, "echo")) await opened.TalkAsync("it listens");
        var state = friends.Oak.Node.Swarms.Require("friends").State;
        var request = new TunnelRequest(state.Id, ProgramOf(state, "echo"), 7000);
        var held = new List<Libp2pStream>();
        for (var i = 0; i < TunnelLimits.Default.MaxPerPeer; i++)
        {
            held.Add(await friends.Ash.Node.Host.OpenStreamAsync(friends.Elm.Node.Self, TunnelService.Protocol, Token));
            await held[^1].Output.WriteAsync(request.Encode(), Token);
            Assert.Equal(TunnelStatus.Connected, await AnswerAsync(held[^1]));
        }

        Assert.Equal(TunnelStatus.TooMany, await AskAsync(friends.Ash, friends.Elm, request));
        var refused = await Assert.ThrowsAsync<PcException>(() => friends.Ash.Node.Tunnels.DialAsync(friends.Ash.Node.Swarms.Require("friends"), "echo", 7000, Token));
        Assert.Equal(ErrorCode.ProgramNotReached, refused.Code);
        Assert.Equal(TunnelStatus.Connected, await AskAsync(friends.Oak, friends.Elm, request));
        foreach (var stream in held) await stream.DisposeAsync();
    }

    private static async Task<string> RefusedAsync(TestNode node, string program, int? port = null, int? local = 0) =>
        (await Assert.ThrowsAsync<ApiException>(async () => await Opened.AsOfAsync(node, program, port, local))).Reply.Code;

    private static EntryHash ProgramOf(SwarmState state, string name) => state.Programs.Values.Single(program => !program.Stopped && program.Deployed.Name == name).Id;

    private static async Task<TunnelStatus> AskAsync(TestNode from, TestNode host, TunnelRequest request)
    {
        await using var stream = await from.Node.Host.OpenStreamAsync(host.Node.Self, TunnelService.Protocol, Token);
        await stream.Output.WriteAsync(request.Encode(), Token);
        return await AnswerAsync(stream);
    }

    private static async Task<TunnelStatus> AnswerAsync(Libp2pStream stream)
    {
        var read = await stream.Input.ReadAsync(Token).AsTask().WaitAsync(TestNode.Patience, Token);
        var status = (TunnelStatus)read.Buffer.FirstSpan[0];
        stream.Input.AdvanceTo(read.Buffer.End);
        return status;
    }
}
