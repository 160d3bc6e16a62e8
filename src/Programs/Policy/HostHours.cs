using System.Globalization;
using System.Runtime.InteropServices;

namespace PeoplesCloud.Programs.Policy;

// hours = [days " "] time "-" time
// days  = day *( "," day ) / day "-" day          mon tue wed thu fri sat sun; none is every day
// time  = "00:00" to "24:00"                      an end that is not after the start is on the next day

/// <summary>A part of the week, by the clock on the wall: <c>22:00-06:00</c>, <c>mon-fri 18:00-24:00</c>, <c>sat,sun 00:00-24:00</c>.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct HostHours
{
    private const int MinutesOfDay = 24 * 60;
    private const int EveryDay = 0b1111111;
    private static readonly string[] Days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    private readonly int _days;
    private readonly int _from;
    private readonly int _to;

    private HostHours(int days, int from, int to) => (_days, _from, _to) = (days, from, to);

    /// <summary>Reads one part; false for anything else.</summary>
    public static bool TryParse(string text, out HostHours hours)
    {
        hours = default;
        if (text.Length > 64) return false;
        var words = text.ToLowerInvariant().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is 0 or > 2 || words[^1].Split('-') is not [var first, var last]) return false;
        var days = EveryDay;
        if (words.Length == 2 && !TryParseDays(words[0], out days)) return false;
        if (!TryParseTime(first, out var from) || !TryParseTime(last, out var to) || from == MinutesOfDay || from == to) return false;
        hours = new HostHours(days, from, to);
        return true;
    }

    /// <summary>Whether a moment is in it. What begins on a day belongs to that day, also after midnight.</summary>
    public bool Contains(DateTimeOffset local)
    {
        var minute = (local.Hour * 60) + local.Minute;
        var today = Bit(local.DayOfWeek);
        if (_from < _to) return (_days & today) != 0 && minute >= _from && minute < _to;
        var yesterday = Bit(local.AddDays(-1).DayOfWeek);
        return ((_days & today) != 0 && minute >= _from) || ((_days & yesterday) != 0 && minute < _to);
    }

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    public override string ToString()
    {
        var set = _days;
        var days = set == EveryDay ? "" : string.Join(',', Days.Where((_, i) => (set & (1 << i)) != 0)) + " ";
        return $"{days}{Shown(_from)}-{Shown(_to)}";
    }

    // Fuzz target: what is accepted is read again as the same.
    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (!TryParse(System.Text.Encoding.Latin1.GetString(input), out var hours)) return;
        Base.Invariant.Check(TryParse(hours.ToString(), out var again) && again == hours, "hours are read as they are written");
    }

    private static bool TryParseDays(string text, out int days)
    {
        days = 0;
        if (text.Split('-') is [var first, var last])
        {
            var (from, to) = (Array.IndexOf(Days, first), Array.IndexOf(Days, last));
            if (from < 0 || to < 0) return false;
            for (var day = from; ; day = (day + 1) % Days.Length)
            {
                days |= 1 << day;
                if (day == to) return true;
            }
        }
        foreach (var word in text.Split(','))
        {
            if (Array.IndexOf(Days, word) is not (>= 0 and var day)) return false;
            days |= 1 << day;
        }
        return true;
    }

    private static bool TryParseTime(string text, out int minutes)
    {
        minutes = 0;
        if (text.Split(':') is not [{ Length: 1 or 2 } hour, { Length: 2 } minute]) return false;
        if (!int.TryParse(hour, NumberStyles.None, CultureInfo.InvariantCulture, out var h) || !int.TryParse(minute, NumberStyles.None, CultureInfo.InvariantCulture, out var m)) return false;
        minutes = (h * 60) + m;
        return m < 60 && minutes <= MinutesOfDay;
    }

    private static int Bit(DayOfWeek day) => 1 << (((int)day + 6) % 7);

    private static string Shown(int minutes) => string.Create(CultureInfo.InvariantCulture, $"{minutes / 60:00}:{minutes % 60:00}");
}
