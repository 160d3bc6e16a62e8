namespace PeoplesCloud.Base.Formats;

/// <summary>Finds what somebody meant who wrote a word that is not known.</summary>
public static class Spelling
{
    /// <summary>The longest word that is compared, in characters; the work grows with its square.</summary>
    private const int MaxCharacters = 128;

    /// <summary>The known word that is nearest to a word, by at most <paramref name="most"/> changes; null when none is that near.</summary>
    public static string? Nearest(string word, IEnumerable<string> known, int most)
    {
        if (word.Length > MaxCharacters) return null;
        return known.Select(candidate => (Word: candidate, Changes: Distance(candidate, word))).Where(pair => pair.Changes <= most).OrderBy(pair => pair.Changes).Select(pair => pair.Word).FirstOrDefault();
    }

    /// <summary>Levenshtein's distance: how many letters must be changed, put in or left out.</summary>
    public static int Distance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (left[i - 1] == right[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[^1];
    }
}
