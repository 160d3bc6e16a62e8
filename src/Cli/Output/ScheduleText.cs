using System.Globalization;
using PeoplesCloud.Cli.Api;

namespace PeoplesCloud.Cli.Output;

/// <summary>The next and the last time of a scheduled program in pc list, by this machine's clock.</summary>
internal static class ScheduleText
{
    /// <summary>"next 12:00, last 11:00 ok"; null for a program without a schedule.</summary>
    public static string? Of(JsonText program)
    {
        if (program["schedule"] is not { } schedule || schedule.TextOrNull("text") is not { } text) return null;
        var next = schedule.TextOrNull("next") is { } due ? $"next {Time(due)}" : text;
        return schedule["last"] is { } last && last.TextOrNull("due") is { } over ? $"{next}, last {Time(over)} {last.Text("result")}" : next;
    }

    // Within 20 hours a time of day says it all.
    private static string Time(string text)
    {
        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return text;
        var (local, now) = (time.ToLocalTime(), TimeProvider.System.GetLocalNow());
        return (local - now).Duration() < TimeSpan.FromHours(20) ? local.ToString("HH:mm", CultureInfo.InvariantCulture) : local.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
    }
}
