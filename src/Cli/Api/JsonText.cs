using System.Text;
using PeoplesCloud.Base;

namespace PeoplesCloud.Cli.Api;

/// <summary>
/// A value of an answer of the daemon in JSON (RFC 8259), read without System.Text.Json: its serializer compiles some 300 methods at
/// each start of a command, its reader a dozen, and pc list takes as long as that (bench list). For answers that are shown as they come.
/// </summary>
internal sealed class JsonText
{
    /// <summary>Arrays and objects within each other; an answer of the daemon has six.</summary>
    private const int MaxDepth = 32;

    private readonly List<JsonText>? _items;
    private readonly Dictionary<string, JsonText>? _members;
    private readonly string? _text;

    private JsonText(string? text, List<JsonText>? items = null, Dictionary<string, JsonText>? members = null)
    {
        _text = text;
        _items = items;
        _members = members;
    }

    /// <summary>The elements of an array.</summary>
    public List<JsonText> Items => _items ?? throw Unexpected("a list is missing");

    /// <summary>A string, a number as it was written, true or false.</summary>
    public string Value => _text ?? throw Unexpected("a text is missing");

    /// <summary>A member of an object; null when it is absent or null.</summary>
    public JsonText? this[string name] => (_members ?? throw Unexpected("an object is missing")).TryGetValue(name, out var value) && value is not { _text: null, _items: null, _members: null } ? value : null;

    /// <summary>Reads a whole text.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.DaemonAnswer"/>: it is not JSON.</exception>
    public static JsonText Parse(byte[] utf8)
    {
        var reader = new Reader(Encoding.UTF8.GetString(utf8));
        var value = reader.Value(0);
        return reader.AtEnd ? value : throw Unexpected("more follows its end");
    }

    /// <summary>A member that is a string, a number as it was written, true or false.</summary>
    public string Text(string name) => TextOrNull(name) ?? throw Unexpected($"{name} is missing");

    /// <summary>The same; null when it is absent or null.</summary>
    public string? TextOrNull(string name) => this[name] is { } value ? value._text ?? throw Unexpected($"{name} is no text") : null;

    private static PcException Unexpected(string what) => new(ErrorCode.DaemonAnswer, $"the daemon's answer could not be understood: {what}");

    private sealed class Reader(string text)
    {
        private int _at;

        public bool AtEnd
        {
            get
            {
                SkipSpace();
                return _at == text.Length;
            }
        }

        public JsonText Value(int depth)
        {
            if (depth > MaxDepth) throw Unexpected("it is nested too deep");
            return Peek() switch
            {
                '{' => Object(depth),
                '[' => Array(depth),
                '"' => new JsonText(String()),
                _ => Word(),
            };
        }

        private JsonText Object(int depth)
        {
            var members = new Dictionary<string, JsonText>(StringComparer.Ordinal);
            Take('{');
            if (Peek() != '}')
            {
                while (true)
                {
                    if (Peek() != '"') throw Unexpected("a name is missing");
                    var name = String();
                    Take(':');
                    members[name] = Value(depth + 1);
                    if (Peek() != ',') break;
                    Take(',');
                }
            }

            Take('}');
            return new JsonText(null, members: members);
        }

        private JsonText Array(int depth)
        {
            var items = new List<JsonText>();
            Take('[');
            if (Peek() != ']')
            {
                while (true)
                {
                    items.Add(Value(depth + 1));
                    if (Peek() != ',') break;
                    Take(',');
                }
            }

            Take(']');
            return new JsonText(null, items: items);
        }

        private JsonText Word()
        {
            var start = _at;
            while (_at < text.Length && text[_at] is (>= '0' and <= '9') or (>= 'a' and <= 'z') or '-' or '+' or '.' or 'E') _at++;
            var word = text.Substring(start, _at - start);
            if (word.Length == 0 || (word[0] is >= 'a' and <= 'z' && word is not ("true" or "false" or "null"))) throw Unexpected("a value is missing");
            return new JsonText(word == "null" ? null : word);
        }

        private string String()
        {
            Take('"');
            var content = new StringBuilder();
            while (true)
            {
                var character = Next();
                if (character == '"') return content.ToString();
                if (character < ' ') throw Unexpected("a text holds a control character");
                content.Append(character == '\\' ? Escaped() : character);
            }
        }

        private char Escaped() => Next() switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\b',
            'f' => '\f',
            'u' => (char)((Digit() << 12) | (Digit() << 8) | (Digit() << 4) | Digit()),
            '"' => '"',
            '\\' => '\\',
            '/' => '/',
            _ => throw Unexpected("an escape is unknown"),
        };

        private int Digit() => Next() is var digit && char.IsAsciiHexDigit(digit) ? (digit & 15) + (digit > '9' ? 9 : 0) : throw Unexpected("an escape is unknown");

        private char Next() => _at < text.Length ? text[_at++] : throw Unexpected("it ends early");

        private char Peek()
        {
            SkipSpace();
            return _at < text.Length ? text[_at] : throw Unexpected("it ends early");
        }

        private void Take(char expected)
        {
            if (Peek() != expected) throw Unexpected($"'{expected}' is missing");
            _at++;
        }

        private void SkipSpace()
        {
            while (_at < text.Length && text[_at] is ' ' or '\t' or '\r' or '\n') _at++;
        }
    }
}
