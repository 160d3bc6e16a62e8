using System.Globalization;
using PeoplesCloud.Cli.Api;

namespace PeoplesCloud.Cli.Output;

/// <summary>Where a program ran before: "hello-bot ran on elm until 12:03:10 (lease lost), on fir since 12:03:14".</summary>
internal static class RunsText
{
    /// <summary>The line of a program of GET /v1/list; null when it did not move.</summary>
    public static string? Of(JsonText program, Terminal terminal)
    {
        if (program["runs"]?.Items is not { Count: > 1 } runs) return null;
        var (before, last) = (runs[^2], runs[^1]);
        if (before.Text("host") == last.Text("host") && last.TextOrNull("ended") is null) return null;
        return $"{terminal.Safe(program.Text("name"))} ran on {terminal.Safe(before.Text("host"))}{Until(before, ", which went silent", terminal)}, on {terminal.Safe(last.Text("host"))}{(last.TextOrNull("ended") is null ? " since " + Time(last.TextOrNull("began")) : Until(last, "", terminal))}";
    }

    private static string Until(JsonText run, string silent, Terminal terminal) =>
        run.TextOrNull("ended") is { } ended ? $" until {Time(ended)} ({terminal.Safe(run.TextOrNull("why") ?? "unknown")})" : silent;

    /// <summary>A time for people: of today the time says enough.</summary>
    public static string Time(string? text)
    {
        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)) return "-";
        var local = time.ToLocalTime();
        return local.ToString(local.Date == TimeProvider.System.GetLocalNow().Date ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
    }
}
