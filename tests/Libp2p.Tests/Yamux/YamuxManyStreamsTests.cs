using System.Buffers.Binary;
using System.Security.Cryptography;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

public sealed class YamuxManyStreamsTests
{
    private const int Streams = 600;
    private const int AtOnce = 64;

    [Theory]
    [InlineData(1)]
    [InlineData(20_260_121)]
    public async Task Six_hundred_random_streams_with_deliberate_resets_are_not_corrupt_and_none_is_left(int seed)
    {
        // Goal: whatever streams do to each other's timing, bytes arrive as they were sent, in order, and nothing stays behind.
        // Method: each stream has a plan from the seed, opened by either side: how much it sends, echoed by the other side, in what
        // pieces, and who resets it in the middle or not at all. Every byte is checked against the plan's generator.
        await using var pair = await YamuxPair.StartAsync();
        var plans = new Random(seed);
        using var slots = new SemaphoreSlim(AtOnce);
        var echoes = new List<Task>();
        pair.OnAccept = stream =>
        {
            lock (echoes) echoes.Add(Task.Run(() => EchoAsync(stream)));
        };
        var (whole, reset) = (0, 0);
        var streams = Enumerable.Range(0, Streams).Select(async number =>
        {
            var plan = Plan.From(plans.Next(), number);
            await slots.WaitAsync();
            try
            {
                var ended = await SendAsync(number % 3 == 0 ? pair.Listener : pair.Dialer, plan).WaitAsync(YamuxPair.Patience);
                if (ended) Interlocked.Increment(ref whole);
                else Interlocked.Increment(ref reset);
            }
            finally
            {
                slots.Release();
            }
        }).ToArray();
        await Task.WhenAll(streams);
        Task[] all;
        lock (echoes) all = [.. echoes];
        await Task.WhenAll(all).WaitAsync(YamuxPair.Patience);
        Assert.Equal(Streams, whole + reset);
        Assert.True(whole > Streams / 4 && reset > Streams / 4, $"{whole} whole, {reset} reset");
        await YamuxStreamTests.UntilAsync(() => pair.Dialer.StreamCount == 0 && pair.Listener.StreamCount == 0);
        Assert.Equal(0, pair.Dialer.BufferedBytes);
        Assert.Equal(0, pair.Listener.BufferedBytes);
        Assert.True(await pair.Dialer.PingAsync(CancellationToken.None) > TimeSpan.Zero); // the connection is as good as before
    }

    /// <summary>Sends the plan's bytes behind a header and checks what comes back; whether all of it did.</summary>
    private static async Task<bool> SendAsync(YamuxConnection connection, Plan plan)
    {
        var stream = await connection.OpenAsync(CancellationToken.None);
        try
        {
            var header = new byte[12];
            BinaryPrimitives.WriteInt32LittleEndian(header, plan.ResetEchoAt);
            await stream.Output.WriteAsync(header);
            var sending = Task.Run(async () =>
            {
                for (var at = 0; at < plan.Bytes;)
                {
                    if (plan.ResetAt >= 0 && at >= plan.ResetAt)
                    {
                        stream.Reset();
                        return;
                    }
                    var piece = plan.Piece(at);
                    if ((await stream.Output.WriteAsync(piece)).IsCompleted) return;
                    at += piece.Length;
                }
                stream.Output.Complete();
            });
            var received = 0;
            while (true)
            {
                var result = await stream.Input.ReadAsync();
                foreach (var memory in result.Buffer)
                {
                    Assert.True(plan.Matches(received, memory.Span), $"stream {plan.Number} is corrupt behind byte {received}");
                    received += memory.Length;
                }
                stream.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted) break;
            }
            await sending;
            Assert.Equal(plan.Bytes, received);
            return true;
        }
        catch (Libp2pException failure) when (failure.Error == Libp2pError.Reset)
        {
            Assert.True(plan.ResetAt >= 0 || plan.ResetEchoAt >= 0, $"stream {plan.Number} was reset by nobody");
            return false;
        }
        finally
        {
            stream.Reset();
        }
    }

    private static async Task EchoAsync(YamuxStream stream)
    {
        try
        {
            var header = await YamuxStreamTests.ReadExactlyAsync(stream.Input, 12);
            var resetAt = BinaryPrimitives.ReadInt32LittleEndian(header);
            var echoed = 0L;
            while (true)
            {
                var result = await stream.Input.ReadAsync();
                foreach (var memory in result.Buffer) await stream.Output.WriteAsync(memory);
                echoed += result.Buffer.Length;
                stream.Input.AdvanceTo(result.Buffer.End);
                if (resetAt >= 0 && echoed >= resetAt)
                {
                    stream.Reset();
                    return;
                }
                if (result.IsCompleted) break;
            }
            stream.Output.Complete();
            stream.Input.Complete();
        }
        catch (IOException)
        {
            stream.Reset();
        }
    }

    /// <summary>What a stream does: all of it follows from a seed.</summary>
    private sealed record Plan(int Number, int Bytes, int ResetAt, int ResetEchoAt, byte[] Pattern, int PieceSeed)
    {
        public static Plan From(int seed, int number)
        {
            var random = new Random(seed);
            var bytes = (int)Math.Pow(10, 1 + random.NextDouble() * 4.7); // 10 bytes to 500 kB
            var kind = random.Next(4);
            return new Plan(number, bytes, kind == 0 ? random.Next(bytes) : -1, kind == 1 ? random.Next(bytes / 2) : -1, SHA512.HashData(BitConverter.GetBytes(seed)), random.Next());
        }

        public byte[] Piece(int at)
        {
            var piece = new byte[Math.Min(Bytes - at, 1 + (int)((uint)(PieceSeed * 31 + at * 7919) % 30_000))];
            for (var i = 0; i < piece.Length; i++) piece[i] = ByteAt(at + i);
            return piece;
        }

        public bool Matches(int at, ReadOnlySpan<byte> bytes)
        {
            for (var i = 0; i < bytes.Length; i++)
            {
                if (bytes[i] != ByteAt(at + i)) return false;
            }
            return true;
        }

        private byte ByteAt(int at) => (byte)(Pattern[at % Pattern.Length] + at / Pattern.Length);
    }
}
