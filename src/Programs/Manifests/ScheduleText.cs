using System.Globalization;

namespace PeoplesCloud.Programs.Manifests;

/// <summary>Whether a text is a schedule as cron has them, with values that can be: 99 o'clock is refused when it is written, not never reached.</summary>
internal static class ScheduleText
{
    private static readonly string[] Nicknames = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];

    private static readonly string[] Months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

    private static readonly string[] Weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    // Minute, hour, day of the month, month, weekday (0 and 7 are Sunday).
    private static readonly (int Least, int Most, string[] Words)[] Fields = [(0, 59, []), (0, 23, []), (1, 31, []), (1, 12, Months), (0, 7, Weekdays)];

    /// <summary>Judges a text whose fields are separated by spaces.</summary>
    public static bool IsPossible(string text)
    {
        var fields = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields is [['@', ..] nickname]) return Nicknames.Contains(nickname, StringComparer.Ordinal);
        return fields.Length == Fields.Length && fields.Zip(Fields).All(pair => pair.First.Split(',').All(item => IsItem(item, pair.Second)));
    }

    // item = ( "*" / value [ "-" value ] ) [ "/" step ]
    private static bool IsItem(string item, (int Least, int Most, string[] Words) field)
    {
        var slash = item.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0 && !(int.TryParse(item.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var step) && step is > 0 and < 60)) return false;
        var range = slash < 0 ? item : item[..slash];
        if (range == "*") return true;
        var ends = range.Split('-');
        if (ends.Length > 2 || ValueOf(ends[0], field) is not { } first) return false;
        return ends.Length == 1 || (ValueOf(ends[1], field) is { } last && last >= first);
    }

    private static int? ValueOf(string text, (int Least, int Most, string[] Words) field)
    {
        var word = Array.FindIndex(field.Words, known => string.Equals(known, text, StringComparison.OrdinalIgnoreCase));
        if (word >= 0) return field.Least + word;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= field.Least && value <= field.Most ? value : null;
    }
}
