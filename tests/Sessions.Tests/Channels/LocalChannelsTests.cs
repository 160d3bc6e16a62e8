using System.Text;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Tests.Channels;

public sealed class LocalChannelsTests
{
    [Fact]
    public async Task Whoever_is_subscribed_hears_a_message_and_nobody_after_the_end()
    {
        var channels = new LocalChannels();
        var heard = new List<string>();
        using (channels.Subscribe("news", message => heard.Add($"{message.Channel}={Encoding.UTF8.GetString(message.Payload.Span)}")))
        using (channels.Subscribe("n?w*", message => heard.Add($"pattern {message.Channel}")))
        {
            Assert.Equal(2, await channels.PublishAsync("news", "one"u8.ToArray(), TestContext.Current.CancellationToken));
            Assert.Equal(0, await channels.PublishAsync("olds", "two"u8.ToArray(), TestContext.Current.CancellationToken));
        }
        Assert.Equal(0, await channels.PublishAsync("news", "three"u8.ToArray(), TestContext.Current.CancellationToken));
        Assert.Equal(["news=one", "pattern news"], heard);
    }

    [Fact]
    public async Task All_nodes_hear_a_message_and_one_of_them_knows_that_it_coordinates()
    {
        var here = new LocalChannels();
        var there = new LocalChannels(here);
        var further = new LocalChannels(there);
        var heard = new List<(string Node, bool PublishedHere)>();
        using var one = here.Subscribe("create", message => heard.Add(("here", message.PublishedHere)));
        using var two = there.Subscribe("create", message => heard.Add(("there", message.PublishedHere)));
        using var three = further.Subscribe("create", message => heard.Add(("further", message.PublishedHere)));
        Assert.Equal(3, await there.PublishAsync("create", default, TestContext.Current.CancellationToken));
        Assert.Equal([("here", false), ("there", true), ("further", false)], heard);
    }

    [Fact]
    public async Task An_answer_is_heard_after_the_request_that_led_to_it_by_everybody()
    {
        var channels = new LocalChannels();
        var heard = new List<string>();
        using var answers = channels.Subscribe("create", message => Assert.True(channels.PublishAsync("create.1", default, default).AsTask().IsCompletedSuccessfully));
        using var all = channels.Subscribe("*", message => heard.Add(message.Channel));
        await channels.PublishAsync("create", default, TestContext.Current.CancellationToken);
        Assert.Equal(["create", "create.1"], heard);
    }

    [Fact]
    public async Task A_payload_stays_as_it_was_heard()
    {
        var channels = new LocalChannels();
        var payload = "before"u8.ToArray();
        ChannelMessage? heard = null;
        using var subscription = channels.Subscribe("é", message => heard = message);
        await channels.PublishAsync("é", payload, TestContext.Current.CancellationToken);
        payload.AsSpan().Clear();
        Assert.Equal(("é", "before"), (heard!.Channel, Encoding.UTF8.GetString(heard.Payload.Span)));
    }
}
