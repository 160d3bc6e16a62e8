using System.Text;

namespace PeoplesCloud.Cli.Output;

/// <summary>Control characters as pictures, for names and log lines on a terminal.</summary>
internal static class ControlCharacters
{
    /// <summary>
    /// C0 controls become their pictures (U+2400 and on), DEL becomes U+2421, C1 controls and the marks that reorder text become U+FFFD.
    /// A tab stays.
    /// </summary>
    public static string Visible(string text)
    {
        var first = text.AsSpan().IndexOfAnyInRange('\0', '\x1f') >= 0 || text.AsSpan().IndexOfAnyExceptInRange(' ', '~') >= 0;
        if (!first) return text;
        var visible = new StringBuilder(text.Length);
        foreach (var character in text)
            visible.Append(Picture(character));
        return visible.ToString();
    }

    private static char Picture(char character) => character switch
    {
        '\t' => character,
        < ' ' => (char)(0x2400 + character),
        '\x7f' => '\u2421',
        >= '\x80' and < '\xa0' => '\ufffd',
        // Bidirectional marks, embeddings, overrides and isolates: they can make a name read as another.
        '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') => '\ufffd',
        '\u2028' or '\u2029' => '\u2424',
        _ => character,
    };
}
