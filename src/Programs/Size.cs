using System.Globalization;

namespace PeoplesCloud.Programs;

/// <summary>Sizes as people read them, in powers of 1,024.</summary>
internal static class Size
{
    private static readonly string[] Units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>For example 256 MiB or 4.7 GiB.</summary>
    public static string Text(long bytes)
    {
        double shown = bytes;
        var unit = 0;
        for (; shown >= 1024 && unit < Units.Length - 1; unit++) shown /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{shown:0.#} {Units[unit]}");
    }
}
