using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

public sealed class YamuxStreamTests
{
    [Fact]
    public async Task Bytes_go_both_ways_and_both_halves_close_in_order()
    {
        await using var pair = await YamuxPair.StartAsync();
        var (ours, theirs) = await pair.OpenAsync();
        await ours.Output.WriteAsync("hello"u8.ToArray());
        Assert.Equal("hello"u8.ToArray(), await ReadExactlyAsync(theirs.Input, 5));
        await theirs.Output.WriteAsync("world"u8.ToArray());
        Assert.Equal("world"u8.ToArray(), await ReadExactlyAsync(ours.Input, 5));
        ours.Output.Complete();
        Assert.Empty(await ReadAllAsync(theirs.Input));
        await theirs.Output.WriteAsync("still here"u8.ToArray());
        theirs.Output.Complete();
        Assert.Equal("still here"u8.ToArray(), await ReadAllAsync(ours.Input));
        await UntilAsync(() => pair.Dialer.StreamCount == 0 && pair.Listener.StreamCount == 0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(256 * 1024)]
    [InlineData(256 * 1024 + 1)]
    [InlineData(20_000_000)]
    public async Task Any_amount_arrives_unchanged(int bytes)
    {
        await using var pair = await YamuxPair.StartAsync();
        var (ours, theirs) = await pair.OpenAsync();
        var sent = RandomNumberGenerator.GetBytes(bytes);
        var writing = Task.Run(async () =>
        {
            await ours.Output.WriteAsync(sent);
            ours.Output.Complete();
        });
        var received = await ReadAllAsync(theirs.Input);
        await writing;
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task Ping_is_answered()
    {
        await using var pair = await YamuxPair.StartAsync();
        Assert.True(await pair.Dialer.PingAsync(CancellationToken.None) > TimeSpan.Zero);
        Assert.True(await pair.Listener.PingAsync(CancellationToken.None) > TimeSpan.Zero);
    }

    internal static async Task<byte[]> ReadExactlyAsync(PipeReader reader, int count)
    {
        var result = await reader.ReadAtLeastAsync(count).AsTask().WaitAsync(YamuxPair.Patience);
        var bytes = result.Buffer.Slice(0, count).ToArray();
        reader.AdvanceTo(result.Buffer.GetPosition(count));
        return bytes;
    }

    internal static async Task<byte[]> ReadAllAsync(PipeReader reader)
    {
        using var output = new MemoryStream();
        await reader.CopyToAsync(output).WaitAsync(YamuxPair.Patience);
        await reader.CompleteAsync();
        return output.ToArray();
    }

    internal static async Task UntilAsync(Func<bool> state)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!state())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < YamuxPair.Patience, "the state was not reached");
            await Task.Delay(1);
        }
    }
}
