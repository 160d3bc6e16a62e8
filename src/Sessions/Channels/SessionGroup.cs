using PeoplesCloud.Sessions.Messages;

namespace PeoplesCloud.Sessions.Channels;

/// <summary>
/// A group of nodes that shares what carries messages with other groups and hears nothing of them: where the first group's channels and keys begin with
/// <c>year4000.pycloud.</c>, those of a group begin with <c>year4000.GROUP.</c>
/// </summary>
public static class SessionGroup
{
    /// <summary>The group whose names are those that clients know.</summary>
    public const string First = "pycloud";

    /// <summary>Whether a text may be a group's name: 1 to 32 letters, digits, - and _.</summary>
    public static bool IsName(string text) => text.Length is >= 1 and <= 32 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    /// <summary>What the names of its channels begin with.</summary>
    public static string PrefixOf(string group) => $"year4000.{group}.";

    /// <summary>The channels of a group, under the names of the first.</summary>
    public static IChannels In(string group, IChannels channels) => IsFirst(group) ? channels : new GroupChannels(channels, PrefixOf(group));

    /// <summary>The keys of a group, under the names of the first.</summary>
    public static IAnswerKeys In(string group, IAnswerKeys keys) => IsFirst(group) ? keys : new GroupKeys(keys, PrefixOf(group));

    private static bool IsFirst(string group) => string.Equals(group, First, StringComparison.Ordinal);

    private static string Changed(string name, string from, string to) => name.StartsWith(from, StringComparison.Ordinal) ? to + name[from.Length..] : name;

    private sealed class GroupChannels(IChannels channels, string prefix) : IChannels
    {
        public ValueTask<int> PublishAsync(string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
            channels.PublishAsync(Changed(channel, SessionNames.Prefix, prefix), payload, cancellationToken);

        public IDisposable Subscribe(string channelOrPattern, Action<ChannelMessage> heard) =>
            channels.Subscribe(Changed(channelOrPattern, SessionNames.Prefix, prefix), message => heard(message with { Channel = Changed(message.Channel, prefix, SessionNames.Prefix) }));
    }

    private sealed class GroupKeys(IAnswerKeys keys, string prefix) : IAnswerKeys
    {
        public event Action? InDoubt
        {
            add => keys.InDoubt += value;
            remove => keys.InDoubt -= value;
        }

        public bool IsReachable => keys.IsReachable;

        public ValueTask<bool> ClaimAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken) => keys.ClaimAsync(Of(key), value, life, cancellationToken);

        public ValueTask<string?> GetAsync(string key, CancellationToken cancellationToken) => keys.GetAsync(Of(key), cancellationToken);

        public ValueTask<bool> RenewAsync(string key, string value, TimeSpan life, CancellationToken cancellationToken) => keys.RenewAsync(Of(key), value, life, cancellationToken);

        public ValueTask<bool> ReplaceAsync(string key, string value, string next, TimeSpan life, CancellationToken cancellationToken) => keys.ReplaceAsync(Of(key), value, next, life, cancellationToken);

        public ValueTask<bool> ReleaseAsync(string key, string value, CancellationToken cancellationToken) => keys.ReleaseAsync(Of(key), value, cancellationToken);

        public ValueTask<string?> PublishOnceAsync(string key, string claim, string next, TimeSpan life, string channel, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
            keys.PublishOnceAsync(Of(key), claim, next, life, Of(channel), payload, cancellationToken);

        private string Of(string name) => Changed(name, SessionNames.Prefix, prefix);
    }
}
