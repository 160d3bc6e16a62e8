namespace PeoplesCloud.Sessions.Channels;

/// <summary>A subscription of this process itself. Thread-safe.</summary>
internal sealed class HubSubscription : IListener, IDisposable
{
    private readonly ChannelHub _hub;
    private readonly ChannelName _name;
    private readonly Action<ChannelMessage> _heard;
    private int _isOver;

    /// <summary>Subscribes; see <see cref="IChannels.Subscribe"/>.</summary>
    public HubSubscription(ChannelHub hub, string channelOrPattern, Action<ChannelMessage> heard)
    {
        (_hub, _name, _heard) = (hub, ChannelName.Of(channelOrPattern), heard);
        hub.Add(_name, _name.IsPattern, this);
    }

    /// <inheritdoc/>
    public void Hear(Heard message) => _heard(new ChannelMessage(message.Channel.Text, message.Payload.ToArray(), message.PublishedHere));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 0) _hub.Remove(_name, _name.IsPattern, this);
    }
}
