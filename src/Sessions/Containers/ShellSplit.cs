using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace PeoplesCloud.Sessions.Containers;

/// <summary>Takes a command line apart into words as docker-py does (Python's <c>shlex.split</c>): quotes and backslashes of a POSIX shell, nothing else of one.</summary>
internal static class ShellSplit
{
    /// <summary>The words; false when a quote is not closed, nothing follows a backslash, or there are too many.</summary>
    public static bool TrySplit(string line, int most, [NotNullWhen(true)] out List<string>? words)
    {
        var (found, word, quote) = (new List<string>(), new StringBuilder(), '\0');
        var isWord = false; // '' is one too
        words = null;
        for (var at = 0; at < line.Length; at++)
        {
            var character = line[at];
            if (quote == '\'' || (quote == '"' && character is not '\\'))
            {
                if (character == quote) quote = '\0';
                else _ = word.Append(character);
            }
            else if (character == '\\')
            {
                if (++at == line.Length) return false;
                // Between double quotes it means something before those and itself alone.
                if (quote == '"' && line[at] is not ('"' or '\\')) _ = word.Append('\\');
                _ = word.Append(line[at]);
                isWord = true;
            }
            else if (character is '\'' or '"') (quote, isWord) = (character, true);
            else if (character is not (' ' or '\t' or '\r' or '\n'))
            {
                _ = word.Append(character);
                isWord = true;
            }
            else if (isWord)
            {
                found.Add(word.ToString());
                if (found.Count > most) return false;
                _ = word.Clear();
                isWord = false;
            }
        }
        if (quote != '\0') return false;
        if (isWord) found.Add(word.ToString());
        words = found;
        return found.Count <= most;
    }
}
