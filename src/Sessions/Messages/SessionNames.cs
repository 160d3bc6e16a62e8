using System.Security.Cryptography;
using System.Text;

namespace PeoplesCloud.Sessions.Messages;

/// <summary>The names of channels, and what ids look like; docs/protocols/sessions.md.</summary>
public static class SessionNames
{
    /// <summary>What all channels begin with.</summary>
    public const string Prefix = "year4000.pycloud.";

    /// <summary>Ranks of all nodes.</summary>
    public const string Rank = Prefix + "rank";

    /// <summary>What nodes of ours tell all of them; those for one node are below it, by its id.</summary>
    public const string Nodes = Prefix + "node";

    private const int OwnIdLength = 16;
    private const int OwnRandomLength = 12;

    /// <summary>The channel of requests.</summary>
    public static string ChannelOf(SessionVerb verb) => verb switch
    {
        SessionVerb.Create => Prefix + "create",
        SessionVerb.Status => Prefix + "status",
        _ => Prefix + "remove",
    };

    /// <summary>What one node alone listens to.</summary>
    public static string NodeChannel(string cloud) => $"{Nodes}.{cloud}";

    /// <summary>The request that a channel of answers belongs to; null when it is none.</summary>
    public static RequestKey? RequestOfAnswer(string channel)
    {
        foreach (var verb in Enum.GetValues<SessionVerb>())
        {
            var name = ChannelOf(verb);
            if (channel.Length > name.Length + 1 && channel[name.Length] == '.' && channel.StartsWith(name, StringComparison.Ordinal)) return new(verb, channel[(name.Length + 1)..]);
        }
        return null;
    }

    /// <summary>Whether a text is an id: lower-case hex.</summary>
    public static bool IsId(string text) => text.Length is > 0 and <= SessionLimits.MaxIdLength && text.All(char.IsAsciiHexDigitLower);

    /// <summary>An id for a session.</summary>
    /// <param name="random">Eight random bytes.</param>
    public static string SessionId(ReadOnlySpan<byte> random) => Convert.ToHexStringLower(random[..(OwnIdLength / 2)]);

    /// <summary>
    /// An id for a node of ours: 12 random digits and 4 that follow from them, so that others of ours know it by its ranks, whose keys are fixed.
    /// </summary>
    /// <param name="random">Six random bytes.</param>
    public static string CloudId(ReadOnlySpan<byte> random)
    {
        var digits = Convert.ToHexStringLower(random[..(OwnRandomLength / 2)]);
        return digits + CheckOf(digits);
    }

    /// <summary>Whether an id is that of a node of ours, rather than of another program that speaks the same channels.</summary>
    public static bool IsOurs(string cloud) =>
        cloud.Length == OwnIdLength && IsId(cloud) && cloud.AsSpan(OwnRandomLength).SequenceEqual(CheckOf(cloud[..OwnRandomLength]));

    private static string CheckOf(string digits) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes("peoples-cloud node " + digits)))[..(OwnIdLength - OwnRandomLength)];
}
