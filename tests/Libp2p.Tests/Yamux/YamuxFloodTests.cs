using System.IO.Pipelines;
using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

/// <summary>Peers that take more than they should: each costs a bounded amount, and the others go on.</summary>
public sealed class YamuxFloodTests
{
    [Fact]
    public async Task A_stream_that_is_never_read_holds_a_window_and_a_send_buffer_and_the_others_go_on()
    {
        await using var pair = await YamuxPair.StartAsync();
        var (stuck, unread) = await pair.OpenAsync();
        var written = 0L;
        var writing = Task.Run(async () =>
        {
            while (!(await stuck.Output.WriteAsync(new byte[10_000])).IsCompleted) Interlocked.Add(ref written, 10_000);
        });
        await YamuxStreamTests.UntilAsync(() => unread.UnreadBytes == YamuxFrame.InitialWindowBytes);
        for (var i = 0; i < 20; i++)
        {
            var (ours, theirs) = await pair.OpenAsync();
            await ours.Output.WriteAsync(new byte[50_000]);
            ours.Output.Complete();
            Assert.Equal(50_000, (await YamuxStreamTests.ReadAllAsync(theirs.Input)).Length);
            theirs.Output.Complete();
            ours.Input.Complete();
        }
        Assert.False(writing.IsCompleted);
        Assert.InRange(Interlocked.Read(ref written), 0, YamuxFrame.InitialWindowBytes + Libp2pLimits.Default.StreamSendBufferBytes + 10_000);

        stuck.Reset(); // and whoever waits in it learns so at once
        Assert.Equal(Libp2pError.Reset, (await Assert.ThrowsAsync<Libp2pException>(() => writing.WaitAsync(YamuxPair.Patience))).Error);
        await YamuxStreamTests.UntilAsync(() => pair.Dialer.StreamCount == 0);
    }

    [Fact]
    public async Task A_peer_that_never_reads_its_socket_is_cut_off_and_held_little_meanwhile()
    {
        await using var peer = await RawPeer.StartAsync(pipeBytes: 64 * 1024);
        for (uint i = 0; i < 10; i++)
        {
            await peer.OpenAsync(1 + 2 * i);
            await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.None, 1 + 2 * i, 1 << 30); // a window that never fills
        }
        await YamuxStreamTests.UntilAsync(() => peer.Connection.StreamCount == 10);
        var written = 0L;
        var writers = peer.Accepted.Select(stream => Task.Run(async () =>
        {
            while (true)
            {
                await stream.Output.WriteAsync(new byte[10_000]);
                Interlocked.Add(ref written, 10_000);
            }
        })).ToArray();
        // All of them wait, and the connection's one write does.
        await YamuxStreamTests.UntilAsync(() => Interlocked.Read(ref written) >= 10 * (Libp2pLimits.Default.StreamSendBufferBytes - 20_000));
        Assert.All(writers, writer => Assert.False(writer.IsCompleted));
        peer.Time.Advance(Libp2pLimits.Default.KeepAliveTimeout * 1.5);
        await peer.Ended.WaitAsync(YamuxPair.Patience);
        Assert.Equal(Libp2pError.TimedOut, peer.Connection.End!.Error);
        foreach (var writer in writers) await Assert.ThrowsAsync<Libp2pException>(() => writer.WaitAsync(YamuxPair.Patience));
        // Ten send buffers, what the transport holds, and what was being written.
        Assert.InRange(Interlocked.Read(ref written), 0, 10 * (Libp2pLimits.Default.StreamSendBufferBytes + 10_000) + 512 * 1024);
    }

    [Fact]
    public async Task Pings_that_are_not_read_are_queued_up_to_their_limit()
    {
        await using var peer = await RawPeer.StartAsync(pipeBytes: 1024);
        await FloodAsync(peer, () => peer.SendAsync(YamuxType.Ping, YamuxFlags.Syn, 0, 1));
        Assert.Equal(Libp2pError.LimitReached, peer.Connection.End!.Error);
    }

    [Fact]
    public async Task Ten_thousand_streams_are_refused_over_the_limit_then_cut_off_and_others_go_on()
    {
        var limits = new Libp2pLimits { MaxInboundStreams = 50 };
        await using var other = await YamuxPair.StartAsync(limits);
        await using var peer = await RawPeer.StartAsync(limits);
        var flood = Task.Run(async () =>
        {
            try
            {
                for (uint i = 0; i < 10_000; i++) await peer.OpenAsync(1 + 2 * i);
            }
            catch (IOException)
            {
                // Cut off.
            }
        });
        var refused = 0;
        YamuxGoAway? reason = null;
        while (await peer.ReceiveAsync() is { } next)
        {
            if (next.Frame.Flags.HasFlag(YamuxFlags.Rst)) refused++;
            if (next.Frame.Type == YamuxType.GoAway) reason = (YamuxGoAway)next.Frame.Length;
            Assert.InRange(peer.Connection.StreamCount, 0, 50);
        }
        await flood.WaitAsync(YamuxPair.Patience);
        await peer.Ended.WaitAsync(YamuxPair.Patience);
        Assert.Equal(YamuxGoAway.ProtocolError, reason);
        Assert.Equal(Libp2pError.LimitReached, peer.Connection.End!.Error);
        Assert.Equal(limits.MaxRefusedStreams, refused);
        Assert.Equal(50, peer.Accepted.Count);

        var (ours, theirs) = await other.OpenAsync();
        await ours.Output.WriteAsync("undisturbed"u8.ToArray());
        Assert.Equal("undisturbed"u8.ToArray(), await YamuxStreamTests.ReadExactlyAsync(theirs.Input, 11));
    }

    [Fact]
    public async Task Streams_that_are_opened_and_reset_at_once_count_until_their_handlers_are_done()
    {
        // Goal: a peer cannot have more handlers at work than MaxInboundStreams, whatever it does. Method: no handler here ever ends.
        await using var peer = await RawPeer.StartAsync(new Libp2pLimits { MaxInboundStreams = 10, MaxRefusedStreams = 100 });
        for (uint i = 0; i < 60; i++)
        {
            await peer.OpenAsync(1 + 2 * i);
            await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.Rst, 1 + 2 * i, 0);
        }
        await peer.SettleAsync();
        Assert.Equal(10, peer.Accepted.Count);
        Assert.Equal(10, peer.Connection.StreamCount);
        foreach (var stream in peer.Accepted.ToArray())
        {
            stream.Output.Complete();
            stream.Input.Complete();
        }
        Assert.Equal(0, peer.Connection.StreamCount);
        await peer.OpenAsync(999);
        await peer.SettleAsync();
        Assert.Equal(11, peer.Accepted.Count);
    }

    [Fact]
    public async Task Over_the_connections_budget_the_stream_that_holds_most_is_reset_and_its_memory_is_free()
    {
        var limits = new Libp2pLimits { MaxReceiveBufferBytes = 600_000 };
        await using var peer = await RawPeer.StartAsync(limits);
        await peer.SendDataAsync(1, new byte[250_000], YamuxFlags.Syn);
        await peer.SendDataAsync(3, new byte[200_000], YamuxFlags.Syn | YamuxFlags.Fin);
        await peer.SendDataAsync(5, new byte[50_000], YamuxFlags.Syn);
        await peer.SettleAsync();
        Assert.Equal([250_000, 200_000, 50_000], peer.Accepted.Select(stream => stream.UnreadBytes));
        await peer.SendDataAsync(7, new byte[150_000], YamuxFlags.Syn); // one too many
        Assert.Equal(1u, (await peer.ReceiveAsync(frame => frame.Flags == YamuxFlags.Rst)).Frame.StreamId);
        Assert.Equal([0, 200_000, 50_000, 150_000], peer.Accepted.Select(stream => stream.UnreadBytes));
        Assert.Equal(Libp2pError.LimitReached, (await Assert.ThrowsAsync<Libp2pException>(async () => await peer.Accepted[0].Input.ReadAsync())).Error);
        await peer.SendDataAsync(9, new byte[250_000], YamuxFlags.Syn);
        await peer.ReceiveAsync(frame => frame is { StreamId: 9, Flags: YamuxFlags.Rst });
        Assert.Equal([0, 200_000, 50_000, 150_000, 0], peer.Accepted.Select(stream => stream.UnreadBytes));
        Assert.Equal(200_000, (await YamuxStreamTests.ReadAllAsync(peer.Accepted[1].Input)).Length);
    }

    [Fact]
    public async Task A_reader_that_consumes_frees_its_share_of_the_budget()
    {
        await using var peer = await RawPeer.StartAsync(new Libp2pLimits { MaxReceiveBufferBytes = 300_000 });
        await peer.OpenAsync(1);
        for (var i = 0; i < 40; i++)
        {
            await peer.SendDataAsync(1, new byte[100_000]);
            await peer.SettleAsync();
            Assert.Equal(100_000, (await YamuxStreamTests.ReadExactlyAsync(peer.Accepted[0].Input, 100_000)).Length);
        }
    }

    [Fact]
    public async Task A_small_message_does_not_wait_behind_the_bulk_of_others()
    {
        await using var peer = await RawPeer.StartAsync(pipeBytes: 64 * 1024);
        for (uint i = 0; i < 9; i++) await peer.OpenAsync(1 + 2 * i);
        await YamuxStreamTests.UntilAsync(() => peer.Connection.StreamCount == 9);
        var written = 0L;
        var bulk = peer.Accepted[..8].Select(stream => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++)
            {
                await stream.Output.WriteAsync(new byte[10_000]);
                Interlocked.Add(ref written, 10_000);
            }
        })).ToArray();
        // Each of the eight has filled its buffer, as the peer does not read.
        await YamuxStreamTests.UntilAsync(() => Interlocked.Read(ref written) >= 8 * (Libp2pLimits.Default.StreamSendBufferBytes - 20_000));
        var before = peer.Connection.BytesOut;
        await peer.Accepted[8].Output.WriteAsync("small"u8.ToArray());
        var passed = 0L;
        await peer.ReceiveAsync(frame =>
        {
            passed += frame.Type == YamuxType.Data ? frame.Length : 0;
            return frame is { StreamId: 17, Type: YamuxType.Data };
        });
        // What was written already, one share of each, and what was being put together: of a megabyte that waits.
        Assert.InRange(passed, 0, before + 8 * 16 * 1024 + 128 * 1024);
        Assert.InRange(before, 0, 400 * 1024);
        await peer.DisposeAsync();
        foreach (var task in bulk) await Assert.ThrowsAnyAsync<IOException>(() => task.WaitAsync(YamuxPair.Patience));
    }

    /// <summary>Sends until the connection ends, without reading, however long that takes.</summary>
    private static async Task FloodAsync(RawPeer peer, Func<Task> send)
    {
        try
        {
            for (var i = 0; i < 100_000 && !peer.Ended.IsCompleted; i++)
            {
                var sent = send();
                while (!sent.IsCompleted && !peer.Ended.IsCompleted)
                {
                    await Task.WhenAny(sent, peer.Ended, Task.Delay(10));
                    peer.Time.Advance(TimeSpan.FromMilliseconds(200)); // the goodbye that nobody reads is given up
                }
            }
        }
        catch (IOException)
        {
            // Cut off.
        }
        await peer.Ended.WaitAsync(YamuxPair.Patience);
    }
}
