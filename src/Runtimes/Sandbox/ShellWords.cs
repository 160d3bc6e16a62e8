using System.Text;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>Writes words of a POSIX shell line that is read by <c>read -r</c>, thus holds no newline.</summary>
internal static class ShellWords
{
    /// <summary>The variable that holds a newline; the prepared shell sets it before it evaluates a line.</summary>
    public const string NewlineVariable = "n";

    /// <summary>A word that the shell takes literally, whatever it holds.</summary>
    /// <exception cref="ArgumentException">The word holds a NUL, which no argument can.</exception>
    public static string Quote(string word)
    {
        if (word.Contains('\0', StringComparison.Ordinal)) throw new ArgumentException("an argument cannot hold a NUL", nameof(word));
        return new StringBuilder("'", word.Length + 2)
            .Append(word)
            .Replace("'", @"'\''", 1, word.Length)
            .Replace("\n", $"'\"${NewlineVariable}\"'")
            .Append('\'')
            .ToString();
    }

    /// <summary>A whole command of literal words.</summary>
    public static string Line(IEnumerable<string> words) => string.Join(' ', words.Select(Quote));
}
