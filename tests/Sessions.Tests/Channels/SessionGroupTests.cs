using System.Text;
using PeoplesCloud.Sessions.Channels;
using PeoplesCloud.Sessions.Messages;
using PeoplesCloud.Sessions.Tests.Support;

namespace PeoplesCloud.Sessions.Tests.Channels;

public sealed class SessionGroupTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Groups_on_one_redis_hear_nothing_of_each_other_and_claim_apart()
    {
        var all = new LocalChannels();
        var (eu, us, first) = (SessionGroup.In("eu", all), SessionGroup.In("us", all), SessionGroup.In(SessionGroup.First, all));
        Assert.Same(all, first);
        var (heardInEu, heardInUs, heardInFirst, heardByClients) = (new List<string>(), new List<string>(), new List<string>(), new List<string>());
        using var one = eu.Subscribe(SessionNames.ChannelOf(SessionVerb.Create) + ".*", message => heardInEu.Add(message.Channel));
        using var two = us.Subscribe(SessionNames.ChannelOf(SessionVerb.Create) + ".*", message => heardInUs.Add(message.Channel));
        using var three = first.Subscribe(SessionNames.ChannelOf(SessionVerb.Create) + ".*", message => heardInFirst.Add(message.Channel));
        using var four = all.Subscribe("year4000.*", message => heardByClients.Add(message.Channel));
        await eu.PublishAsync("year4000.pycloud.create.aa", "{}"u8.ToArray(), Token);
        Assert.Equal(["year4000.pycloud.create.aa"], heardInEu);
        Assert.Equal(["year4000.eu.create.aa"], heardByClients);
        Assert.Empty(heardInUs.Concat(heardInFirst));

        var keys = new MemoryClaims(TimeProvider.System, all);
        var (euKeys, usKeys) = (SessionGroup.In("eu", keys), SessionGroup.In("us", keys));
        Assert.True(await euKeys.ClaimAsync("year4000.pycloud.answer.create.aa", "x", TimeSpan.FromMinutes(10), Token));
        Assert.True(await usKeys.ClaimAsync("year4000.pycloud.answer.create.aa", "y", TimeSpan.FromMinutes(10), Token));
        Assert.Equal("x", await keys.GetAsync("year4000.eu.answer.create.aa", Token));
        Assert.Null(await euKeys.PublishOnceAsync("year4000.pycloud.answer.create.aa", "x", "a:1:{}", TimeSpan.FromMinutes(10), "year4000.pycloud.create.aa", Encoding.UTF8.GetBytes("{}"), Token));
        Assert.Equal(2, heardInEu.Count);
        Assert.Empty(heardInUs);
        Assert.True(await usKeys.ReleaseAsync("year4000.pycloud.answer.create.aa", "y", Token));
        Assert.Same(keys, SessionGroup.In(SessionGroup.First, keys));
    }
}
