using PeoplesCloud.Base;

namespace PeoplesCloud.Swarm.Tests.Joining;

public sealed class SpokenCodeTests
{
    [Fact]
    public void The_words_are_1024_short_ones_that_are_not_taken_for_each_other()
    {
        var words = SpokenWords.All;
        Assert.Equal(SpokenWords.Count, words.Count);
        Assert.Equal(words.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal), words);
        Assert.All(words, word => Assert.True(word.Length is >= 3 and <= 8 && word.All(char.IsAsciiLetterLower), word));
        for (var i = 0; i < words.Count; i++)
            for (var j = 0; j < i; j++)
                Assert.True(Math.Abs(words[i].Length - words[j].Length) > 1 || SpokenWords.Distance(words[i], words[j]) > 1, $"{words[i]} {words[j]}");
    }

    [Fact]
    public void A_code_has_three_different_words_and_every_word_comes()
    {
        var random = new Random(7);
        var seen = new HashSet<string>();
        for (var i = 0; i < 4000; i++)
        {
            var code = SpokenCode.New(random.Next);
            var words = code.Text.Split('-');
            Assert.Equal(3, words.Distinct().Count());
            Assert.Equal(words[0], code.Plate);
            Assert.True(Names.IsValid(code.Plate));
            seen.UnionWith(words);
            Assert.DoesNotContain(words[2], code.ToString(), StringComparison.Ordinal);
        }
        Assert.Equal(SpokenWords.Count, seen.Count);
    }

    [Theory]
    [InlineData("blue-otter-lamp")]
    [InlineData(" Blue Otter  Lamp ")]
    [InlineData("BLUE, OTTER, LAMP.")]
    public void A_code_is_read_however_it_was_typed(string text)
    {
        Assert.True(SpokenCode.TryParse(text, out var code));
        Assert.Equal(("blue", "blue-otter-lamp"), (code.Plate, code.Text));
    }

    [Theory]
    [InlineData("blue-oter-lamp", "second", "otter")]
    [InlineData("bleu-otter-lamp", "first", "blue")]
    [InlineData("blue-otter-lampp", "third", "lamp")]
    public void A_word_that_is_nearly_right_is_named(string text, string which, string meant)
    {
        var error = Assert.Throws<PcException>(() => SpokenCode.Parse(text));
        Assert.Equal(ErrorCode.SpokenCodeInvalid, error.Code);
        Assert.Contains(which, error.Message, StringComparison.Ordinal);
        Assert.Contains($"\"{meant}\"", error.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("blue-otter")]
    [InlineData("blue-otter-lamp-lamp")]
    [InlineData("xxxxxxxxxx-otter-lamp")]
    public void What_is_no_code_is_refused(string? text)
    {
        Assert.False(SpokenCode.TryParse(text, out _));
        Assert.Equal(ErrorCode.SpokenCodeInvalid, Assert.Throws<PcException>(() => SpokenCode.Parse(text)).Code);
        Assert.False(SpokenCode.TryParse(new string('a', 5000), out _));
    }
}
