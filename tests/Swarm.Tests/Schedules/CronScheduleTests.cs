using System.Globalization;

namespace PeoplesCloud.Swarm.Tests;

public sealed class CronScheduleTests
{
    [Theory]
    // Every value, lists, ranges, steps, names.
    [InlineData("* * * * *", "2027-03-01 12:00:00", "03-01 12:01 | 03-01 12:02")]
    [InlineData("* * * * *", "2027-03-01 12:00:59", "03-01 12:01")]
    [InlineData("*/15 * * * *", "2027-03-01 12:01:00", "03-01 12:15 | 03-01 12:30 | 03-01 12:45 | 03-01 13:00")]
    [InlineData("5/20 * * * *", "2027-03-01 12:00:00", "03-01 12:05 | 03-01 12:25 | 03-01 12:45 | 03-01 13:05")]
    [InlineData("10-14/2,58 3 * * *", "2027-03-01 00:00:00", "03-01 03:10 | 03-01 03:12 | 03-01 03:14 | 03-01 03:58 | 03-02 03:10")]
    [InlineData("0 9-17/4 * * *", "2027-03-01 09:00:00", "03-01 13:00 | 03-01 17:00 | 03-02 09:00")]
    [InlineData("0 12 * * mon-fri", "2027-03-05 12:00:00", "03-08 12:00")] // a Friday
    [InlineData("0 12 * * 6,7", "2027-03-05 12:00:00", "03-06 12:00 | 03-07 12:00 | 03-13 12:00")]
    [InlineData("0 12 * * 0", "2027-03-05 12:00:00", "03-07 12:00 | 03-14 12:00")]
    [InlineData("0 12 * * fri-sun", "2027-03-01 12:00:00", "03-05 12:00 | 03-06 12:00 | 03-07 12:00 | 03-12 12:00")]
    [InlineData("0 0 1 JAN,jul *", "2027-03-01 00:00:00", "07-01 00:00")]
    // Either day when both are named, both when one is a star.
    [InlineData("0 0 13 * fri", "2027-03-01 00:00:00", "03-05 00:00 | 03-12 00:00 | 03-13 00:00 | 03-19 00:00")]
    [InlineData("0 0 */2 * mon", "2027-03-02 00:00:00", "03-15 00:00 | 03-29 00:00")]
    // Months of 28 to 31 days, leap years.
    [InlineData("0 0 31 * *", "2027-03-31 00:00:00", "05-31 00:00 | 07-31 00:00")]
    [InlineData("30 6 29 2 *", "2027-03-01 00:00:00", "2028 02-29 06:30 | 2032 02-29 06:30")]
    [InlineData("0 0 29 2 *", "2096-03-01 00:00:00", "2104 02-29 00:00")] // 2100 is none
    // A leap day that is a Sunday comes each 28 years, and after 40 when 2100 lies between; by the day and by the clock.
    [InlineData("0 0 29 2 */7", "2027-03-01 00:00:00", "2032 02-29 00:00 | 2060 02-29 00:00 | 2088 02-29 00:00 | 2128 02-29 00:00")]
    [InlineData("45 * 29 2 */7", "2088-02-29 22:50:00", "2088 02-29 23:45 | 2128 02-29 00:45")]
    // Samoa went over the date line: there was no 30 December 2011.
    [InlineData("TZ=Pacific/Apia 0 * 31 12 *", "2011-12-01 00:00:00", "2011 12-30 10:00 | 2011 12-30 11:00")]
    // Nicknames.
    [InlineData("@hourly", "2027-12-31 23:00:00", "2028 01-01 00:00")]
    [InlineData("@daily", "2027-03-01 00:00:00", "03-02 00:00")]
    [InlineData("@midnight", "2027-03-01 00:00:00", "03-02 00:00")]
    [InlineData("@weekly", "2027-03-01 00:00:00", "03-07 00:00")]
    [InlineData("@monthly", "2027-03-01 00:00:00", "04-01 00:00")]
    [InlineData("@yearly", "2027-03-01 00:00:00", "2028 01-01 00:00")]
    [InlineData("@annually", "2027-03-01 00:00:00", "2028 01-01 00:00")]
    // Zones: 9 o'clock in Berlin is 8 in winter and 7 in summer; Kathmandu is at :45; days begin where they begin there.
    [InlineData("TZ=Europe/Berlin 0 9 * * *", "2027-03-27 00:00:00", "03-27 08:00 | 03-28 07:00")]
    [InlineData("TZ=Asia/Kathmandu 0 * * * *", "2027-03-01 00:00:00", "03-01 00:15 | 03-01 01:15")]
    [InlineData("TZ=Pacific/Auckland 0 0 1 * *", "2027-02-01 00:00:00", "02-28 11:00 | 03-31 11:00")]
    [InlineData("TZ=UTC 0 9 * * *", "2027-03-27 00:00:00", "03-27 09:00")]
    // Clocks go forward at 02:00 in Berlin (01:00 UTC): what would be between 2 and 3 comes at 3, once; every hour goes on.
    [InlineData("TZ=Europe/Berlin 30 2 * * *", "2027-03-27 12:00:00", "03-28 01:00 | 03-29 00:30")]
    [InlineData("TZ=Europe/Berlin 0,20,40 2,3 * * *", "2027-03-27 23:00:00", "03-28 01:00 | 03-28 01:20 | 03-28 01:40 | 03-29 00:00")]
    [InlineData("TZ=Europe/Berlin 30 * * * *", "2027-03-28 00:00:00", "03-28 00:30 | 03-28 01:30")]
    // Clocks go back at 03:00 in Berlin (01:00 UTC): what comes twice counts the first time; every hour counts both.
    [InlineData("TZ=Europe/Berlin 30 2 * * *", "2027-10-30 12:00:00", "10-31 00:30 | 11-01 01:30")]
    [InlineData("TZ=Europe/Berlin 30 1-3 * * *", "2027-10-30 23:00:00", "10-30 23:30 | 10-31 00:30 | 10-31 02:30")]
    [InlineData("TZ=Europe/Berlin 30 * * * *", "2027-10-31 00:00:00", "10-31 00:30 | 10-31 01:30 | 10-31 02:30")]
    // Half an hour on Lord Howe Island, and clocks that change at midnight in Havana.
    [InlineData("TZ=Australia/Lord_Howe 15 2 * * *", "2027-10-02 00:00:00", "10-02 15:30 | 10-03 15:15")]
    [InlineData("TZ=America/Havana 30 0 * * *", "2027-03-13 12:00:00", "03-14 05:00 | 03-15 04:30")]
    public void The_next_times_are(string text, string after, string expected)
    {
        var schedule = CronSchedule.TryParse(text)!;
        var moment = DateTimeOffset.ParseExact(after, "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        var times = new List<string>();
        foreach (var word in expected.Split(" | "))
        {
            moment = schedule.NextAfter(moment)!.Value;
            times.Add(moment.ToString(word.Length > 11 ? "yyyy MM-dd HH:mm" : "MM-dd HH:mm", CultureInfo.InvariantCulture));
        }
        Assert.Equal(expected, string.Join(" | ", times));
    }

    [Theory]
    [InlineData("")]
    [InlineData("* * * *")]
    [InlineData("* * * * * *")]
    [InlineData("60 * * * *")]
    [InlineData("* 24 * * *")]
    [InlineData("* * 0 * *")]
    [InlineData("* * * 13 *")]
    [InlineData("* * * * 8")]
    [InlineData("-1 * * * *")]
    [InlineData("1- * * * *")]
    [InlineData("1-2-3 * * * *")]
    [InlineData("20-10 * * * *")]
    [InlineData("*/0 * * * *")]
    [InlineData("*/60 * * * *")]
    [InlineData("*/5/5 * * * *")]
    [InlineData("1,,2 * * * *")]
    [InlineData("** * * * *")]
    [InlineData("* * * mon *")]
    [InlineData("* * * * jan")]
    [InlineData("+5 * * * *")]
    [InlineData("@reboot")]
    [InlineData("@daily now")]
    [InlineData("0 0 31 2 *")] // no such day
    [InlineData("0 0 31 2,4,6 *")]
    [InlineData("TZ=Middle/Earth 0 0 * * *")]
    [InlineData("TZ=../../../etc/passwd 0 0 * * *")]
    [InlineData("TZ=/etc/localtime 0 0 * * *")]
    [InlineData("TZ= 0 0 * * *")]
    [InlineData("TZ=Europe/Berlin")]
    public void What_is_no_schedule_is_not_read(string text) => Assert.Null(CronSchedule.TryParse(text));

    [Fact]
    public void A_long_text_is_not_read() => Assert.Null(CronSchedule.TryParse("0 0 * * " + string.Join(',', Enumerable.Repeat("1", 200))));

    // Goal: both ways to look for the next time agree. Method: a year of hours, looked at through a schedule that names each hour and one that says all.
    [Fact]
    public void Every_hour_by_star_and_by_name_is_the_same_where_clocks_do_not_change()
    {
        var (star, named) = (CronSchedule.TryParse("17 * * * *")!, CronSchedule.TryParse("17 0-22 * * *")!);
        var moment = new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);
        for (var hours = 0; hours < 24 * 366; hours++)
        {
            var next = star.NextAfter(moment)!.Value;
            if (next.Hour != 23) Assert.Equal(next, named.NextAfter(moment));
            moment = next;
        }
    }
}
