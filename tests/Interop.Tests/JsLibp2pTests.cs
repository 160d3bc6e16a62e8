using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Interop.Tests;

/// <summary>Our host against js-libp2p, an implementation that we did not write: Noise, yamux, ping, identify and data in both directions.</summary>
public sealed class JsLibp2pTests : IAsyncLifetime
{
    private const int EchoBytes = 64 * 1024 * 1024;
    private static readonly TimeSpan Patience = JsPeer.Patience;

    private readonly Ed25519Key _key = new(Ed25519Key.NewSeed());
    private Libp2pHost _host = null!;
    private Multiaddr _address = null!;

    public async ValueTask InitializeAsync()
    {
        _host = new Libp2pHost(_key, new Libp2pOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        _host.Handle("/echo/1", async (stream, token) => await stream.Input.CopyToAsync(stream.Output, token));
        _host.Handle("/count/1", async (stream, token) =>
        {
            var (count, hash) = await HashAsync(stream.Input, token);
            await stream.Output.WriteAsync(Encoding.ASCII.GetBytes($"{count} {hash}"), token);
        });
        _host.Handle("/abort/1", async (stream, token) =>
        {
            await stream.Input.ReadAsync(token);
            stream.Reset();
        });
        Assert.True(Multiaddr.TryParse("/ip4/127.0.0.1/tcp/0", out var any));
        _address = (await _host.ListenAsync(any, CancellationToken.None)).WithPeer(_host.Self);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _key.Dispose();
    }

    [Theory]
    [InlineData("default", "12D3KooW")]
    [InlineData("secp256k1", "16Uiu2HA")]
    [InlineData("RSA", "Qm")]
    public async Task Peers_of_every_key_that_js_speaks_ping_and_identify_both_ways(string keyType, string prefix)
    {
        await using var js = await JsPeer.StartAsync(keyType);
        Assert.StartsWith(prefix, js.Self.ToString(), StringComparison.Ordinal);

        // 1. We dial: ping and identify.
        _host.AddAddresses(js.Self, [js.Address]);
        Assert.True(await _host.PingAsync(js.Self) > TimeSpan.Zero);
        var info = await _host.IdentifyAsync(js.Self);
        Assert.Equal(js.Self, info.Peer);
        Assert.StartsWith("js-libp2p/", info.AgentVersion, StringComparison.Ordinal);
        Assert.Contains("/ipfs/ping/1.0.0", info.Protocols);
        Assert.Contains("/echo/1", info.Protocols);
        Assert.Contains(js.Address.WithoutPeer(), info.ListenAddresses.Select(a => a.WithoutPeer()));

        // 2. It dials, on a connection of its own.
        _host.Disconnect(js.Self);
        await Eventually.TrueAsync(async () => (await js.AskAsync("connections")).GetInt32() == 0);
        Assert.True((await js.AskAsync("ping", _address)).GetDouble() >= 0);
        var seen = await js.AskAsync("identify", _address);
        Assert.Equal(_host.Self.ToString(), seen.GetProperty("peer").GetString());
        Assert.StartsWith("peoples-cloud/", seen.GetProperty("agent").GetString(), StringComparison.Ordinal);
        Assert.Contains("/echo/1", seen.GetProperty("protocols").EnumerateArray().Select(p => p.GetString()));
        Assert.Contains(_address.WithoutPeer().ToString(), seen.GetProperty("listen").EnumerateArray().Select(p => p.GetString()));
        Assert.StartsWith("/ip4/127.0.0.1/tcp/", seen.GetProperty("observed").GetString(), StringComparison.Ordinal);
        Assert.Equal(js.Self, Assert.Single(_host.Connections).RemotePeer);
    }

    [Fact]
    public async Task Sixty_four_MiB_come_back_whole_when_we_dial()
    {
        await using var js = await JsPeer.StartAsync();
        _host.AddAddresses(js.Self, [js.Address]);
        await using var stream = await _host.OpenStreamAsync(js.Self, "/echo/1");
        var receive = HashAsync(stream.Input, CancellationToken.None);
        using var sent = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[64 * 1024];
        for (var left = EchoBytes; left > 0; left -= piece.Length)
        {
            RandomNumberGenerator.Fill(piece);
            sent.AppendData(piece);
            await stream.Output.WriteAsync(piece).AsTask().WaitAsync(Patience);
        }
        await stream.Output.CompleteAsync();
        var (count, hash) = await receive.WaitAsync(Patience);
        Assert.Equal(EchoBytes, count);
        Assert.Equal(Convert.ToHexStringLower(sent.GetHashAndReset()), hash);
    }

    [Fact]
    public async Task Sixty_four_MiB_come_back_whole_when_it_dials()
    {
        await using var js = await JsPeer.StartAsync();
        var echoed = await js.AskAsync("echo", _address, EchoBytes);
        Assert.Equal(EchoBytes, echoed.GetProperty("count").GetInt64());
        Assert.True(echoed.GetProperty("same").GetBoolean());
        await Eventually.TrueAsync(() => Task.FromResult(_host.Connections.All(c => c.StreamCount == 0)));
    }

    [Fact]
    public async Task A_half_closed_stream_is_answered_both_ways()
    {
        await using var js = await JsPeer.StartAsync();
        Assert.True((await js.AskAsync("count", _address, 300_000)).GetBoolean());

        _host.AddAddresses(js.Self, [js.Address]);
        await using var stream = await _host.OpenStreamAsync(js.Self, "/count/1");
        var body = RandomNumberGenerator.GetBytes(300_000);
        await stream.Output.WriteAsync(body);
        await stream.Output.CompleteAsync();
        var answer = await new StreamReader(stream.Input.AsStream()).ReadToEndAsync().WaitAsync(Patience);
        Assert.Equal($"300000 {Convert.ToHexStringLower(SHA256.HashData(body))}", answer);
    }

    [Fact]
    public async Task A_reset_is_seen_as_one_both_ways_and_leaves_nothing()
    {
        await using var js = await JsPeer.StartAsync();
        _host.AddAddresses(js.Self, [js.Address]);

        // 1. It resets a stream of ours.
        await using (var stream = await _host.OpenStreamAsync(js.Self, "/abort/1"))
        {
            await stream.Output.WriteAsync("x"u8.ToArray());
            var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await stream.Input.ReadAsync().AsTask().WaitAsync(Patience));
            Assert.Equal(Libp2pError.Reset, failure.Error);
        }

        // 2. We reset a stream that it serves.
        var watched = await _host.OpenStreamAsync(js.Self, "/watch/1");
        await watched.Output.WriteAsync("x"u8.ToArray());
        await watched.Input.ReadAsync().AsTask().WaitAsync(Patience); // it serves the stream now
        watched.Reset();
        Assert.True(js.Events.TryTake(out var status, Patience));
        Assert.Equal("reset", status);

        // 3. We reset a stream that it opened, and it resets one of its own.
        Assert.Equal("reset", (await js.AskAsync("aborted", _address)).GetString());
        var reset = new TaskCompletionSource();
        _host.Handle("/watch/1", async (stream, token) =>
        {
            await Task.Delay(Timeout.Infinite, token).ContinueWith(_ => reset.TrySetResult(), TaskScheduler.Default);
        });
        Assert.True((await js.AskAsync("abort", _address)).GetBoolean());
        await reset.Task.WaitAsync(Patience);

        // 4. Nothing is left, and the connection lives.
        await Eventually.TrueAsync(() => Task.FromResult(_host.Connections.All(c => c.StreamCount == 0)));
        Assert.True(await _host.PingAsync(js.Self) > TimeSpan.Zero);
    }

    [Fact]
    public async Task What_is_not_served_is_refused_in_words_both_ways()
    {
        await using var js = await JsPeer.StartAsync();
        _host.AddAddresses(js.Self, [js.Address]);
        var failure = await Assert.ThrowsAsync<Libp2pException>(async () => await _host.OpenStreamAsync(js.Self, "/nothing/1"));
        Assert.Equal(Libp2pError.ProtocolNotSupported, failure.Error);
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => js.AskAsync("unknown", _address));
        Assert.StartsWith("UnsupportedProtocolError", refused.Message, StringComparison.Ordinal);
        Assert.True(await _host.PingAsync(js.Self) > TimeSpan.Zero);
    }

    [Fact]
    public async Task Another_peer_than_the_expected_one_is_refused_both_ways()
    {
        await using var js = await JsPeer.StartAsync();
        var stranger = PeerId.FromEd25519(Ed25519Key.NewSeed());
        _host.AddAddresses(stranger, [js.Address.WithoutPeer()]);
        Assert.Equal(Libp2pError.WrongPeer, (await Assert.ThrowsAsync<Libp2pException>(async () => await _host.ConnectAsync(stranger))).Error);
        await Assert.ThrowsAsync<InvalidOperationException>(() => js.AskAsync("dial", _address.WithPeer(stranger)));
        await Eventually.TrueAsync(() => Task.FromResult(_host.Connections.Count == 0));
    }

    private static async Task<(long Count, string Hash)> HashAsync(PipeReader input, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long count = 0;
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken);
            foreach (var segment in result.Buffer)
            {
                hash.AppendData(segment.Span);
                count += segment.Length;
            }
            input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted) return (count, Convert.ToHexStringLower(hash.GetHashAndReset()));
        }
    }
}
