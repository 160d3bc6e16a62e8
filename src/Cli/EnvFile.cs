using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Cli;

// file  = *( line LF )
// line  = blank / "#" text / ["export "] NAME "=" value
// value = text to the end of the line, spaces around it left out / "'" text "'" / '"' text with \n \t \\ \" '"'

/// <summary>Environment files as other tools have them, one <c>NAME=VALUE</c> a line. Nothing is put in for <c>$NAME</c>. Problems name the line, never the value.</summary>
internal static class EnvFile
{
    /// <summary>The largest file that is read, in bytes.</summary>
    public const int MaxBytes = 64 << 10;

    /// <summary>Reads a file's text; a later line wins over an earlier one of the same name.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SecretInvalid"/> with the line.</exception>
    public static Dictionary<string, string> Parse(string text, string where)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.AsSpan().Trim();
            if (line.IsEmpty || line[0] == '#') continue;
            if (line.StartsWith("export ", StringComparison.Ordinal)) line = line[7..].TrimStart();
            var equals = line.IndexOf('=');
            if (equals < 1) throw Problem(where, number, "is not NAME=VALUE");
            var value = Unquoted(line[(equals + 1)..].Trim()) ?? throw Problem(where, number, "has a quotation mark that does not end");
            values[line[..equals].TrimEnd().ToString()] = value;
        }
        return values;
    }

    private static string? Unquoted(ReadOnlySpan<char> value)
    {
        if (value.IsEmpty || value[0] is not ('\'' or '"')) return value.ToString();
        if (value.Length < 2 || value[^1] != value[0]) return null;
        var inner = value[1..^1];
        if (value[0] == '\'') return inner.ToString();
        var text = new StringBuilder();
        for (var i = 0; i < inner.Length; i++)
        {
            if (inner[i] != '\\')
            {
                text.Append(inner[i]);
                continue;
            }
            if (++i == inner.Length) return null;
            text.Append(inner[i] switch { 'n' => '\n', 't' => '\t', var other => other });
        }
        return text.ToString();
    }

    private static PcException Problem(string where, int line, string what) => new(ErrorCode.SecretInvalid, $"line {line} of {where} {what}", "write one NAME=VALUE a line; # begins a comment");
}
