using System.Globalization;
using System.Numerics;

namespace PeoplesCloud.Swarm;

/// <summary>
/// When a program is started, as cron writes it; docs/protocols/schedules.md. Immutable.
/// <code>
/// schedule = [ "TZ=" zone " " ] ( minute " " hour " " day " " month " " weekday / nickname )
/// field    = item *( "," item )
/// item     = ( "*" / value [ "-" value ] ) [ "/" step ]         value/step is value to the field's end
/// nickname = "@hourly" / "@daily" / "@midnight" / "@weekly" / "@monthly" / "@yearly" / "@annually"
/// </code>
/// As in Vixie cron a time fits when the day or the weekday fits, if neither begins with *. Times are those of UTC, or of the zone.
/// </summary>
public sealed class CronSchedule
{
    // A 29th of February that is a Sunday may be forty years away, when a year without leap day lies between (2100).
    private const int MaxYears = 41;
    private const int MaxDays = MaxYears * 366;
    private const int MaxZoneBytes = 64;
    private const string ZonePrefix = "TZ=";

    private static readonly SortedDictionary<string, string> Nicknames = new(StringComparer.Ordinal)
    {
        ["@hourly"] = "0 * * * *",
        ["@daily"] = "0 0 * * *",
        ["@midnight"] = "0 0 * * *",
        ["@weekly"] = "0 0 * * 0",
        ["@monthly"] = "0 0 1 * *",
        ["@yearly"] = "0 0 1 1 *",
        ["@annually"] = "0 0 1 1 *",
    };

    private static readonly Field Minutes = new(0, 59, []);
    private static readonly Field Hours = new(0, 23, []);
    private static readonly Field Days = new(1, 31, []);
    private static readonly Field Months = new(1, 12, ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]);
    private static readonly Field Weekdays = new(0, 7, ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]);
    private static readonly int[] LongestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

    private readonly ulong _minutes;
    private readonly ulong _hours;
    private readonly ulong _days;
    private readonly ulong _months;
    private readonly ulong _weekdays;
    private readonly bool _eitherDay; // neither the day nor the weekday begins with *

    private CronSchedule(string text, TimeZoneInfo zone, IReadOnlyList<(ulong Values, bool Starred)> fields)
    {
        Text = text;
        Zone = zone;
        (_minutes, _hours, _days, _months) = (fields[0].Values, fields[1].Values, fields[2].Values, fields[3].Values);
        _weekdays = (fields[4].Values | (fields[4].Values >> 7)) & 0x7f; // 7 is Sunday too
        _eitherDay = !fields[2].Starred && !fields[4].Starred;
    }

    /// <summary>The schedule with one space between its parts.</summary>
    public string Text { get; }

    /// <summary>Whose times they are.</summary>
    public TimeZoneInfo Zone { get; }

    private bool EveryHour => _hours == Hours.All;

    /// <summary>
    /// Reads a schedule; null when it is none, names a time that never comes (31 February), or a zone that this machine does not know.
    /// </summary>
    public static CronSchedule? TryParse(string text)
    {
        if (text.Length > SwarmLimits.MaxScheduleBytes) return null;
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var zone = TimeZoneInfo.Utc;
        if (words is [var first, .. var rest] && first.StartsWith(ZonePrefix, StringComparison.Ordinal))
        {
            if (FindZone(first[ZonePrefix.Length..]) is not { } found) return null;
            (zone, words) = (found, rest);
        }
        if (words is [['@', ..] nickname]) words = Nicknames.TryGetValue(nickname, out var meant) ? meant.Split(' ') : [];
        if (words.Length != 5) return null;
        var fields = new List<(ulong, bool)>(5);
        foreach (var (word, field) in words.Zip<string, Field>([Minutes, Hours, Days, Months, Weekdays]))
        {
            if (field.Read(word) is not { } values) return null;
            fields.Add((values, word[0] == '*'));
        }
        var schedule = new CronSchedule(string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries)), zone, fields);
        return schedule.HasDays ? schedule : null;
    }

    /// <summary>
    /// The first time after a moment; null when there is none within 41 years. A time of day that a change of clocks leaves out comes when the clocks
    /// were changed, one that comes twice counts the first time; a schedule of every hour goes on through both.
    /// </summary>
    public DateTimeOffset? NextAfter(DateTimeOffset after)
    {
        after = after.ToUniversalTime();
        if (after.Year < 2 || after.Year >= DateTime.MaxValue.Year - MaxYears) return null;
        return EveryHour ? NextByTheClock(after) : NextByTheDay(after);
    }

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        if (TryParse(System.Text.Encoding.Latin1.GetString(input)) is not { } schedule) return;
        var moment = DateTimeOffset.UnixEpoch.AddDays(input.Length * 251);
        if (schedule.NextAfter(moment) is not { } next) throw new InvalidDataException("a schedule was read that has no time");
        Base.Invariant.Check(next > moment && next.Second == 0, "the next time is later, and a minute");
        Base.Invariant.Check(schedule.NextAfter(next - TimeSpan.FromSeconds(1)) == next && schedule.NextAfter(next) > next, "a time is the next one until it has come");
    }

    // Local times of a day in order give moments in order, since each counts once.
    private DateTimeOffset? NextByTheDay(DateTimeOffset after)
    {
        var local = TimeZoneInfo.ConvertTime(after, Zone).DateTime;
        var past = local.AddHours(-3); // no change of clocks is larger: what is before it is over
        var date = DateOnly.FromDateTime(local).AddDays(-1);
        for (var tried = 0; tried < MaxDays; tried++, date = date.AddDays(1))
        {
            if (!Fits(date)) continue;
            foreach (var hour in Bits(_hours))
            {
                if (date.ToDateTime(new TimeOnly(hour, 59)) < past) continue;
                foreach (var minute in Bits(_minutes))
                {
                    if (MomentOf(date.ToDateTime(new TimeOnly(hour, minute))) is var moment && moment > after) return moment;
                }
            }
        }
        return null;
    }

    private DateTimeOffset MomentOf(DateTime local)
    {
        while (Zone.IsInvalidTime(local)) local = local.AddMinutes(1);
        var offset = Zone.IsAmbiguousTime(local) ? Zone.GetAmbiguousTimeOffsets(local).Max() : Zone.GetUtcOffset(local);
        return new DateTimeOffset(local, offset).ToUniversalTime();
    }

    private DateTimeOffset? NextByTheClock(DateTimeOffset after)
    {
        var moment = new DateTimeOffset(after.Ticks - after.Ticks % TimeSpan.TicksPerMinute, TimeSpan.Zero).AddMinutes(1);
        for (var end = moment.AddDays(MaxDays); moment < end;)
        {
            var local = TimeZoneInfo.ConvertTime(moment, Zone);
            var date = DateOnly.FromDateTime(local.DateTime);
            if (!Fits(date)) moment = NoneFit(date.AddDays(1), 2) ? moment.AddHours(12) : moment.AddMinutes(15 - moment.Minute % 15); // days begin at a quarter of an hour everywhere
            else if ((_minutes >> local.Minute & 1) == 0) moment = moment.AddMinutes(1);
            else return moment;
        }
        return null;
    }

    // A change of clocks may leave out a whole day: Samoa had no 30 December 2011.
    private bool NoneFit(DateOnly first, int days) => Enumerable.Range(0, days).All(day => !Fits(first.AddDays(day)));

    private bool Fits(DateOnly date)
    {
        if ((_months >> date.Month & 1) == 0) return false;
        var (day, weekday) = ((_days >> date.Day & 1) != 0, (_weekdays >> (int)date.DayOfWeek & 1) != 0);
        return _eitherDay ? day || weekday : day && weekday;
    }

    private bool HasDays => _eitherDay || Bits(_months).Any(month => BitOperations.TrailingZeroCount(_days) <= LongestMonths[month - 1]);

    private static IEnumerable<int> Bits(ulong values)
    {
        for (; values != 0; values &= values - 1) yield return BitOperations.TrailingZeroCount(values);
    }

    // A name becomes a part of a path on its way: nothing but words between slashes.
    private static TimeZoneInfo? FindZone(string name)
    {
        if (name.Length is 0 or > MaxZoneBytes || !name.Split('/').All(part => part.Length > 0 && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '+'))) return null;
        return name == "UTC" ? TimeZoneInfo.Utc : TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : null;
    }

    private sealed record Field(int Least, int Most, string[] Words)
    {
        public ulong All => Range(Least, Most, 1);

        public ulong? Read(string text)
        {
            ulong values = 0;
            foreach (var item in text.Split(','))
            {
                if (ReadItem(item) is not { } read) return null;
                values |= read;
            }
            return values;
        }

        private ulong? ReadItem(string item)
        {
            var parts = item.Split('/');
            var step = 1;
            if (parts.Length > 2 || (parts.Length == 2 && !(Number(parts[1], out step) && step > 0 && step <= Most))) return null;
            if (parts[0] == "*") return Range(Least, Words.Length == 7 ? 6 : Most, step);
            var ends = parts[0].Split('-');
            if (ends.Length > 2 || ValueOf(ends[0]) is not { } first) return null;
            var last = first;
            if (ends.Length == 2)
            {
                if (ValueOf(ends[1]) is not { } end) return null;
                last = end == 0 && Most == 7 && first > 0 ? 7 : end; // fri-sun
            }
            else if (parts.Length == 2)
            {
                last = Words.Length == 7 ? 6 : Most;
            }
            return last < first ? null : Range(first, last, step);
        }

        private int? ValueOf(string text)
        {
            var word = Array.FindIndex(Words, known => string.Equals(known, text, StringComparison.OrdinalIgnoreCase));
            if (word >= 0) return Least + word;
            return Number(text, out var value) && value >= Least && value <= Most ? value : null;
        }

        private static bool Number(string text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

        private static ulong Range(int first, int last, int step)
        {
            ulong values = 0;
            for (var value = first; value <= last; value += step) values |= 1UL << value;
            return values;
        }
    }
}
