using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Sessions.Tests.Support;

/// <summary>Members of one swarm, connected within this machine.</summary>
internal sealed class TestVillage : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<TcpStream> _streams = [];
    private readonly List<Task> _serving = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<PeerId> _away = [];
    private readonly HashSet<PeerId> _readers = [];

    public TestVillage(int count, TimeProvider? time = null, ChannelLimits? limits = null)
    {
        Assert.True(SwarmId.TryFromBytes([.. Enumerable.Repeat((byte)7, SwarmId.Size)], out var swarm));
        Swarm = swarm;
        for (var i = 0; i < count; i++) Nodes.Add(NewNode(i, boot: i, time, limits));
    }

    public SwarmId Swarm { get; }

    public List<Node> Nodes { get; } = [];

    /// <summary>Another life of a member; the one before is stopped by whoever calls.</summary>
    public Node NewNode(int number, int boot, TimeProvider? time = null, ChannelLimits? limits = null)
    {
        var self = PeerId.FromEd25519([.. Enumerable.Repeat((byte)(number + 1), 32)]);
        return new Node(self, new SwarmChannels(new Mesh(this, self), limits ?? ChannelLimits.Default with { FirstPause = TimeSpan.FromMilliseconds(10) }, time ?? TimeProvider.System, new Random(boot), NullLogger.Instance));
    }

    public async Task ConnectAsync()
    {
        foreach (var node in Nodes) await node.Channels.SetMembers(Nodes.Select(other => other.Self));
        await UntilAsync(() => Nodes.All(node => node.Channels.Connected.Count == Nodes.Count - 1));
    }

    public void Leave(Node node)
    {
        lock (_gate) _away.Add(node.Self);
        Cut();
    }

    public void Return(Node node)
    {
        lock (_gate) _away.Remove(node.Self);
    }

    public void MayOnlyRead(Node node)
    {
        lock (_gate) _readers.Add(node.Self);
    }

    /// <summary>All streams break.</summary>
    public void Cut()
    {
        List<TcpStream> streams;
        lock (_gate)
        {
            streams = [.. _streams];
            _streams.Clear();
        }
        foreach (var stream in streams) stream.Reset();
    }

    /// <summary>A stream to a member from anybody, as the connection proved.</summary>
    public IChannelStream Open(PeerId from, PeerId to)
    {
        var (one, other) = TcpStream.Pair();
        lock (_gate)
        {
            if (_away.Contains(from) || _away.Contains(to)) throw new IOException("it is away");
            _streams.AddRange([one, other]);
            _serving.Add(Task.Run(() => ServeAsync(Nodes.First(node => node.Self == to), from, other)));
        }
        return one;
    }

    public static async Task UntilAsync(Func<bool> holds)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (; !holds(); await Task.Delay(5)) Assert.True(clock.Elapsed < RedisServer.Patience, "it never came to that");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var node in Nodes) await node.Channels.DisposeAsync();
        Cut();
        await Task.WhenAll(_serving);
        _stop.Dispose();
    }

    private async Task ServeAsync(Node node, PeerId from, TcpStream stream)
    {
        try
        {
            var read = await stream.Input.ReadAtLeastAsync(ChannelHello.Size, _stop.Token);
            var head = read.Buffer.Slice(0, Math.Min(ChannelHello.Size, read.Buffer.Length));
            var status = ChannelHello.TryRead(System.Buffers.BuffersExtensions.ToArray(head), out var hello);
            stream.Input.AdvanceTo(head.End);
            if (status == ParseStatus.Done) await node.Channels.HearAsync(from, hello, stream, _stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // It was cut.
        }
        stream.Reset();
    }

    public sealed record Node(PeerId Self, SwarmChannels Channels);

    private sealed class Mesh(TestVillage village, PeerId self) : IChannelMesh
    {
        public SwarmId Swarm => village.Swarm;

        public PeerId Self => self;

        public ValueTask<IChannelStream> OpenAsync(PeerId member, CancellationToken cancellationToken) => ValueTask.FromResult(village.Open(self, member));

        public bool MayPublish(PeerId member)
        {
            lock (village._gate) return !village._readers.Contains(member);
        }
    }

    /// <summary>A connection of this machine, which can break as one of the mesh does: with what was on its way.</summary>
    private sealed class TcpStream(Socket socket) : IChannelStream
    {
        public PipeReader Input { get; } = PipeReader.Create(new NetworkStream(socket, ownsSocket: false));

        public PipeWriter Output { get; } = PipeWriter.Create(new NetworkStream(socket, ownsSocket: false));

        public static (TcpStream One, TcpStream Other) Pair()
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen();
            var one = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            one.Connect(listener.LocalEndPoint!);
            var other = listener.Accept();
            other.NoDelay = true;
            return (new TcpStream(one), new TcpStream(other));
        }

        public void Reset()
        {
            try
            {
                socket.LingerState = new LingerOption(enable: true, seconds: 0);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The other side was first.
            }
            socket.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Reset();
            return ValueTask.CompletedTask;
        }
    }
}
