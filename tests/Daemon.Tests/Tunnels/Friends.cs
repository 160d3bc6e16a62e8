using System.Net.Http.Json;
using System.Net.Sockets;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Daemon.Tests.Tunnels;

/// <summary>oak made the swarm friends and hosts nothing; elm and fir host; ash is a member like they are.</summary>
internal sealed class Friends : IAsyncDisposable
{
    private readonly List<TestNode> _nodes = [];

    private Friends()
    {
    }

    public TestNode Oak => _nodes[0];

    public TestNode Elm => _nodes[1];

    public TestNode Fir => _nodes[2];

    public TestNode Ash => _nodes[3];

    public static async Task<Friends> MeetAsync()
    {
        var friends = new Friends();
        foreach (var name in new[] { "oak", "elm", "fir", "ash" }) friends._nodes.Add(await TestNode.StartAsync(name, hosts: name is "elm" or "fir"));
        var ticket = (await friends.Oak.CreateAsync("friends")).Ticket!;
        foreach (var node in friends._nodes.Skip(1)) await node.JoinAsync(ticket);
        foreach (var node in friends._nodes) await node.WaitForAsync("friends", swarm => swarm.Members.Count == 4);
        return friends;
    }

    /// <summary>Deploys from oak and waits until all know of it.</summary>
    public async Task<DeployReply> DeployAsync(string bot, string manifest, string name, string host)
    {
        using var folder = TestPrograms.Folder(bot, manifest);
        using var patience = new CancellationTokenSource(TestNode.Patience);
        DeployReply? reply = null;
        while (reply is null)
        {
            try
            {
                reply = await Oak.DeployAsync("friends", folder.Path, name, host);
            }
            catch (ApiException e) when (e.Reply.Code == $"PC{(int)ErrorCode.StartFailed}" && !patience.IsCancellationRequested)
            {
                // Hosts that have just started do not vote yet, so that another than the wanted one may get the lease. Then again.
            }
        }
        foreach (var node in _nodes) await node.WaitForAsync("friends", swarm => swarm.Programs.Any(program => program.Name == name && program.Host == host && program.State == "running"));
        return reply;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
    }
}

/// <summary>A port that is open for as long as its answer is read.</summary>
internal sealed class Opened : IAsyncDisposable
{
    private readonly IAsyncEnumerator<Event<OpenReply>> _events;

    private Opened(IAsyncEnumerator<Event<OpenReply>> events) => _events = events;

    public OpenReply Reply { get; private set; } = null!;

    public static async Task<Opened> AsOfAsync(TestNode node, string program, int? port = null, int? local = 0)
    {
        var content = JsonContent.Create(new OpenRequest(port, local), TunnelApiJson.Default.OpenRequest);
        var opened = new Opened(node.Client.EventsAsync(HttpMethod.Post, $"/v1/swarms/friends/programs/{program}/open", content, TunnelApiJson.Default.EventOpenReply).GetAsyncEnumerator(Token));
        try
        {
            Assert.True(await opened._events.MoveNextAsync());
            opened.Reply = opened._events.Current.Result!;
            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <summary>The next thing that was said about it.</summary>
    public async Task<string> NextAsync()
    {
        Assert.True(await _events.MoveNextAsync().AsTask().WaitAsync(TestNode.Patience, Token));
        return _events.Current.Text!;
    }

    /// <summary>A new connection.</summary>
    public async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Reply.Address, Reply.Local, Token);
        return socket;
    }

    /// <summary>A new sender of datagrams.</summary>
    public Socket Sender()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(Reply.Address, Reply.Local);
        return socket;
    }

    /// <summary>Sends a text over a new connection, closes that half, and answers all that came back.</summary>
    public async Task<string> TalkAsync(string text)
    {
        using var socket = await ConnectAsync();
        await using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream);
        // Received while it is sent: what comes back has to go somewhere.
        var received = reader.ReadToEndAsync(Token);
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text), Token);
        socket.Shutdown(SocketShutdown.Send);
        return await received.WaitAsync(TestNode.Patience, Token);
    }

    public ValueTask DisposeAsync() => _events.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;
}
