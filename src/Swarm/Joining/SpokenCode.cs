using System.Diagnostics.CodeAnalysis;
using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm;

/// <summary>
/// Three words that one person tells another: blue-otter-lamp. The first is the plate, by which the inviter finds the code and which is said
/// in the clear; all three together are the password.
/// </summary>
public sealed record SpokenCode
{
    private const int Words = 3;
    private static readonly char[] Separators = ['-', ' ', '.', ',', '_', '\t'];

    private SpokenCode(string[] words) => (Plate, Text) = (words[0], string.Join('-', words));

    /// <summary>The first word.</summary>
    public string Plate { get; }

    /// <summary>All three, with hyphens: the password.</summary>
    public string Text { get; }

    /// <summary>A code of random words, no word twice.</summary>
    /// <param name="below">A random number below another; from the system's random numbers.</param>
    public static SpokenCode New(Func<int, int> below)
    {
        var words = new List<string>(Words);
        while (words.Count < Words)
        {
            var word = SpokenWords.All[below(SpokenWords.Count)];
            if (!words.Contains(word, StringComparer.Ordinal)) words.Add(word);
        }
        return new SpokenCode([.. words]);
    }

    /// <summary>Reads a code; upper case and blanks instead of hyphens are as good. Never throws.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out SpokenCode? code)
    {
        var words = Split(text);
        code = words.Length == Words && words.All(SpokenWords.Contains) ? new SpokenCode(words) : null;
        return code is not null;
    }

    /// <summary>Reads a code that a person gave.</summary>
    /// <exception cref="PcException">It is none (<see cref="ErrorCode.SpokenCodeInvalid"/>); a word that is nearly right is named, the others are not shown.</exception>
    public static SpokenCode Parse(string? text)
    {
        if (TryParse(text, out var code)) return code;
        var words = Split(text);
        if (words.Length != Words) throw new PcException(ErrorCode.SpokenCodeInvalid, "this is neither a ticket nor a spoken code of three words");
        var (wrong, at) = words.Select((word, i) => (word, i)).First(pair => !SpokenWords.Contains(pair.word));
        var number = at switch { 0 => "first", 1 => "second", _ => "third" };
        throw new PcException(ErrorCode.SpokenCodeInvalid, $"the {number} word is not one of those that codes are made of",
            SpokenWords.NearestTo(wrong) is { } meant ? $"did you hear \"{meant}\"?" : "ask for the three words again");
    }

    /// <summary>The plate only.</summary>
    public override string ToString() => $"{Plate}-...";

    internal static void Fuzz(ReadOnlySpan<byte> input)
    {
        var text = System.Text.Encoding.Latin1.GetString(input);
        if (TryParse(text, out var code)) Invariant.Check(TryParse(code.Text, out var again) && again == code, "a code is read back");
        if (Split(text) is [var first, ..]) _ = SpokenWords.NearestTo(first);
    }

    private static string[] Split(string? text) =>
        text is { Length: <= 200 } ? text.Trim().ToLowerInvariant().Split(Separators, StringSplitOptions.RemoveEmptyEntries) : [];
}
