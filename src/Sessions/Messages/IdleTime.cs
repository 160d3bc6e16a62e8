using System.Globalization;

namespace PeoplesCloud.Sessions.Messages;

/// <summary>After how long without a connection a session sleeps: <c>30s</c>, <c>10m</c>, <c>2h</c>, <c>1d</c>.</summary>
internal static class IdleTime
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    /// <summary>Reads a time; false when it is none from 1 s to 30 days.</summary>
    public static bool TryRead(string text, out TimeSpan time)
    {
        time = default;
        if (text.Length is < 2 or > 8) return false;
        int seconds = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        if (seconds == 0 || !int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count)) return false;
        time = TimeSpan.FromSeconds((double)count * seconds);
        return time >= TimeSpan.FromSeconds(1) && time <= Longest;
    }
}
