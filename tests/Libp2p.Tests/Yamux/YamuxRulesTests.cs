using PeoplesCloud.Libp2p.Yamux;

namespace PeoplesCloud.Libp2p.Tests.Yamux;

/// <summary>What happens to a peer that keeps to the rules of yamux in unusual ways, and to one that does not.</summary>
public sealed class YamuxRulesTests
{
    [Fact]
    public async Task Opening_data_and_close_may_come_in_one_frame()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.SendDataAsync(1, "all at once"u8.ToArray(), YamuxFlags.Syn | YamuxFlags.Fin);
        await peer.SettleAsync();
        Assert.Equal("all at once"u8.ToArray(), await YamuxStreamTests.ReadAllAsync(peer.Accepted[0].Input));
    }

    [Fact]
    public async Task A_stream_is_opened_and_acknowledged_by_flags_and_the_end_follows_the_data()
    {
        await using var peer = await RawPeer.StartAsync(peerDials: false);
        var stream = await peer.Connection.OpenAsync(CancellationToken.None);
        await stream.Output.WriteAsync("hello"u8.ToArray());
        stream.Output.Complete();
        Assert.Equal(new YamuxFrame(YamuxType.WindowUpdate, YamuxFlags.Syn, 1, 0), (await peer.ReceiveAsync())!.Value.Frame);
        var (data, payload) = (await peer.ReceiveAsync())!.Value;
        Assert.Equal(YamuxType.Data, data.Type);
        Assert.Equal("hello"u8.ToArray(), payload);
        var end = data.Flags.HasFlag(YamuxFlags.Fin) ? data : (await peer.ReceiveAsync())!.Value.Frame;
        Assert.Equal((YamuxFlags.Fin, 1u), (end.Flags, end.StreamId));

        await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.Syn, 2, 0);
        Assert.Equal(new YamuxFrame(YamuxType.WindowUpdate, YamuxFlags.Ack, 2, 0), (await peer.ReceiveAsync())!.Value.Frame);
    }

    [Fact]
    public async Task A_ping_is_answered_with_its_value_also_while_a_stream_is_not_read()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.SendDataAsync(1, new byte[1000], YamuxFlags.Syn);
        await peer.SendAsync(YamuxType.Ping, YamuxFlags.Syn, 0, 0xdecade);
        var (pong, _) = await peer.ReceiveAsync(frame => frame.Type == YamuxType.Ping);
        Assert.Equal((YamuxFlags.Ack, 0xdecadeu), (pong.Flags, pong.Length));
    }

    [Fact]
    public async Task Data_after_the_peers_own_close_resets_the_stream_and_nothing_else()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.SendDataAsync(1, [1], YamuxFlags.Syn | YamuxFlags.Fin);
        await peer.SendDataAsync(1, [2]);
        var (reset, _) = await peer.ReceiveAsync(frame => frame.Flags.HasFlag(YamuxFlags.Rst));
        Assert.Equal(1u, reset.StreamId);
        await peer.SettleAsync();
    }

    [Fact]
    public async Task Data_after_a_reset_is_skipped_in_both_directions()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.OpenAsync(1);
        await peer.OpenAsync(3);
        await peer.SettleAsync();
        await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.Rst, 1, 0); // theirs
        await peer.SendDataAsync(1, new byte[5000]);
        peer.Accepted[1].Reset();                                           // ours
        await peer.SendDataAsync(3, new byte[5000]);
        await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.Fin, 3, 0);
        await peer.SettleAsync();
        Assert.Equal(Libp2pError.Reset, (await Assert.ThrowsAsync<Libp2pException>(async () => await peer.Accepted[0].Input.ReadAsync())).Error);
        Assert.Equal(Libp2pError.Reset, (await Assert.ThrowsAsync<Libp2pException>(async () => await peer.Accepted[0].Output.WriteAsync(new byte[1]))).Error);
        Assert.Null(peer.Connection.End);
    }

    [Fact]
    public async Task A_reader_that_is_done_drains_what_comes_and_tells_the_peer_after_the_last_word()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.OpenAsync(1);
        await peer.SettleAsync();
        var stream = peer.Accepted[0];
        stream.Input.Complete();
        await peer.SendDataAsync(1, new byte[100_000]);
        await peer.SettleAsync(); // taken, and no reset: the answer is still to come
        await stream.Output.WriteAsync("too much"u8.ToArray());
        stream.Output.Complete();
        var (_, payload) = await peer.ReceiveAsync(frame => frame.Type == YamuxType.Data);
        Assert.Equal("too much"u8.ToArray(), payload);
        Assert.Equal(1u, (await peer.ReceiveAsync(frame => frame.Flags.HasFlag(YamuxFlags.Rst))).Frame.StreamId);
        Assert.Equal(0, peer.Connection.StreamCount);
    }

    [Fact]
    public async Task A_reset_of_ours_is_sent_once_even_if_the_stream_is_ended_in_every_way()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.OpenAsync(1);
        await peer.SettleAsync();
        var stream = peer.Accepted[0];
        stream.Reset();
        stream.Reset();
        stream.Output.Complete(new IOException());
        stream.Input.Complete();
        await peer.ReceiveAsync(frame => frame is { StreamId: 1, Flags: YamuxFlags.Rst });
        await peer.SendAsync(YamuxType.Ping, YamuxFlags.Syn, 0, 9);
        Assert.Equal(YamuxType.Ping, (await peer.ReceiveAsync())!.Value.Frame.Type);
        Assert.Equal(0, peer.Connection.StreamCount);
    }

    [Fact]
    public async Task A_reset_that_waits_for_the_writer_is_not_forgotten_when_the_stream_is_ended_again()
    {
        await using var peer = await RawPeer.StartAsync(pipeBytes: 1024);
        await peer.OpenAsync(1);
        await peer.OpenAsync(3);
        await YamuxStreamTests.UntilAsync(() => peer.Connection.StreamCount == 2);
        await peer.Accepted[0].Output.WriteAsync(new byte[50_000]); // nobody reads: the writer is stuck with it
        peer.Accepted[1].Reset();
        peer.Accepted[1].Reset();
        await peer.ReceiveAsync(frame => frame is { StreamId: 3, Flags: YamuxFlags.Rst });
    }

    [Theory]
    [InlineData((int)YamuxType.Data, (int)YamuxFlags.None, 1, 256 * 1024 + 1)]     // beyond its window
    [InlineData((int)YamuxType.Data, (int)YamuxFlags.None, 1, 4294967295)]
    [InlineData((int)YamuxType.Data, (int)YamuxFlags.None, 99, 4294967295)]        // of a stream that is not there
    [InlineData((int)YamuxType.Data, (int)YamuxFlags.Syn, 3, 4294967295)]
    [InlineData((int)YamuxType.WindowUpdate, (int)YamuxFlags.Syn, 1, 0)]           // opened twice
    [InlineData((int)YamuxType.WindowUpdate, (int)YamuxFlags.Syn, 2, 0)]           // a number of ours
    [InlineData((int)YamuxType.WindowUpdate, (int)YamuxFlags.None, 1, 4294967295)] // a window beyond 4 GiB
    [InlineData(4, (int)YamuxFlags.None, 1, 0)]
    [InlineData((int)YamuxType.Ping, (int)YamuxFlags.Syn, 1, 0)]
    [InlineData((int)YamuxType.Data, (int)YamuxFlags.None, 0, 1)]
    public async Task Whoever_breaks_the_rules_is_told_and_cut_off(int type, int flags, long stream, long length)
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.OpenAsync(1);
        await peer.SettleAsync();
        await peer.SendAsync((YamuxType)type, (YamuxFlags)flags, (uint)stream, (uint)length);
        await peer.AssertCutOffAsync(Libp2pError.ProtocolViolation);
        Assert.Equal(Libp2pError.ProtocolViolation, (await Assert.ThrowsAsync<Libp2pException>(async () => await peer.Accepted[0].Input.ReadAsync())).Error);
        Assert.Equal(Libp2pError.ProtocolViolation, (await Assert.ThrowsAsync<Libp2pException>(async () => await peer.Connection.OpenAsync(CancellationToken.None))).Error);
    }

    [Fact]
    public async Task Who_goes_away_gets_no_new_streams_and_keeps_the_old_ones()
    {
        await using var peer = await RawPeer.StartAsync(peerDials: false);
        var stream = await peer.Connection.OpenAsync(CancellationToken.None);
        await peer.SendAsync(YamuxType.GoAway, YamuxFlags.None, 0, 0);
        await peer.SettleAsync();
        Assert.False(peer.Connection.CanOpen);
        Assert.Equal(Libp2pError.ConnectionClosed, (await Assert.ThrowsAsync<Libp2pException>(async () => await peer.Connection.OpenAsync(CancellationToken.None))).Error);
        await stream.Output.WriteAsync("still"u8.ToArray());
        Assert.Equal("still"u8.ToArray(), (await peer.ReceiveAsync(frame => frame.Type == YamuxType.Data)).Payload);
    }

    [Fact]
    public async Task When_we_go_away_new_streams_are_refused_and_the_connection_closes_with_the_last_one()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.OpenAsync(1);
        await peer.SettleAsync();
        var draining = peer.Connection.DrainAsync(CancellationToken.None);
        await peer.ReceiveAsync(frame => frame is { Type: YamuxType.GoAway, Length: (uint)YamuxGoAway.Normal });
        // One that was under way is taken; after the answer to the ping behind the goodbye, none is.
        var ping = (await peer.ReceiveAsync(frame => frame.Type == YamuxType.Ping)).Frame;
        await peer.OpenAsync(3);
        await peer.SendAsync(YamuxType.Ping, YamuxFlags.Ack, 0, ping.Length);
        await peer.SettleAsync();
        Assert.Equal(2, peer.Accepted.Count);
        peer.Accepted[1].Reset();
        Assert.Equal(3u, (await peer.ReceiveAsync(frame => frame.Flags.HasFlag(YamuxFlags.Rst))).Frame.StreamId);
        await YamuxStreamTests.UntilAsync(() => !peer.Connection.TakesStreams);
        await peer.OpenAsync(5);
        Assert.Equal(5u, (await peer.ReceiveAsync(frame => frame.Flags.HasFlag(YamuxFlags.Rst))).Frame.StreamId);
        Assert.False(draining.IsCompleted);
        await peer.Accepted[0].Output.WriteAsync("last words"u8.ToArray());
        peer.Accepted[0].Output.Complete();
        peer.Accepted[0].Input.Complete();
        await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.Fin, 1, 0);
        Assert.Equal("last words"u8.ToArray(), (await peer.ReceiveAsync(frame => frame.Type == YamuxType.Data)).Payload);
        await draining.WaitAsync(YamuxPair.Patience);
        await peer.Ended.WaitAsync(YamuxPair.Patience);
    }

    [Fact]
    public async Task Streams_that_are_not_acknowledged_make_the_next_one_wait()
    {
        await using var peer = await RawPeer.StartAsync(new Libp2pLimits { MaxUnacknowledgedStreams = 2 }, peerDials: false);
        _ = await peer.Connection.OpenAsync(CancellationToken.None);
        var second = await peer.Connection.OpenAsync(CancellationToken.None);
        var third = peer.Connection.OpenAsync(CancellationToken.None).AsTask();
        await peer.SettleAsync();
        Assert.False(third.IsCompleted);
        await peer.SendAsync(YamuxType.WindowUpdate, YamuxFlags.Ack, 1, 0);
        var fourth = peer.Connection.OpenAsync(CancellationToken.None).AsTask();
        Assert.Equal(5u, (await third.WaitAsync(YamuxPair.Patience)).Id);
        Assert.False(fourth.IsCompleted);
        second.Reset(); // frees its place too
        Assert.Equal(7u, (await fourth.WaitAsync(YamuxPair.Patience)).Id);
        var fifth = peer.Connection.OpenAsync(CancellationToken.None).AsTask();
        await peer.SendAsync((YamuxType)9, YamuxFlags.None, 0, 0); // the connection ends, and with it the wait
        Assert.Equal(Libp2pError.ProtocolViolation, (await Assert.ThrowsAsync<Libp2pException>(() => fifth.WaitAsync(YamuxPair.Patience))).Error);
    }

    [Fact]
    public async Task A_silent_peer_is_pinged_then_given_up()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.SettleAsync();
        peer.Time.Advance(Libp2pLimits.Default.KeepAliveInterval * 1.5);
        await peer.ReceiveAsync(frame => frame is { Type: YamuxType.Ping, Flags: YamuxFlags.Syn });
        await peer.SettleAsync(); // anything at all shows that it lives
        peer.Time.Advance(Libp2pLimits.Default.KeepAliveTimeout * 0.9);
        Assert.Null(peer.Connection.End);
        peer.Time.Advance(Libp2pLimits.Default.KeepAliveInterval * 1.5);
        peer.Time.Advance(Libp2pLimits.Default.KeepAliveTimeout * 1.5);
        await peer.Ended.WaitAsync(YamuxPair.Patience);
        Assert.Equal(Libp2pError.TimedOut, peer.Connection.End!.Error);
    }

    [Fact]
    public async Task A_stream_that_the_peer_never_closes_is_reset_after_a_while()
    {
        await using var peer = await RawPeer.StartAsync();
        await peer.OpenAsync(1);
        await peer.SettleAsync();
        peer.Accepted[0].Output.Complete();
        peer.Accepted[0].Input.Complete();
        Assert.Equal(1, peer.Connection.StreamCount);
        var isReset = false;
        for (var passed = TimeSpan.Zero; passed < Libp2pLimits.Default.StreamCloseTimeout * 1.3; passed += TimeSpan.FromSeconds(10))
        {
            Assert.False(isReset && passed < Libp2pLimits.Default.StreamCloseTimeout);
            peer.Time.Advance(TimeSpan.FromSeconds(10));
            isReset |= (await peer.SettleAsync()).Any(frame => frame is { StreamId: 1, Flags: YamuxFlags.Rst });
        }
        Assert.True(isReset);
        Assert.Equal(0, peer.Connection.StreamCount);
    }
}
