using System.Runtime.InteropServices;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// Who on this node is subscribed to what. Messages are heard in one order by all of them; what is published from within <see cref="IListener.Hear"/>
/// is heard after the message that led to it, by everybody. Thread-safe.
/// </summary>
/// <param name="carry">Takes what was published here to other nodes, in the order in which it is heard here; it must not wait. Null: there are none.</param>
internal sealed class ChannelHub(Action<ChannelName, ReadOnlySpan<byte>, Deliveries>? carry = null)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ChannelName, IListener[]> _channels = [];
    private readonly Dictionary<ChannelName, IListener[]> _patterns = [];
    private readonly Queue<Kept> _later = new();
    private bool _isSaying;

    /// <summary>How many patterns there are; the same of two listeners counts once.</summary>
    public int PatternCount
    {
        get
        {
            lock (_gate) return _patterns.Count;
        }
    }

    /// <summary>Adds a listener to a channel or pattern; it was not there before.</summary>
    /// <param name="name">The channel or pattern.</param>
    /// <param name="isPattern">Which of them.</param>
    /// <param name="listener">The listener.</param>
    /// <param name="added">Called before the first message is heard.</param>
    public void Add(ChannelName name, bool isPattern, IListener listener, Action? added = null)
    {
        lock (_gate)
        {
            added?.Invoke();
            ref var listeners = ref CollectionsMarshal.GetValueRefOrAddDefault(isPattern ? _patterns : _channels, name, out _);
            listeners = [.. listeners ?? [], listener];
        }
    }

    /// <summary>Removes a listener that was added.</summary>
    public void Remove(ChannelName name, bool isPattern, IListener listener)
    {
        lock (_gate)
        {
            var all = isPattern ? _patterns : _channels;
            if (!all.TryGetValue(name, out var listeners)) return;
            if (listeners is [var only] && only == listener) all.Remove(name);
            else all[name] = [.. listeners.Where(other => other != listener)];
        }
    }

    /// <summary>Lets a message be heard and sent; see the other one.</summary>
    public int Publish(ChannelName channel, ReadOnlySpan<byte> payload, bool publishedHere)
    {
        var deliveries = new Deliveries();
        var heard = Publish(channel, payload, publishedHere, deliveries);
        deliveries.Send();
        return heard;
    }

    /// <summary>Lets a message be heard; returns by how many listeners, one that hears it by two patterns twice.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="payload">What is said.</param>
    /// <param name="publishedHere">See <see cref="ChannelMessage.PublishedHere"/>.</param>
    /// <param name="deliveries">Who has something to send now; the caller lets them.</param>
    public int Publish(ChannelName channel, ReadOnlySpan<byte> payload, bool publishedHere, Deliveries deliveries)
    {
        lock (_gate)
        {
            if (publishedHere) carry?.Invoke(channel, payload, deliveries);
            if (_isSaying)
            {
                _later.Enqueue(new Kept(channel, payload.ToArray(), publishedHere));
                return Count(channel);
            }
            _isSaying = true;
            try
            {
                var heard = Say(channel, payload, publishedHere, deliveries);
                while (_later.TryDequeue(out var kept)) Say(kept.Channel, kept.Payload, kept.PublishedHere, deliveries);
                return heard;
            }
            finally
            {
                _isSaying = false;
                _later.Clear();
            }
        }
    }

    /// <summary>How many listeners a channel has, those of patterns aside.</summary>
    public int ListenersOf(ChannelName channel)
    {
        lock (_gate) return _channels.TryGetValue(channel, out var listeners) ? listeners.Length : 0;
    }

    /// <summary>The channels that somebody is subscribed to, those of patterns aside.</summary>
    /// <param name="pattern">Only those that match it; null: all.</param>
    public IReadOnlyList<ChannelName> Channels(ChannelName? pattern)
    {
        lock (_gate) return [.. _channels.Keys.Where(channel => pattern is not { } wanted || GlobPattern.Matches(wanted, channel))];
    }

    private int Say(ChannelName channel, ReadOnlySpan<byte> payload, bool publishedHere, Deliveries deliveries)
    {
        var heard = 0;
        if (_channels.TryGetValue(channel, out var listeners))
        {
            foreach (var listener in listeners) listener.Hear(new Heard(channel, null, payload, publishedHere, deliveries));
            heard += listeners.Length;
        }
        foreach (var (pattern, matching) in Matching(channel))
        {
            foreach (var listener in matching) listener.Hear(new Heard(channel, pattern, payload, publishedHere, deliveries));
            heard += matching.Length;
        }
        return heard;
    }

    private int Count(ChannelName channel) =>
        (_channels.TryGetValue(channel, out var listeners) ? listeners.Length : 0) + Matching(channel).Sum(pattern => pattern.Value.Length);

    // A list of its own: listeners may subscribe to more while they hear.
    private List<KeyValuePair<ChannelName, IListener[]>> Matching(ChannelName channel)
    {
        var matching = new List<KeyValuePair<ChannelName, IListener[]>>();
        foreach (var pattern in _patterns)
            if (GlobPattern.Matches(pattern.Key, channel)) matching.Add(pattern);
        return matching;
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Kept(ChannelName Channel, byte[] Payload, bool PublishedHere);
}

/// <summary>Who hears messages of a <see cref="ChannelHub"/>.</summary>
internal interface IListener
{
    /// <summary>A message was published. Called one at a time for all listeners: it neither waits nor throws, and copies what it keeps.</summary>
    void Hear(Heard message);
}

/// <summary>A message as a listener hears it.</summary>
internal readonly ref struct Heard(ChannelName channel, ChannelName? pattern, ReadOnlySpan<byte> payload, bool publishedHere, Deliveries deliveries)
{
    /// <summary>The channel.</summary>
    public ChannelName Channel { get; } = channel;

    /// <summary>The pattern by which it is heard; null: the channel's own subscription.</summary>
    public ChannelName? Pattern { get; } = pattern;

    /// <summary>What was said.</summary>
    public ReadOnlySpan<byte> Payload { get; } = payload;

    /// <summary>See <see cref="ChannelMessage.PublishedHere"/>.</summary>
    public bool PublishedHere { get; } = publishedHere;

    /// <summary>Whoever has something to send now says so here.</summary>
    public Deliveries Deliveries { get; } = deliveries;
}
