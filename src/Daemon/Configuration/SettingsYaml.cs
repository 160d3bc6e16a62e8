using System.Globalization;
using PeoplesCloud.Base.Formats;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace PeoplesCloud.Daemon.Configuration;

// file    = one document: mapping of key to value
// key     = one of the known ones, or the part before the dot of some, whose value is then a mapping of the parts after it
// value   = scalar; plain and empty, ~ or null is none

/// <summary>
/// Settings of one or two levels from YAML. It looks at what the parser meets and builds nothing from it: no types by tag, no anchors and aliases (which could
/// make a small file a large one), no level that no key needs.
/// </summary>
internal static class SettingsYaml
{
    /// <summary>So many problems are said.</summary>
    public const int MaxProblems = 16;

    private const string NoYaml = "this is no YAML (a tab, or a colon or quote that is missing or too much?)";

    /// <summary>Reads the values that are set; a key of the second level is named with a dot.</summary>
    /// <param name="text">The file, of bounded length.</param>
    /// <param name="known">The keys that there may be.</param>
    /// <param name="problems">What is wrong, with the line; no value is in it.</param>
    public static Dictionary<string, string> Read(string text, IReadOnlyList<string> known, List<string> problems)
    {
        var reader = new Reader(known, problems);
        try
        {
            reader.Read(new Parser(new StringReader(text)));
        }
        catch (YamlException e)
        {
            // Its own words may quote the file, and so a password.
            problems.Add(
                LineWithTab(text) is { } line ? string.Create(CultureInfo.InvariantCulture, $"line {line} begins with a tab; YAML is indented with spaces")
                : string.Create(CultureInfo.InvariantCulture, $"line {e.Start.Line}, column {e.Start.Column}: {NoYaml}"));
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException or OverflowException or FormatException)
        {
            // The parser meets some damaged files with these, and says no place.
            problems.Add(NoYaml);
        }
        return reader.Found;
    }

    /// <summary>What may be shown of a text.</summary>
    public static string Printable(string text) => new([.. text.Take(60).Select(c => char.IsControl(c) ? '?' : c)]);

    // The parser says of a tab only where what it spoils began.
    private static int? LineWithTab(string text)
    {
        var lines = text.Split('\n');
        var at = Array.FindIndex(lines, line => line.AsSpan(0, line.Length - line.AsSpan().TrimStart(" \t").Length).Contains('\t'));
        return at < 0 ? null : at + 1;
    }

    private sealed class Reader(IReadOnlyList<string> known, List<string> problems)
    {
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

        public Dictionary<string, string> Found { get; } = new(StringComparer.Ordinal);

        public void Read(IParser parser)
        {
            _ = parser.Consume<StreamStart>();
            if (parser.TryConsume<StreamEnd>(out _))
            {
                problems.Add("it has no settings");
                return;
            }
            _ = parser.Consume<DocumentStart>();
            if (!ReadMapping(parser, "")) return;
            _ = parser.Consume<DocumentEnd>();
            if (!parser.TryConsume<StreamEnd>(out _)) problems.Add("it has more than one document");
        }

        // False: what follows is not looked at.
        private bool ReadMapping(IParser parser, string prefix)
        {
            if (!parser.TryConsume<MappingStart>(out var start)) return Refuse(parser, prefix.Length == 0 ? "settings are lines of key: value" : $"{prefix[..^1]} has settings of its own below it, such as {known.First(key => key.StartsWith(prefix, StringComparison.Ordinal))}");
            if (!IsBare(start)) return Refuse(start, "tags and anchors are not read");
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                if (!parser.TryConsume<Scalar>(out var key) || !IsBare(key)) return Refuse(parser, "a key is a word");
                if (!ReadValue(parser, prefix + key.Value, key)) return false;
            }
            return true;
        }

        private bool ReadValue(IParser parser, string name, Scalar key)
        {
            if (!_seen.Add(name)) Problem(key, $"{Printable(name)} is there twice");
            if (known.Any(other => other.StartsWith(name + ".", StringComparison.Ordinal)))
                return parser.TryConsume<Scalar>(out var nothing) ? IsNone(nothing) || Refuse(nothing, $"{name} has settings of its own below it") : ReadMapping(parser, name + ".");
            var isKnown = known.Contains(name, StringComparer.Ordinal);
            if (!isKnown) Problem(key, $"unknown key {Printable(name)}{(Spelling.Nearest(name, known, most: 3) is { } near ? $" (did you mean {near}?)" : $" (known: {string.Join(", ", known)})")}");
            if (problems.Count >= MaxProblems) return false;
            if (!parser.TryConsume<Scalar>(out var value)) return isKnown ? Refuse(parser, $"{name} is one value; lists, aliases and further levels are not read") : false;
            if (!IsBare(value)) return Refuse(value, "tags and anchors are not read");
            if (isKnown && !IsNone(value)) Found[name] = value.Value;
            return true;
        }

        private static bool IsBare(NodeEvent node) => node.Anchor.IsEmpty && node.Tag.IsEmpty;

        private static bool IsNone(Scalar value) => value.Style == ScalarStyle.Plain && value.Value is "" or "~" or "null" or "Null" or "NULL";

        private bool Refuse(IParser parser, string problem) => Refuse(parser.Current, problem);

        private bool Refuse(ParsingEvent? at, string problem)
        {
            Problem(at, problem);
            return false;
        }

        private void Problem(ParsingEvent? at, string problem) => problems.Add(at is null ? problem : string.Create(CultureInfo.InvariantCulture, $"line {at.Start.Line}: {problem}"));
    }
}
