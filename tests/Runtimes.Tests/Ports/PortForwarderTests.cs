using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Runtimes.Tests.Ports;

/// <summary>A port of this machine leads somewhere, which may not be up yet.</summary>
public sealed class PortForwarderTests
{
    private static readonly IPEndPoint Any = new(IPAddress.Loopback, 0);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_comes_before_the_target_is_up_is_held()
    {
        using var target = new EchoTarget { Up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using var open = Open.On(target, PortKinds.Both);
        using var client = await open.ConnectAsync();
        using var sender = open.Sender();

        await client.SendAsync("hello"u8.ToArray(), Token);
        await sender.SendAsync("one"u8.ToArray(), Token);
        await sender.SendAsync("two"u8.ToArray(), Token);
        await target.AskedAsync(2);
        target.Up.SetResult();

        Assert.Equal("hello", await ReceiveAsync(client));
        Assert.Equal("one", await ReceiveAsync(sender));
        Assert.Equal("two", await ReceiveAsync(sender));
        Assert.Empty(open.Said);
    }

    [Fact]
    public async Task It_knows_since_when_nobody_uses_it()
    {
        using var target = new EchoTarget();
        var time = new MovedTime();
        await using var open = Open.On(target, PortKinds.Both, time: time);
        time.Ahead += TimeSpan.FromMinutes(3);
        Assert.InRange(open.Port.Idle, TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(4));

        using (var client = await open.ConnectAsync())
        {
            await client.SendAsync("hello"u8.ToArray(), Token);
            Assert.Equal("hello", await ReceiveAsync(client));
            time.Ahead += TimeSpan.FromMinutes(5);
            Assert.Equal((TimeSpan.Zero, 1), (open.Port.Idle, open.Port.Connections));
        }
        await Eventually.TrueAsync(() => open.Port.Connections == 0, "no connection is left");
        Assert.InRange(open.Port.Idle, TimeSpan.Zero, TimeSpan.FromMinutes(1));

        time.Ahead += TimeSpan.FromMinutes(3);
        using var sender = open.Sender();
        await sender.SendAsync("hello"u8.ToArray(), Token);
        Assert.Equal("hello", await ReceiveAsync(sender));
        Assert.InRange(open.Port.Idle, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        time.Ahead += TimeSpan.FromMinutes(3);
        Assert.InRange(open.Port.Idle, TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(4));
    }

    [Fact]
    public async Task Each_sender_has_a_way_of_its_own_which_ends_when_it_is_idle()
    {
        using var target = new EchoTarget();
        await using var open = Open.On(target, PortKinds.Udp, new PortLimits { FlowIdle = TimeSpan.FromMilliseconds(200) });
        using var first = open.Sender();
        using var second = open.Sender();
        await first.SendAsync("first"u8.ToArray(), Token);
        await second.SendAsync("second"u8.ToArray(), Token);

        Assert.Equal("first", await ReceiveAsync(first));
        Assert.Equal("second", await ReceiveAsync(second));
        await Eventually.TrueAsync(() => open.Port.Flows == 0 && target.Ways.All(way => way.Ended.IsCompleted), "all flows have ended");
        Assert.Equal(2, target.Ways.Count);

        await first.SendAsync("again"u8.ToArray(), Token);
        Assert.Equal("again", await ReceiveAsync(first));
        Assert.Equal(3, target.Ways.Count);
    }

    [Fact]
    public async Task A_way_that_ended_is_opened_anew_at_the_next_datagram()
    {
        using var target = new EchoTarget();
        await using var open = Open.On(target, PortKinds.Udp);
        using var sender = open.Sender();
        for (var i = 1; i <= 3; i++)
        {
            await sender.SendAsync("hello"u8.ToArray(), Token);
            Assert.Equal("hello", await ReceiveAsync(sender));
            Assert.Equal(i, target.Ways.Count);
            // The program has moved.
            target.Ways[^1].End();
            await target.Ways[^1].Ended.WaitAsync(RuntimeConformance.Patience, Token);
        }
        Assert.Equal(1, open.Port.Flows);
    }

    [Fact]
    public async Task Of_too_many_senders_the_one_that_was_silent_the_longest_gives_way()
    {
        using var target = new EchoTarget();
        await using var open = Open.On(target, PortKinds.Udp, new PortLimits { MaxFlows = 2 });
        using var first = open.Sender();
        using var second = open.Sender();
        using var third = open.Sender();
        foreach (var sender in new[] { first, second, first, third })
        {
            await sender.SendAsync("hello"u8.ToArray(), Token);
            Assert.Equal("hello", await ReceiveAsync(sender));
        }

        await target.Ways[1].Ended.WaitAsync(RuntimeConformance.Patience, Token);
        Assert.False(target.Ways[0].Ended.IsCompleted || target.Ways[2].Ended.IsCompleted);
        Assert.Equal(2, open.Port.Flows);
    }

    [Fact]
    public async Task A_target_that_is_not_reached_is_said_so()
    {
        using var target = new EchoTarget { Refusal = "no member runs it" };
        await using var open = Open.On(target, PortKinds.Both);
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            using var client = await open.ConnectAsync();
            await client.ReceiveAsync(new byte[1], Token).AsTask().WaitAsync(RuntimeConformance.Patience, Token);
        });
        await Eventually.TrueAsync(() => open.Said.Count == 1, "something was said");

        using var sender = open.Sender();
        await sender.SendAsync("lost"u8.ToArray(), Token);
        await Eventually.TrueAsync(() => open.Said.Count == 2, "it was said again");
        Assert.All(open.Said, text => Assert.Equal("no member runs it", text));

        // It comes back: what is sent then arrives sooner or later.
        target.Refusal = null;
        var answer = ReceiveAsync(sender);
        while (!answer.IsCompleted)
        {
            await sender.SendAsync("there?"u8.ToArray(), Token);
            await Task.WhenAny(answer, Task.Delay(50, Token));
        }
        Assert.Equal("there?", await answer);
    }

    [Fact]
    public async Task A_number_is_taken_for_both_kinds_or_for_none()
    {
        using var target = new EchoTarget();
        await using var open = Open.On(target, PortKinds.Both);
        Assert.Null(PortForwarder.TryListen(open.Port.EndPoint, PortKinds.Tcp, target, PortLimits.Default, TimeProvider.System));
        Assert.Null(PortForwarder.TryListen(open.Port.EndPoint, PortKinds.Udp, target, PortLimits.Default, TimeProvider.System));

        using var udp = new UdpClient(Any);
        var half = (IPEndPoint)udp.Client.LocalEndPoint!;
        Assert.Null(PortForwarder.TryListen(half, PortKinds.Both, target, PortLimits.Default, TimeProvider.System));
        using var free = PortForwarder.TryListen(half, PortKinds.Tcp, target, PortLimits.Default, TimeProvider.System);
        Assert.Equal(half.Port, free!.EndPoint.Port);
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[1000];
        return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(RuntimeConformance.Patience, Token));
    }

    /// <summary>A port that is open, and what was said about it.</summary>
    private sealed class Open : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        private Open(PortForwarder port)
        {
            Port = port;
            _running = port.RunAsync(Say, _stop.Token);
        }

        public PortForwarder Port { get; }

        public List<string> Said { get; } = [];

        public static Open On(IPortTarget target, PortKinds kinds, PortLimits? limits = null, TimeProvider? time = null) =>
            new(PortForwarder.TryListen(Any, kinds, target, limits ?? PortLimits.Default, time ?? TimeProvider.System)!);

        public async Task<Socket> ConnectAsync()
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(Port.EndPoint, Token);
            return socket;
        }

        public Socket Sender()
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(Port.EndPoint);
            return socket;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.WaitAsync(RuntimeConformance.Patience, CancellationToken.None));
            Assert.Equal(0, Port.Connections);
            _stop.Dispose();
        }

        private Task Say(string text)
        {
            Said.Add(text);
            return Task.CompletedTask;
        }
    }

    /// <summary>Gives back what it gets, once it is up.</summary>
    private sealed class EchoTarget : IPortTarget, IDisposable
    {
        private readonly TcpListener _listener = new(Any);
        private int _asked;

        public EchoTarget()
        {
            _listener.Start();
            _ = ServeAsync();
        }

        public TaskCompletionSource? Up { get; init; }

        public string? Refusal { get; set; }

        public List<Echo> Ways { get; } = [];

        public Task AskedAsync(int times) => Eventually.TrueAsync(() => Volatile.Read(ref _asked) >= times, $"asked {times} times");

        public async ValueTask<PortEnd> ConnectAsync(CancellationToken cancellationToken)
        {
            await BeUpAsync(cancellationToken);
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(_listener.LocalEndpoint, cancellationToken);
            return PortEnd.Of(socket);
        }

        public async ValueTask<IDatagramChannel> OpenDatagramsAsync(CancellationToken cancellationToken)
        {
            await BeUpAsync(cancellationToken);
            var way = new Echo();
            lock (Ways) Ways.Add(way);
            return way;
        }

        public void Dispose() => _listener.Dispose();

        private async ValueTask BeUpAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            if (Refusal is { } refusal) throw new IOException(refusal);
            if (Up is not null) await Up.Task.WaitAsync(cancellationToken);
        }

        private async Task ServeAsync()
        {
            try
            {
                while (true) _ = EchoAsync(await _listener.AcceptSocketAsync());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The test is over.
            }

            static async Task EchoAsync(Socket socket)
            {
                await using var stream = new NetworkStream(socket, ownsSocket: true);
                await stream.CopyToAsync(stream);
            }
        }
    }

    private sealed class Echo : IDatagramChannel
    {
        private readonly Channel<byte[]> _held = Channel.CreateUnbounded<byte[]>();
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when whoever uses it has let go of it.</summary>
        public Task Ended => _ended.Task;

        public void End() => _held.Writer.TryComplete();

        public ValueTask SendAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken) =>
            _held.Writer.TryWrite(datagram.ToArray()) ? ValueTask.CompletedTask : throw new IOException("ended");

        public async ValueTask WaitAsync(CancellationToken cancellationToken)
        {
            if (!await _held.Reader.WaitToReadAsync(cancellationToken)) throw new IOException("ended");
        }

        public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            await WaitAsync(cancellationToken);
            Assert.True(_held.Reader.TryRead(out var datagram));
            datagram.CopyTo(buffer);
            return datagram.Length;
        }

        public ValueTask DisposeAsync()
        {
            End();
            _ended.TrySetResult();
            return ValueTask.CompletedTask;
        }
    }

    private sealed class MovedTime : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override long GetTimestamp() => TimeProvider.System.GetTimestamp() + (long)(Ahead.TotalSeconds * TimestampFrequency);
    }
}
