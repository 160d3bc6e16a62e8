using System.Security.Cryptography;
using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p.Tests.Hosts;

/// <summary>The second connection with a peer, for streams that may take their time.</summary>
public sealed class BulkConnectionTests
{
    [Theory]
    [InlineData(SecurityProtocol.Noise)]
    [InlineData(SecurityProtocol.Tls)]
    public async Task Bulk_has_one_connection_of_its_own_that_both_sides_use(SecurityProtocol security)
    {
        await using var oak = (await TestHost.StartAsync(security: [security])).Echoes();
        await using var elm = (await TestHost.StartAsync(security: [security])).Echoes().Knows(oak);
        await EchoAsync(elm, oak, StreamUse.Quick, 100);
        Assert.Equal(StreamUse.Quick, Assert.Single(elm.Host.Connections).Use);

        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => EchoAsync(elm, oak, StreamUse.Bulk, 300_000)));
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => EchoAsync(oak, elm, StreamUse.Bulk, 300_000)));

        foreach (var host in new[] { elm.Host, oak.Host })
        {
            Assert.Equal([StreamUse.Quick, StreamUse.Bulk], host.Connections.Select(connection => connection.Use).Order());
            Assert.True(host.Connections.Single(connection => connection.Use == StreamUse.Bulk).BytesOut > 3_000_000);
            Assert.True(host.Connections.Single(connection => connection.Use == StreamUse.Quick).BytesOut < 100_000);
        }
    }

    [Fact]
    public async Task Bulk_that_stands_still_holds_up_nothing_quick()
    {
        // Goal: quick streams depend in no way on how the bulk gets along. Method: the bulk's bytes stop on their way, in both
        // directions, until the quick questions are answered; then all of it arrives.
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var elm = await TestHost.StartAsync(listen: false);
        var road = new GatedTransport();
        elm.Host.AddTransport(road);
        elm.Knows(oak);
        await EchoAsync(elm, oak, StreamUse.Quick, 100);
        await EchoAsync(elm, oak, StreamUse.Bulk, 100);

        road.Last!.Close();
        var bulk = EchoAsync(elm, oak, StreamUse.Bulk, 16 << 20);
        for (var question = 0; question < 50; question++) await EchoAsync(elm, oak, StreamUse.Quick, 64);
        Assert.True(await oak.Host.PingAsync(elm.Self) > TimeSpan.Zero);
        Assert.False(bulk.IsCompleted);

        road.Last.Open();
        await bulk.WaitAsync(TestHost.Patience);
    }

    [Fact]
    public async Task A_peer_that_cannot_be_dialed_gets_its_bulk_over_the_first_connection()
    {
        await using var oak = await TestHost.StartAsync();
        await using var elm = (await TestHost.StartAsync(listen: false)).Echoes().Knows(oak);
        await elm.Host.ConnectAsync(oak.Self);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 1, "oak has it in its table");
        await EchoAsync(oak, elm, StreamUse.Bulk, 1000);
        Assert.Equal(StreamUse.Quick, Assert.Single(oak.Host.Connections).Use);

        // Once the other side has made a second one, it is used.
        oak.Echoes();
        await EchoAsync(elm, oak, StreamUse.Bulk, 1000);
        await Eventually.TrueAsync(() => oak.Host.Connections.Count == 2, "oak has the second one too");
        await EchoAsync(oak, elm, StreamUse.Bulk, 200_000);
        Assert.True(oak.Host.Connections.Single(connection => connection.Use == StreamUse.Bulk).BytesOut > 200_000);
    }

    [Fact]
    public async Task The_second_connection_ends_when_it_is_idle_and_comes_back()
    {
        await using var oak = (await TestHost.StartAsync()).Echoes();
        await using var elm = (await TestHost.StartAsync(Libp2pLimits.Default with { BulkIdleTimeout = TimeSpan.FromMilliseconds(100), SimultaneousDial = TimeSpan.FromMilliseconds(100) }, listen: false)).Knows(oak);
        for (var round = 0; round < 2; round++)
        {
            await EchoAsync(elm, oak, StreamUse.Bulk, 1000);
            await Eventually.TrueAsync(() => elm.Host.Connections.Count == 1 && oak.Host.Connections.Count == 1, "the idle second connection is gone");
            Assert.Equal(StreamUse.Quick, elm.Host.Connections[0].Use);
        }
    }

    internal static async Task EchoAsync(TestHost from, TestHost to, StreamUse use, int bytes)
    {
        await using var stream = await from.Host.OpenStreamAsync(to.Self, "/echo/1", use).AsTask().WaitAsync(TestHost.Patience);
        var sent = RandomNumberGenerator.GetBytes(bytes);
        var write = Task.Run(async () =>
        {
            await stream.Output.WriteAsync(sent);
            await stream.Output.CompleteAsync();
        });
        var received = new byte[bytes];
        await stream.AsStream().ReadExactlyAsync(received).AsTask().WaitAsync(TestHost.Patience);
        await write.WaitAsync(TestHost.Patience);
        Assert.Equal(sent, received);
    }

    /// <summary>Dials TCP through a gate for each connection.</summary>
    private sealed class GatedTransport : IDialTransport
    {
        private readonly TcpTransport _tcp = new(Libp2pLimits.Default, TimeProvider.System);

        public GatedStream? Last { get; private set; }

        public bool CanDial(Multiaddr address) => _tcp.CanDial(address);

        public async ValueTask<Stream> DialAsync(Multiaddr address, CancellationToken cancellationToken) => Last = new GatedStream(await _tcp.DialAsync(address, cancellationToken));
    }

    /// <summary>A stream whose bytes wait while it is closed, those that are read too.</summary>
    private sealed class GatedStream(Stream inner) : Stream
    {
        private TaskCompletionSource _open = Opened();

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public new void Close() => Volatile.Write(ref _open, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

        public void Open() => Volatile.Read(ref _open).TrySetResult();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await inner.ReadAsync(buffer, cancellationToken);
            await Volatile.Read(ref _open).Task.WaitAsync(cancellationToken);
            return count;
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Volatile.Read(ref _open).Task.WaitAsync(cancellationToken);
            await inner.WriteAsync(buffer, cancellationToken);
        }

        public override async ValueTask DisposeAsync()
        {
            Open();
            await inner.DisposeAsync();
            await base.DisposeAsync();
        }

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        private static TaskCompletionSource Opened()
        {
            var open = new TaskCompletionSource();
            open.SetResult();
            return open;
        }
    }
}
