using System.Globalization;
using System.Text;

namespace PeoplesCloud.Programs;

/// <summary>Shows names and texts that somebody else chose in a message: one line, no control characters, not endless.</summary>
internal static class Quoted
{
    private const int MaxCharacters = 300;

    /// <summary>The text in quotation marks; control and formatting characters as \u escapes, cut at 300 characters.</summary>
    public static string Text(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var character in text.AsSpan(0, Math.Min(text.Length, MaxCharacters)))
        {
            if (IsUnsafe(character)) quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else quoted.Append(character);
        }
        return quoted.Append(text.Length > MaxCharacters ? "...\"" : "\"").ToString();
    }

    /// <summary>Words of another machine as a part of a line of ours: unsafe characters as spaces, cut at 300 characters or another number.</summary>
    public static string Line(string text, int maxCharacters = MaxCharacters)
    {
        var line = text.Length > maxCharacters ? string.Concat(text.AsSpan(0, maxCharacters), "...") : text;
        return string.Create(line.Length, line, (output, input) =>
        {
            for (var i = 0; i < input.Length; i++) output[i] = IsUnsafe(input[i]) ? ' ' : input[i];
        });
    }

    /// <summary>Whether a character could forge or hide text in a line: control, bidirectional formatting, line and paragraph separators.</summary>
    public static bool IsUnsafe(char character) =>
        CharUnicodeInfo.GetUnicodeCategory(character) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
