using System.Globalization;
using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Formats;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Channels;

public sealed class SwarmChannelsTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_is_heard_by_all_members_and_one_of_them_coordinates()
    {
        await using var village = new TestVillage(3);
        await village.ConnectAsync();
        var heard = village.Nodes.Select(node => new Log(node.Channels, "cre*")).ToList();
        Assert.Equal(1, await village.Nodes[1].Channels.PublishAsync("create", "hello"u8.ToArray(), Stop));
        await TestVillage.UntilAsync(() => heard.All(log => log.Count == 1));
        Assert.Equal(["create hello False", "create hello True", "create hello False"], heard.Select(log => log.All.Single()));
    }

    [Fact]
    public async Task Messages_of_a_publisher_are_heard_in_order_and_once_though_all_connections_break_again_and_again()
    {
        const int Count = 3000;
        await using var village = new TestVillage(3);
        await village.ConnectAsync();
        var heard = village.Nodes.Select(node => new Log(node.Channels, "*")).ToList();
        for (var i = 0; i < Count; i++)
        {
            foreach (var node in village.Nodes) await node.Channels.PublishAsync($"from {village.Nodes.IndexOf(node)}", Encoding.UTF8.GetBytes(i.ToString(CultureInfo.InvariantCulture)), Stop);
            if (i % 150 == 149) village.Cut();
            if (i % 50 == 0) await Task.Yield();
        }
        await TestVillage.UntilAsync(() => heard.All(log => log.Count >= 3 * Count));
        foreach (var log in heard)
        {
            for (var publisher = 0; publisher < 3; publisher++)
                Assert.Equal(Enumerable.Range(0, Count).Select(i => i.ToString(CultureInfo.InvariantCulture)), log.All.Select(line => line.Split(' ')).Where(words => words[1] == $"{publisher}").Select(words => words[2]));
        }
    }

    [Fact]
    public async Task A_member_that_was_away_hears_what_was_said_just_now_and_not_what_was_said_long_ago()
    {
        var time = new ManualTime();
        await using var village = new TestVillage(2, time);
        var (here, there) = (village.Nodes[0], village.Nodes[1]);
        foreach (var node in village.Nodes) await node.Channels.SetMembers([here.Self, there.Self]);
        await TestVillage.UntilAsync(() => Moved(here.Channels.Connected.Count == 1));
        var heard = new Log(there.Channels, "*");
        village.Leave(there);
        await TestVillage.UntilAsync(() => here.Channels.Connected.Count == 0);
        await here.Channels.PublishAsync("news", "old"u8.ToArray(), Stop);
        time.Advance(TimeSpan.FromSeconds(11));
        await here.Channels.PublishAsync("news", "new"u8.ToArray(), Stop);
        village.Return(there);
        here.Channels.Hurry(there.Self);
        await TestVillage.UntilAsync(() => Moved(heard.Count > 0));
        Assert.Equal(["news new False"], heard.All);

        // Pauses end only as this clock goes on; far less than what a message waits.
        bool Moved(bool holds)
        {
            if (!holds) time.Advance(TimeSpan.FromMilliseconds(5));
            return holds;
        }
    }

    [Fact]
    public async Task Who_may_only_read_hears_everything_and_publishes_nothing()
    {
        await using var village = new TestVillage(2);
        await village.ConnectAsync();
        var (reader, other) = (village.Nodes[0], village.Nodes[1]);
        village.MayOnlyRead(reader);
        var (atReader, atOther) = (new Log(reader.Channels, "*"), new Log(other.Channels, "*"));
        var error = await Assert.ThrowsAsync<PcException>(async () => await reader.Channels.PublishAsync("create", default, Stop));
        Assert.Equal(ErrorCode.NotPermitted, error.Code);
        reader.Channels.Hub.Publish(ChannelName.Of("create"), "forged"u8, publishedHere: true); // a node of another program would
        await other.Channels.PublishAsync("news", "x"u8.ToArray(), Stop);
        await TestVillage.UntilAsync(() => atReader.Count == 2);
        Assert.Equal(["create forged True", "news x False"], atReader.All.Order(StringComparer.Ordinal));
        Assert.Equal(["news x True"], atOther.All);
    }

    [Fact]
    public async Task The_largest_message_arrives_and_a_larger_one_is_refused()
    {
        await using var village = new TestVillage(2);
        await village.ConnectAsync();
        var heard = 0;
        using var subscription = village.Nodes[1].Channels.Subscribe("large", message => Volatile.Write(ref heard, message.Payload.Length));
        await village.Nodes[0].Channels.PublishAsync("large", new byte[16 << 20], Stop);
        await TestVillage.UntilAsync(() => Volatile.Read(ref heard) == 16 << 20);
        foreach (var (channel, payload) in new[] { ("large", new byte[(16 << 20) + 1]), (new string('c', 65536), []) })
        {
            var error = await Assert.ThrowsAsync<PcException>(async () => await village.Nodes[0].Channels.PublishAsync(channel, payload, Stop));
            Assert.Equal(ErrorCode.SessionsMessageTooLarge, error.Code);
        }
    }

    [Fact]
    public async Task A_member_that_started_again_is_heard_though_its_numbers_begin_again()
    {
        await using var village = new TestVillage(2);
        await village.ConnectAsync();
        var heard = new Log(village.Nodes[1].Channels, "*");
        for (var i = 0; i < 3; i++) await village.Nodes[0].Channels.PublishAsync("before", default, Stop);
        await TestVillage.UntilAsync(() => heard.Count == 3);
        await village.Nodes[0].Channels.DisposeAsync();
        village.Nodes[0] = village.NewNode(0, boot: 99);
        await village.ConnectAsync();
        await village.Nodes[0].Channels.PublishAsync("after", default, Stop);
        await TestVillage.UntilAsync(() => heard.Count == 4);
        Assert.Equal("after  False", heard.All[^1]);
    }

    [Fact]
    public async Task A_member_that_takes_nothing_loses_the_oldest_and_costs_no_more_than_the_limit()
    {
        await using var village = new TestVillage(2, limits: ChannelLimits.Default with { MaxWaiting = 10, MaxWaitingBytes = 1000 });
        var (here, there) = (village.Nodes[0], village.Nodes[1]);
        village.Leave(there);
        await here.Channels.SetMembers([there.Self]);
        for (var i = 0; i < 50; i++) await here.Channels.PublishAsync("news", Encoding.UTF8.GetBytes($"{i}"), Stop);
        for (var i = 0; i < 3; i++) await here.Channels.PublishAsync("news", new byte[400], Stop);
        var heard = new Log(there.Channels, "*");
        village.Return(there);
        here.Channels.Hurry(there.Self);
        await TestVillage.UntilAsync(() => heard.Count == 2); // two of 400 bytes fit below 1,000
    }

    [Theory]
    [InlineData("00000000" + "0000000000000001" + "0000")] // shorter than its head
    [InlineData("ffffffff" + "0000000000000001" + "0000")] // longer than any message
    [InlineData("0000000b" + "0000000000000001" + "0002" + "61")] // a name that is longer than the message
    [InlineData("0000000a" + "0000000000000000" + "0000")] // no number
    public async Task What_is_no_message_ends_the_stream(string hex)
    {
        await using var village = new TestVillage(2);
        var heard = new Log(village.Nodes[1].Channels, "*");
        await using var stream = village.Open(village.Nodes[0].Self, village.Nodes[1].Self);
        await stream.Output.WriteAsync(new ChannelHello(village.Swarm, 5).Encode(), Stop);
        var welcome = await stream.Input.ReadAtLeastAsync(ChannelWelcome.Size, Stop);
        Assert.Equal(ChannelWelcome.Size, welcome.Buffer.Length);
        stream.Input.AdvanceTo(welcome.Buffer.End);
        await stream.Output.WriteAsync(Convert.FromHexString(hex), Stop);
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            if ((await stream.Input.ReadAsync(Stop)).IsCompleted) throw new IOException("closed");
        });
        Assert.Equal(0, heard.Count);
    }

    // The bytes as docs/protocols/channels.md has them; another implementation can be written from them.
    [Fact]
    public void The_bytes_of_a_conversation_are_these()
    {
        var hello = new ChannelHello(new TestSwarm().Id, 0x0102030405060708);
        Assert.Equal(string.Concat(Enumerable.Repeat("07", 32)) + "0102030405060708", Convert.ToHexStringLower(hello.Encode()));
        Assert.Equal("00" + "0000000000000003", Convert.ToHexStringLower(new ChannelWelcome(ChannelStatus.Welcome, 3).Encode()));
        var message = ChannelFrame.Encode(4, ChannelName.Of("é"), "hi"u8);
        Assert.Equal("0000000e" + "0000000000000004" + "0002" + "c3a9" + "6869", Convert.ToHexStringLower(message));
        for (var length = 0; length < message.Length; length++) Assert.Equal(ParseStatus.NeedMore, ChannelFrame.TryRead(message.AsSpan(0, length), 100, out _, out _));
        Assert.Equal(ParseStatus.Done, ChannelFrame.TryRead(message, 100, out var frame, out var read));
        Assert.Equal((4UL, "é", "hi", message.Length), (frame.Number, Encoding.UTF8.GetString(frame.Channel), Encoding.UTF8.GetString(frame.Payload), read));
        Assert.Equal(ParseStatus.Invalid, ChannelFrame.TryRead(message, 1, out _, out _));
    }

    private sealed class TestSwarm
    {
        public Swarm.SwarmId Id { get; } = Swarm.SwarmId.TryFromBytes([.. Enumerable.Repeat((byte)7, 32)], out var id) ? id : default;
    }

    private sealed class Log
    {
        private readonly List<string> _lines = [];

        public Log(SwarmChannels channels, string pattern) => channels.Subscribe(pattern, message =>
        {
            lock (_lines) _lines.Add($"{message.Channel} {Encoding.UTF8.GetString(message.Payload.Span)} {message.PublishedHere}");
        });

        public int Count
        {
            get
            {
                lock (_lines) return _lines.Count;
            }
        }

        public List<string> All
        {
            get
            {
                lock (_lines) return [.. _lines];
            }
        }
    }
}
