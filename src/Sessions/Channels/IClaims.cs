using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// Keys that one node sets at a time and that end by themselves: how nodes that only a Redis connects agree on who answers. A claim holds as long as
/// that Redis keeps its keys: one that loses them, or hands over to a replica that lacks them, may let a second node claim the same. Thread-safe.
/// </summary>
public interface IClaims
{
    /// <summary>Sets a key unless it is set. Does not wait for a Redis that is away: by the time that it is back, another may have answered.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">Names who claims; unlike what others set.</param>
    /// <param name="life">When the key ends by itself; at least 1 ms.</param>
    /// <param name="cancellationToken">Gives up waiting; the key may have been set.</param>
    /// <returns>Whether it is ours now. False: somebody had it. It was ours already: false too, see <see cref="GetAsync"/>.</returns>
    /// <exception cref="PcException">The Redis is away or refuses; nobody knows whether the key was set.</exception>
    ValueTask<bool> ClaimAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken);

    /// <summary>The value of a key; null when it is not set.</summary>
    /// <exception cref="PcException">The Redis is away or refuses.</exception>
    ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken);

    /// <summary>Lets a key live on, if its value is still <paramref name="value"/>.</summary>
    /// <returns>Whether it was.</returns>
    /// <exception cref="PcException">The Redis is away or refuses.</exception>
    ValueTask<bool> RenewAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken);

    /// <summary>Puts another value into a key and lets it live on, if its value is still <paramref name="value"/>: an answer in place of a claim.</summary>
    /// <returns>Whether it was.</returns>
    /// <exception cref="PcException">The Redis is away or refuses.</exception>
    ValueTask<bool> ReplaceAsync(string key, string value, string next, TimeSpan life, CancellationToken cancellationToken);

    /// <summary>Removes a key, if its value is still <paramref name="value"/>.</summary>
    /// <returns>Whether it was.</returns>
    /// <exception cref="PcException">The Redis is away or refuses.</exception>
    ValueTask<bool> ReleaseAsync(string key, string value, CancellationToken cancellationToken);
}

/// <summary>Keys that can be set together with the message that says so.</summary>
public interface IAnswerKeys : IClaims
{
    /// <summary>
    /// Raised when what keeps the keys was away and is back, before it is used again: it may have lost them. On any thread, and quickly handled.
    /// </summary>
    event Action? InDoubt;

    /// <summary>Whether a command would be sent now.</summary>
    bool IsReachable { get; }

    /// <summary>
    /// Sets a key and publishes a message, both or neither and nothing between them: if the key is not set, or its value is <paramref name="claim"/>. Does
    /// not wait for a Redis that is away.
    /// With that at most one message is published for a key, whoever was slow meanwhile.
    /// </summary>
    /// <param name="key">The key.</param>
    /// <param name="claim">What this node has set it to, if it has.</param>
    /// <param name="next">Its new value.</param>
    /// <param name="life">How long that lives.</param>
    /// <param name="channel">Where to publish.</param>
    /// <param name="payload">What to publish.</param>
    /// <param name="cancellationToken">Gives up waiting; it may have been done.</param>
    /// <returns>Null when it was done; else the value that the key has.</returns>
    /// <exception cref="PcException">The Redis is away or refuses; nobody knows whether it was done.</exception>
    ValueTask<string?> PublishOnceAsync(string key, string claim, string next, TimeSpan life, string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken);
}
