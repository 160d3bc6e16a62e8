using System.Globalization;

namespace PeoplesCloud.Base.Formats;

/// <summary>A number of bytes as people write it: digits, then B, kB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1,024s); nothing is B.</summary>
public static class ByteSize
{
    private static readonly (string Suffix, long Factor)[] Units =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("kB", 1000), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ];

    /// <summary>Reads a size; false for anything else and for what does not fit.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        var (suffix, factor) = Array.Find(Units, unit => text.EndsWith(unit.Suffix, StringComparison.Ordinal));
        if (!long.TryParse(text.AsSpan(0, text.Length - suffix.Length).TrimEnd(' '), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue / factor) return false;
        bytes = number * factor;
        return true;
    }
}
