using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// Publish and subscribe, as Redis has it: a message reaches whoever is subscribed at that time, in the order in which its publisher sent it,
/// and nobody later. Nothing is kept and nothing is sent again, so that a message is heard at most once by each subscription. Thread-safe.
/// </summary>
public interface IChannels
{
    /// <summary>Publishes a message.</summary>
    /// <param name="channel">The channel; any text, sent as UTF-8.</param>
    /// <param name="payload">What is said; it is copied before this returns.</param>
    /// <param name="cancellationToken">Gives up waiting; the message may have been sent.</param>
    /// <returns>How many heard it, as far as this can know: with a Redis what it answers, else the subscriptions and clients on this node.</returns>
    /// <exception cref="PcException">What carries messages is away, or the message is larger than it takes. The message was not sent, or nobody knows.</exception>
    ValueTask<int> PublishAsync(string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken);

    /// <summary>
    /// Hears the messages of a channel from now on. While what carries messages is away nothing is heard, and the subscription goes on when it is back.
    /// </summary>
    /// <param name="channelOrPattern">A channel; or, if it has a <c>*</c>, <c>?</c> or <c>[</c>, a pattern as Redis matches them.</param>
    /// <param name="heard">Called for each message, one after the other, on the thread that carries all of them: it must not wait, and it must not throw.</param>
    /// <returns>Ends the subscription. A message that is on its way at that time may still be heard.</returns>
    IDisposable Subscribe(string channelOrPattern, Action<ChannelMessage> heard);
}

/// <summary>A message that was heard.</summary>
/// <param name="Channel">The channel that it was published to, also when a pattern heard it.</param>
/// <param name="Payload">What was said. It belongs to whoever heard it.</param>
/// <param name="PublishedHere">
/// Whether it was published through this node, by a client of its endpoint or by itself, so that this node coordinates the request: true at one node at
/// most. Never with a Redis, where nobody knows.
/// </param>
public sealed record ChannelMessage(string Channel, ReadOnlyMemory<byte> Payload, bool PublishedHere);
