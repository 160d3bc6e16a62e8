using System.Text;
using PeoplesCloud.Base;
using PeoplesCloud.Sessions.Channels;

namespace PeoplesCloud.Sessions.Redis;

/// <summary>
/// The channels of a real Redis or Valkey: one connection hears, another publishes. When the one that hears broke, or the Redis cut it off for being slow,
/// it is made again and subscribed to the same; what was said meanwhile is not heard. Thread-safe.
/// </summary>
public sealed class RedisChannels : IChannels, IAsyncDisposable
{
    private const int NamesAtOnce = 256;

    private readonly RedisOptions _options;
    private readonly RedisClient _client;
    private readonly RedisLink _link;
    private readonly Lock _gate = new();
    private readonly Dictionary<(ChannelName Name, bool IsPattern), Subscribers> _all = [];
    private RedisConnection? _newest;
    private TaskCompletionSource _confirmed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Begins to connect.</summary>
    /// <param name="options">Where, and what holds.</param>
    /// <param name="client">Publishes.</param>
    public RedisChannels(RedisOptions options, RedisClient client)
    {
        (_options, _client) = (options, client);
        _link = new RedisLink(options, "messages", Told, SubscribeAllAsync);
    }

    /// <summary>Raised when it is connected again after it was not, before anything is heard.</summary>
    internal event Action? ConnectedAgain;

    /// <summary>Whether it hears now.</summary>
    public bool IsConnected => _link.Current is not null;

    /// <summary>Completes when the Redis has confirmed all subscriptions that there are.</summary>
    public async Task WaitUntilSubscribedAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task confirmed;
            lock (_gate)
            {
                if (_all.Values.All(subscribers => subscribers.IsConfirmed)) return;
                confirmed = _confirmed.Task;
            }
            await confirmed.WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<int> PublishAsync(string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        if (payload.Length > _options.Limits.MaxReplyBytes) throw new PcException(ErrorCode.SessionsMessageTooLarge, $"a message of {payload.Length} bytes is more than is carried: {_options.Limits.MaxReplyBytes}");
        var reply = await _client.RunAsync(["PUBLISH"u8.ToArray(), Encoding.UTF8.GetBytes(channel), payload.ToArray()], cancellationToken);
        return (int)Math.Min(reply.Number, int.MaxValue);
    }

    /// <inheritdoc/>
    public IDisposable Subscribe(string channelOrPattern, Action<ChannelMessage> heard)
    {
        var name = ChannelName.Of(channelOrPattern);
        var key = (name, name.IsPattern);
        var subscription = new Subscription(this, key, heard);
        lock (_gate)
        {
            if (!_all.TryGetValue(key, out var subscribers))
            {
                _all[key] = subscribers = new Subscribers();
                Say(key.IsPattern ? "PSUBSCRIBE" : "SUBSCRIBE", key.name);
            }
            subscribers.List = [.. subscribers.List, subscription];
        }
        return subscription;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _link.DisposeAsync();

    private void End(Subscription subscription)
    {
        lock (_gate)
        {
            if (!_all.TryGetValue(subscription.Key, out var subscribers)) return;
            subscribers.List = [.. subscribers.List.Where(other => other != subscription)];
            if (subscribers.List.Length > 0) return;
            _all.Remove(subscription.Key);
            Say(subscription.Key.IsPattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", subscription.Key.Name);
        }
    }

    // To the newest connection, which began with all that there were; under the lock, so that they are said in their order.
    private void Say(string command, ChannelName name)
    {
        if (_newest is { } connection) _ = SayAsync(connection, command, name);
    }

    private static async Task SayAsync(RedisConnection connection, string command, ChannelName name)
    {
        try
        {
            await connection.SayAsync([Encoding.UTF8.GetBytes(command), name.ToArray()]);
        }
        catch (IOException)
        {
            // It is over; the next one is subscribed to all.
        }
    }

    private async Task SubscribeAllAsync(RedisConnection connection)
    {
        // What the last connection had told is told by now.
        if (_newest is not null) ConnectedAgain?.Invoke();
        List<(ChannelName Name, bool IsPattern)> keys;
        lock (_gate)
        {
            _newest = connection;
            foreach (var subscribers in _all.Values) subscribers.IsConfirmed = false;
            keys = [.. _all.Keys];
        }
        foreach (var kind in keys.GroupBy(key => key.IsPattern))
            foreach (var some in kind.Chunk(NamesAtOnce))
                await connection.SayAsync([kind.Key ? "PSUBSCRIBE"u8.ToArray() : "SUBSCRIBE"u8.ToArray(), .. some.Select(key => new ReadOnlyMemory<byte>(key.Name.ToArray()))]);
    }

    private void Told(RespReply reply)
    {
        switch (reply.Items)
        {
            case [{ Text: "message" }, var channel, var payload]:
                Hear((ChannelName.FromBytes(channel.Bytes), false), channel.Text, payload.Bytes);
                break;
            case [{ Text: "pmessage" }, var pattern, var channel, var payload]:
                Hear((ChannelName.FromBytes(pattern.Bytes), true), channel.Text, payload.Bytes);
                break;
            case [{ Text: "subscribe" or "psubscribe" } kind, var name, _]:
                Confirm((ChannelName.FromBytes(name.Bytes), kind.Text is "psubscribe"));
                break;
        }
    }

    private void Hear((ChannelName, bool) key, string channel, byte[] payload)
    {
        Subscription[] list;
        lock (_gate) list = _all.TryGetValue(key, out var subscribers) ? subscribers.List : [];
        foreach (var subscription in list)
        {
            try
            {
                subscription.Heard(new ChannelMessage(channel, list.Length == 1 ? payload : payload.ToArray(), PublishedHere: false));
            }
            catch (Exception e)
            {
                RedisLog.HearingFailed(_options.Logger, e); // one hearer's; the connection and the others go on
            }
        }
    }

    private void Confirm((ChannelName, bool) key)
    {
        lock (_gate)
        {
            if (_all.TryGetValue(key, out var subscribers)) subscribers.IsConfirmed = true;
            _confirmed.TrySetResult();
            _confirmed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private sealed class Subscribers
    {
        public Subscription[] List { get; set; } = [];

        public bool IsConfirmed { get; set; }
    }

    private sealed class Subscription(RedisChannels channels, (ChannelName Name, bool IsPattern) key, Action<ChannelMessage> heard) : IDisposable
    {
        public (ChannelName Name, bool IsPattern) Key => key;

        public Action<ChannelMessage> Heard => heard;

        public void Dispose() => channels.End(this);
    }
}
