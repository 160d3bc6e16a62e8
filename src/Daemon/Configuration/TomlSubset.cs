using System.Globalization;
using System.Text;

namespace PeoplesCloud.Daemon.Configuration;

/// <summary>One setting of a configuration file: its full name (table.key), its value as text, and its line.</summary>
/// <param name="Key">Lower case; tables are joined with a dot.</param>
/// <param name="Value">Strings unescaped, numbers and booleans as written, arrays joined with <see cref="TomlSubset.ArraySeparator"/>.</param>
/// <param name="Line">1 for the first line.</param>
internal sealed record TomlSetting(string Key, string Value, int Line);

/// <summary>
/// The part of TOML 1.0 that the daemon's file needs: comments, <c>[table]</c>s one level deep, bare keys, basic and literal
/// strings, integers, floats, booleans, and arrays of strings on one line. Everything else is a problem that names its line.
/// </summary>
internal static class TomlSubset
{
    /// <summary>The largest file that is read, in bytes: a configuration is a page, not a book.</summary>
    public const int MaxFileBytes = 64 << 10;

    /// <summary>What array items are joined with. Control characters are refused in strings, so it cannot be part of one.</summary>
    public const char ArraySeparator = '\u001f';

    /// <summary>Reads a file's text; every problem is added to <paramref name="problems"/> and reading goes on with the next line.</summary>
    public static IReadOnlyList<TomlSetting> Parse(string text, ICollection<string> problems)
    {
        var settings = new List<TomlSetting>();
        var table = "";
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.AsSpan().Trim();
            if (line.IsEmpty || line[0] == '#') continue;
            if (line[0] == '[')
            {
                if (TryReadTable(line, out table)) continue;
                problems.Add($"line {number}: expected [table], got {Shown(line)}");
                continue;
            }
            if (ReadSetting(line, table, number, out var setting) is { } problem) problems.Add($"line {number}: {problem}");
            else if (settings.Find(s => string.Equals(s.Key, setting!.Key, StringComparison.Ordinal)) is { } first) problems.Add($"line {number}: {setting!.Key} was already set on line {first.Line}");
            else settings.Add(setting!);
        }
        return settings;
    }

    private static bool TryReadTable(ReadOnlySpan<char> line, out string table)
    {
        var end = line.IndexOf(']');
        table = end > 1 ? line[1..end].Trim().ToString() : "";
        return table.Length > 0 && IsBareKey(table) && IsEndOfLine(line[(end + 1)..]);
    }

    private static string? ReadSetting(ReadOnlySpan<char> line, string table, int number, out TomlSetting? setting)
    {
        setting = null;
        var equals = line.IndexOf('=');
        if (equals < 0) return $"expected key = value, got {Shown(line)}";
        var key = line[..equals].Trim();
        if (!IsBareKey(key)) return $"{Shown(key)} is no key: letters, digits, - and _";
        var rest = line[(equals + 1)..].TrimStart();
        if (ReadValue(ref rest, out var value) is { } problem) return $"{key}: {problem}";
        if (!IsEndOfLine(rest)) return $"{key}: unexpected {Shown(rest.Trim())} after the value";
        setting = new TomlSetting(table.Length == 0 ? key.ToString() : $"{table}.{key}", value, number);
        return null;
    }

    private static string? ReadValue(ref ReadOnlySpan<char> rest, out string value)
    {
        value = "";
        if (rest.IsEmpty) return "the value is missing";
        if (rest[0] == '[') return ReadArray(ref rest, out value);
        if (rest[0] is '"' or '\'') return ReadString(ref rest, out value);
        var end = rest.IndexOfAny(" \t#,]");
        var word = end < 0 ? rest : rest[..end];
        rest = rest[word.Length..];
        value = word.ToString().Replace("_", "", StringComparison.Ordinal);
        return value is "true" or "false" || double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
            ? null
            : $"{Shown(word)} is no number, true or false; put text in quotes";
    }

    private static string? ReadArray(ref ReadOnlySpan<char> rest, out string value)
    {
        value = "";
        var items = new List<string>();
        rest = rest[1..].TrimStart();
        while (!rest.IsEmpty && rest[0] != ']')
        {
            if (rest[0] is not ('"' or '\'')) return "an array holds quoted text only";
            if (ReadString(ref rest, out var item) is { } problem) return problem;
            items.Add(item);
            rest = rest.TrimStart();
            if (!rest.IsEmpty && rest[0] == ',') rest = rest[1..].TrimStart();
            else if (rest.IsEmpty || rest[0] != ']') break;
        }
        if (rest.IsEmpty || rest[0] != ']') return "the array does not end with ] on its line";
        rest = rest[1..];
        value = string.Join(ArraySeparator, items);
        return null;
    }

    private static string? ReadString(ref ReadOnlySpan<char> rest, out string value)
    {
        value = "";
        var quote = rest[0];
        var text = new StringBuilder();
        for (var i = 1; i < rest.Length; i++)
        {
            var c = rest[i];
            if (c == quote)
            {
                value = text.ToString();
                rest = rest[(i + 1)..];
                return null;
            }
            if (char.IsControl(c)) return "control characters are not allowed in text";
            if (c == '\\' && quote == '"')
            {
                if (++i >= rest.Length || Unescaped(rest[i]) is not { } plain) return "unknown escape: \\\\ and \\\" are known";
                c = plain;
            }
            text.Append(c);
        }
        return $"the text does not end with {quote}";
    }

    private static char? Unescaped(char escaped) => escaped is '\\' or '"' ? escaped : null;

    private static bool IsBareKey(ReadOnlySpan<char> key)
    {
        foreach (var c in key)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')) return false;
        return !key.IsEmpty;
    }

    private static bool IsEndOfLine(ReadOnlySpan<char> rest) => rest.TrimStart() is [] or ['#', ..];

    private static string Shown(ReadOnlySpan<char> text) => text.Length > 40 ? $"'{text[..40]}...'" : $"'{text}'";
}
