namespace PeoplesCloud.Cli.Output;

/// <summary>Numbers and times as people read them.</summary>
internal static class Words
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>512 B, 1.5 KiB, 20 MiB.</summary>
    public static string Bytes(long bytes)
    {
        double value = bytes;
        var unit = 0;
        while (value >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return unit == 0 || value >= 10 ? $"{value:0} {Units[unit]}" : $"{value:0.0} {Units[unit]}";
    }

    /// <summary>now, 5 s ago, 3 min ago, 2 h ago, 9 d ago.</summary>
    public static string Ago(DateTimeOffset time, DateTimeOffset now) => (now - time) switch
    {
        { TotalSeconds: < 2 } => "now",
        { TotalSeconds: < 60 } span => $"{span.TotalSeconds:0} s ago",
        { TotalMinutes: < 60 } span => $"{span.TotalMinutes:0} min ago",
        { TotalHours: < 48 } span => $"{span.TotalHours:0} h ago",
        var span => $"{span.TotalDays:0} d ago",
    };

    /// <summary>The first and last characters of an identifier that is too long to read.</summary>
    public static string Short(string identifier) => identifier.Length <= 16 ? identifier : $"{identifier[..8]}…{identifier[^6..]}";

    /// <summary>1 member, 2 members.</summary>
    public static string Count(long number, string noun) => number == 1 ? $"1 {noun}" : $"{number} {noun}s";
}
