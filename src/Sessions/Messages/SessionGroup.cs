namespace PeoplesCloud.Sessions.Messages;

/// <summary>
/// The group of a node (PYCLOUD_GROUP): a word that people see and scripts get, as with PyCloud. It is in no name of a channel or key, which are those that
/// clients know, so nodes of all groups hear all requests.
/// </summary>
public static class SessionGroup
{
    /// <summary>The group of a node that was told none.</summary>
    public const string Default = "pycloud";

    /// <summary>The environment variable that tells a node its group, and tells it to scripts.</summary>
    public const string Variable = "PYCLOUD_GROUP";

    private const int MaxLength = 64;

    /// <summary>Whether a text may be a group: 1 to 64 characters that can be shown.</summary>
    public static bool IsGroup(string text) => text.Length is >= 1 and <= MaxLength && !text.Any(char.IsControl);

    /// <summary>What the environment says, so that it can be shown: an installation must not end for it. Null when it says nothing.</summary>
    public static string? Of(string? variable) =>
        string.IsNullOrEmpty(variable) ? null : string.Concat(variable.Take(MaxLength).Select(character => char.IsControl(character) ? '?' : character));
}
