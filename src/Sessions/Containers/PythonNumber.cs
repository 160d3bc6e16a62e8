using System.Globalization;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>Numbers as Python writes them: whole ones digit by digit, others as the shortest text that is read back as the same double.</summary>
internal static class PythonNumber
{
    // From here on Python writes an exponent; .NET from ten times as much on.
    private const double FirstExponent = 1e16;

    /// <summary>What Python makes of a number of JSON.</summary>
    public static string Written(string json)
    {
        if (json == "-0") return "0";
        if (json.AsSpan().IndexOfAny('.', 'e', 'E') < 0) return json;
        var number = double.Parse(json, NumberStyles.Float, CultureInfo.InvariantCulture);
        if (double.IsInfinity(number)) return number > 0 ? "inf" : "-inf";
        var text = number.ToString(CultureInfo.InvariantCulture);
        if (text.Contains('E', StringComparison.Ordinal)) return text.Replace('E', 'e');
        if (Math.Abs(number) < FirstExponent) return text.Contains('.', StringComparison.Ordinal) ? text : text + ".0";
        var digits = text.TrimStart('-').TrimEnd('0');
        return $"{(number < 0 ? "-" : "")}{digits[0]}{(digits.Length > 1 ? "." : "")}{digits[1..]}e+16";
    }
}
