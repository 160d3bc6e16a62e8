using PeoplesCloud.Base;

namespace PeoplesCloud.Sessions.Channels;

// pattern = *( "*" / "?" / set / "\" byte / byte )
// set     = "[" [ "^" ] *( "\" byte / byte "-" byte / byte ) [ "]" ]      without its "]" it ends with the pattern

/// <summary>
/// Patterns as Redis 7.0 matches them, odd cases included: <c>*</c> does not match the empty name, a set that is not closed ends with the pattern, and
/// the ends of a range are compared as signed bytes. Clients compare what they hear with what Redis would let them hear.
/// </summary>
internal static class GlobPattern
{
    /// <summary>How deep stars are followed, as in Redis; a pattern with more matches nothing.</summary>
    private const int MaxStars = 1000;

    /// <summary>Whether a pattern matches a name. Takes at most the product of both lengths in steps.</summary>
    public static bool Matches(ChannelName pattern, ChannelName name)
    {
        var isOver = false;
        return Matches(pattern.Raw, name.Raw, ref isOver, stars: 0);
    }

    // isOver: the rest after the last star matches nowhere, so an earlier star that takes more cannot help.
    private static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name, ref bool isOver, int stars)
    {
        if (stars > MaxStars) return false;
        while (pattern.Length > 0 && name.Length > 0)
        {
            switch (pattern[0])
            {
                case '*':
                    while (pattern.Length > 1 && pattern[1] == '*') pattern = pattern[1..];
                    if (pattern.Length == 1) return true;
                    for (; name.Length > 0; name = name[1..])
                    {
                        if (Matches(pattern[1..], name, ref isOver, stars + 1)) return true;
                        if (isOver) return false;
                    }
                    isOver = true;
                    return false;
                case '?':
                    pattern = pattern[1..];
                    break;
                case '[':
                    if (!MatchesSet(ref pattern, name[0])) return false;
                    break;
                default:
                    if (pattern[0] == '\\' && pattern.Length > 1) pattern = pattern[1..];
                    if (pattern[0] != name[0]) return false;
                    pattern = pattern[1..];
                    break;
            }
            name = name[1..];
            if (name.Length == 0) pattern = pattern.TrimStart('*');
        }
        return pattern.Length == 0 && name.Length == 0;
    }

    // Takes the set from the pattern.
    private static bool MatchesSet(ref ReadOnlySpan<char> pattern, char c)
    {
        pattern = pattern[1..];
        var isNot = pattern.Length > 0 && pattern[0] == '^';
        if (isNot) pattern = pattern[1..];
        var isIn = false;
        for (; pattern.Length > 0 && pattern[0] != ']'; pattern = pattern[1..])
        {
            if (pattern[0] == '\\' && pattern.Length >= 2)
            {
                pattern = pattern[1..];
                isIn |= pattern[0] == c;
            }
            else if (pattern.Length >= 3 && pattern[1] == '-')
            {
                var (one, other, mine) = ((sbyte)pattern[0], (sbyte)pattern[2], (sbyte)c);
                isIn |= mine >= Math.Min(one, other) && mine <= Math.Max(one, other);
                pattern = pattern[2..];
            }
            else
            {
                isIn |= pattern[0] == c;
            }
        }
        if (pattern.Length > 0) pattern = pattern[1..];
        return isIn != isNot;
    }

    // Fuzz target: a pattern, a zero byte, a name. No pattern is dear, and a name without special bytes matches itself alone.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var at = input.IndexOf((byte)0);
        if (at < 0 || input.Length > 4096) return;
        var (pattern, name) = (ChannelName.FromBytes(input[..at]), ChannelName.FromBytes(input[(at + 1)..]));
        var matches = Matches(pattern, name);
        if (!pattern.IsPattern && !pattern.Raw.Contains('\\', StringComparison.Ordinal)) Invariant.Check(matches == (pattern == name), "what is no pattern matches itself alone");
        if (pattern.Raw is "*") Invariant.Check(matches == name.Length > 0, "a star matches every name but the empty one");
    }
}
