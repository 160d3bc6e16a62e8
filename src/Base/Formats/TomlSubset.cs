using System.Buffers;
using System.Globalization;
using System.Text;

namespace PeoplesCloud.Base.Formats;

/// <summary>One setting of a file that a person wrote: its full name (table.key), its value as text, and its line.</summary>
/// <param name="Key">As it is written there; tables are joined with a dot.</param>
/// <param name="Value">Strings unescaped, numbers and booleans as written, arrays joined with <see cref="TomlSubset.ArraySeparator"/>.</param>
/// <param name="Line">1 for the first line.</param>
/// <param name="IsArray">Whether the value is an array; one of one item has the same text as the item.</param>
public sealed record TomlSetting(string Key, string Value, int Line, bool IsArray = false)
{
    /// <summary>The items of an array; a single value is the only one.</summary>
    public IReadOnlyList<string> Items => IsArray && Value.Length == 0 ? [] : Value.Split(TomlSubset.ArraySeparator);
}

/// <summary>
/// The part of TOML 1.0 that config.toml and pc.toml need: comments, <c>[table]</c>s and inline tables one level deep, bare keys, basic and literal
/// strings, integers, floats, booleans, and arrays of these, also over several lines. Everything else is a problem that names its line.
/// </summary>
public static class TomlSubset
{
    /// <summary>The largest file that is read, in bytes: a configuration is a page, not a book.</summary>
    public const int MaxFileBytes = 64 << 10;

    /// <summary>What array items are joined with. Control characters are refused in strings, so it cannot be part of one.</summary>
    public const char ArraySeparator = '\u001f';

    private const int MaxArrayLines = 256;

    private static readonly SearchValues<char> AfterScalar = SearchValues.Create(" \t#,]}");

    /// <summary>Reads a file's text; every problem is added to <paramref name="problems"/> and reading goes on with the next line.</summary>
    public static IReadOnlyList<TomlSetting> Parse(string text, ICollection<string> problems)
    {
        var settings = new Dictionary<string, TomlSetting>(StringComparer.Ordinal);
        var table = "";
        var lines = text.Split('\n');
        for (var number = 1; number <= lines.Length; number++)
        {
            var line = lines[number - 1].AsSpan().Trim();
            if (line.IsEmpty || line[0] == '#') continue;
            if (line[0] == '[')
            {
                if (TryReadTable(line, out table)) continue;
                problems.Add($"line {number}: expected [table], got {Shown(line)}");
                continue;
            }
            var first = number;
            var whole = Joined(lines, ref number);
            var found = new List<TomlSetting>();
            if (ReadSetting(whole, table, first, found) is { } problem) problems.Add($"line {first}: {problem}");
            foreach (var setting in found)
            {
                if (!settings.TryAdd(setting.Key, setting)) problems.Add($"line {first}: {setting.Key} was already set on line {settings[setting.Key].Line}");
            }
        }
        return [.. settings.Values];
    }

    // A line, and those after it on which an array that it opens goes on, without their comments.
    private static ReadOnlySpan<char> Joined(string[] lines, ref int number)
    {
        var line = lines[number - 1].AsSpan().Trim();
        var equals = line.IndexOf('=');
        if (equals < 0 || line[(equals + 1)..].TrimStart() is not ['[', ..] || EndsArray(line[(equals + 1)..], out _)) return line;
        var joined = new StringBuilder();
        for (var next = number; next <= Math.Min(lines.Length, number + MaxArrayLines); next++)
        {
            var more = lines[next - 1].AsSpan().Trim();
            var ends = EndsArray(more, out var length);
            joined.Append(more[..length]).Append(' ');
            if (!ends) continue;
            number = next;
            return joined.ToString().AsSpan().Trim();
        }
        return line; // nothing closes it: a problem of its first line
    }

    // Whether a ] stands outside of quotes; length is where the comment begins.
    private static bool EndsArray(ReadOnlySpan<char> line, out int length)
    {
        var (quote, ends) = ('\0', false);
        for (length = 0; length < line.Length; length++)
        {
            var c = line[length];
            if (quote == '"' && c == '\\') length++;
            else if (quote != '\0') quote = c == quote ? '\0' : quote;
            else if (c is '"' or '\'') quote = c;
            else if (c == '#') return ends;
            else ends |= c == ']';
        }
        length = line.Length;
        return ends;
    }

    private static bool TryReadTable(ReadOnlySpan<char> line, out string table)
    {
        var end = line.IndexOf(']');
        table = end > 1 ? line[1..end].Trim().ToString() : "";
        return table.Length > 0 && IsBareKey(table) && IsEndOfLine(line[(end + 1)..]);
    }

    private static string? ReadSetting(ReadOnlySpan<char> line, string table, int number, List<TomlSetting> settings)
    {
        if (ReadKey(ref line, out var key) is { } bad) return bad;
        if (line is ['{', ..] && table.Length == 0)
        {
            if (ReadInlineTable(ref line, key, number, settings) is { } unclosed) return $"{key}: {unclosed}";
        }
        else
        {
            if (ReadValue(ref line, out var value, out var isArray) is { } problem) return $"{key}: {problem}";
            settings.Add(new TomlSetting(table.Length == 0 ? key : $"{table}.{key}", value, number, isArray));
        }
        if (IsEndOfLine(line)) return null;
        settings.Clear();
        return $"{key}: unexpected {Shown(line.Trim())} after the value";
    }

    private static string? ReadKey(ref ReadOnlySpan<char> rest, out string key)
    {
        var equals = rest.IndexOf('=');
        key = equals < 0 ? "" : rest[..equals].Trim().ToString();
        if (equals < 0) return $"expected key = value, got {Shown(rest)}";
        if (!IsBareKey(key)) return $"{Shown(key)} is no key: letters, digits, - and _";
        rest = rest[(equals + 1)..].TrimStart();
        return null;
    }

    private static string? ReadInlineTable(ref ReadOnlySpan<char> rest, string table, int number, List<TomlSetting> settings)
    {
        rest = rest[1..].TrimStart();
        while (!rest.IsEmpty && rest[0] != '}')
        {
            if (ReadKey(ref rest, out var key) is { } bad) return bad;
            if (ReadValue(ref rest, out var value, out var isArray) is { } problem) return $"{key}: {problem}";
            settings.Add(new TomlSetting($"{table}.{key}", value, number, isArray));
            rest = rest.TrimStart();
            if (!rest.IsEmpty && rest[0] == ',') rest = rest[1..].TrimStart();
            else if (rest.IsEmpty || rest[0] != '}') break;
        }
        if (rest.IsEmpty || rest[0] != '}') return "the table does not end with } on its line";
        rest = rest[1..];
        return null;
    }

    private static string? ReadValue(ref ReadOnlySpan<char> rest, out string value, out bool isArray)
    {
        isArray = !rest.IsEmpty && rest[0] == '[';
        return isArray ? ReadArray(ref rest, out value) : ReadScalar(ref rest, out value);
    }

    private static string? ReadScalar(ref ReadOnlySpan<char> rest, out string value)
    {
        value = "";
        if (rest.IsEmpty) return "the value is missing";
        if (rest[0] is '"' or '\'') return ReadString(ref rest, out value);
        var end = rest.IndexOfAny(AfterScalar);
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
            if (ReadScalar(ref rest, out var item) is { } problem) return problem;
            items.Add(item);
            rest = rest.TrimStart();
            if (!rest.IsEmpty && rest[0] == ',') rest = rest[1..].TrimStart();
            else if (rest.IsEmpty || rest[0] != ']') break;
        }
        if (rest.IsEmpty || rest[0] != ']') return "the array does not end with ]";
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
