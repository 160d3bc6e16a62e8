namespace PeoplesCloud.Sessions.Resp;

// words  = *( blank ) [ word *( 1*blank word ) ] *( blank )      blank is a space, tab, CR, LF, VT or FF; a zero byte ends the line
// word   = *( byte / quoted )                                     a quote's end is followed by a blank or the end
// quoted = DQUOTE *( "\x" hex hex / "\" byte / byte ) DQUOTE / "'" *( "\'" / byte ) "'"

/// <summary>A command that is a line, as people type it through netcat: its words as Redis splits them.</summary>
internal static class InlineCommand
{
    /// <summary>Adds the words of a line to a list; false: a quote is not closed, or more follows its end.</summary>
    public static bool TrySplit(ReadOnlySpan<byte> line, List<byte[]> words)
    {
        var zero = line.IndexOf((byte)0);
        if (zero >= 0) line = line[..zero];
        var word = new List<byte>();
        while (true)
        {
            while (line.Length > 0 && IsBlank(line[0])) line = line[1..];
            if (line.Length == 0) return true;
            word.Clear();
            if (!TryWord(ref line, word)) return false;
            words.Add([.. word]);
        }
    }

    private static bool TryWord(ref ReadOnlySpan<byte> line, List<byte> word)
    {
        while (line.Length > 0 && line[0] is not ((byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t'))
        {
            var c = line[0];
            line = line[1..];
            if (c is not ((byte)'"' or (byte)'\'')) word.Add(c);
            else return TryQuoted(ref line, c, word) && (line.Length == 0 || IsBlank(line[0]));
        }
        return true;
    }

    private static bool TryQuoted(ref ReadOnlySpan<byte> line, byte quote, List<byte> word)
    {
        while (line.Length > 0)
        {
            var c = line[0];
            line = line[1..];
            if (c == quote) return true;
            if (c != (byte)'\\' || line.Length == 0 || (quote == (byte)'\'' && line[0] != quote))
            {
                word.Add(c);
            }
            else if (quote == (byte)'"' && line.Length >= 3 && line[0] == (byte)'x' && char.IsAsciiHexDigit((char)line[1]) && char.IsAsciiHexDigit((char)line[2]))
            {
                word.Add((byte)((Convert.ToInt32(((char)line[1]).ToString(), 16) << 4) | Convert.ToInt32(((char)line[2]).ToString(), 16)));
                line = line[3..];
            }
            else
            {
                word.Add(quote == (byte)'"' ? Escaped(line[0]) : line[0]);
                line = line[1..];
            }
        }
        return false;
    }

    private static byte Escaped(byte c) => c switch
    {
        (byte)'n' => (byte)'\n',
        (byte)'r' => (byte)'\r',
        (byte)'t' => (byte)'\t',
        (byte)'b' => (byte)'\b',
        (byte)'a' => (byte)'\a',
        _ => c,
    };

    private static bool IsBlank(byte c) => c is (byte)' ' or >= 0x09 and <= 0x0d;
}
