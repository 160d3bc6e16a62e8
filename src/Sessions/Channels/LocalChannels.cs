namespace PeoplesCloud.Sessions.Channels;

/// <summary>Channels within one process: of one node, or of several that hear each other as the members of a swarm do. Thread-safe.</summary>
public sealed class LocalChannels : IChannels
{
    private readonly ChannelHub _hub = new();
    private readonly List<LocalChannels> _nodes; // shared by all of them, under a lock of itself

    /// <summary>Makes a node that is alone, or another one beside <paramref name="other"/> and all that are beside it.</summary>
    public LocalChannels(LocalChannels? other = null)
    {
        _nodes = other?._nodes ?? [];
        lock (_nodes) _nodes.Add(this);
    }

    /// <inheritdoc/>
    public ValueTask<int> PublishAsync(string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        LocalChannels[] nodes;
        lock (_nodes) nodes = [.. _nodes];
        var name = ChannelName.Of(channel);
        return ValueTask.FromResult(nodes.Sum(node => node._hub.Publish(name, payload.Span, publishedHere: node == this)));
    }

    /// <inheritdoc/>
    public IDisposable Subscribe(string channelOrPattern, Action<ChannelMessage> heard) => new HubSubscription(_hub, channelOrPattern, heard);
}
