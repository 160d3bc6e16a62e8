using System.Globalization;
using System.Text;

namespace PeoplesCloud.Programs.Policy;

// duration = 1*( number unit )      units d h m s, each once, from the longest to the shortest

/// <summary>Lengths of time as people write them: 2h, 90m, 1h30m, 1d.</summary>
public static class Durations
{
    private static readonly (char Unit, long Seconds)[] Units = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

    /// <summary>The longest that is read: ten years.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(3652);

    /// <summary>Reads a length; false for anything else, for nothing, and above <see cref="Longest"/>.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        if (text.Length is 0 or > 32) return false;
        var rest = text.AsSpan();
        var (next, total) = (0, 0L);
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExceptInRange('0', '9');
            if (digits is < 1 or > 9) return false;
            var symbol = rest[digits];
            var unit = Array.FindIndex(Units, next, known => known.Unit == symbol);
            if (unit < 0) return false;
            total += long.Parse(rest[..digits], NumberStyles.None, CultureInfo.InvariantCulture) * Units[unit].Seconds;
            rest = rest[(digits + 1)..];
            next = unit + 1;
            if (next == Units.Length && !rest.IsEmpty) return false;
        }
        if (total <= 0 || total > (long)Longest.TotalSeconds) return false;
        duration = TimeSpan.FromSeconds(total);
        return true;
    }

    /// <summary>As <see cref="TryParse"/> reads it; parts of a second are left out.</summary>
    public static string Text(TimeSpan duration)
    {
        var rest = Math.Max(0, (long)duration.TotalSeconds);
        if (rest == 0) return "0s";
        var text = new StringBuilder();
        foreach (var (unit, seconds) in Units)
        {
            if (rest < seconds) continue;
            text.Append(CultureInfo.InvariantCulture, $"{rest / seconds}{unit}");
            rest %= seconds;
        }
        return text.ToString();
    }

    // Fuzz target: what is accepted is read again as the same.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryParse(Encoding.Latin1.GetString(input), out var duration)) return;
        Base.Invariant.Check(TryParse(Text(duration), out var again) && again == duration, "durations are read as they are written");
    }
}
