using PeoplesCloud.Base.Formats;

namespace PeoplesCloud.Base.Tests;

public sealed class TomlTests
{
    [Theory]
    [InlineData("a = \"x\\\"y\\\\\" # c", "a", "x\"y\\")]
    [InlineData("a='lit\\eral'", "a", "lit\\eral")]
    [InlineData("[t]\nb-c_1 = 1_000", "t.b-c_1", "1000")]
    [InlineData("a = [ \"x\", 'y', ]", "a", "x\u001fy")]
    [InlineData("a = []", "a", "")]
    [InlineData("a = [80, true, 'x]#']", "a", "80\u001ftrue\u001fx]#")]
    [InlineData("a = [ # first\n  1, # one ]\n\n  \"]\", # two\n] # end", "a", "1\u001f]")]
    [InlineData("a = -1.5e3", "a", "-1.5e3")]
    [InlineData("t = { b = 'x' }", "t.b", "x")]
    public void Toml_of_the_subset_is_read(string text, string key, string value)
    {
        var problems = new List<string>();
        var setting = Assert.Single(TomlSubset.Parse(text, problems));
        Assert.Empty(problems);
        Assert.Equal((key, value), (setting.Key, setting.Value));
    }

    [Fact]
    public void An_inline_table_and_what_follows_an_array_are_settings_of_their_own()
    {
        var problems = new List<string>();
        var settings = TomlSubset.Parse("env = { A = \"1,}\", B = 2, }\nports = [\n80,\n81]\n[env]\nC = \"3\"\nA = \"again\"\n", problems);
        Assert.Equal(["env.A=1,}", "env.B=2", "ports=80\u001f81", "env.C=3"], settings.Select(setting => $"{setting.Key}={setting.Value}"));
        Assert.Equal([1, 1, 2, 6], settings.Select(setting => setting.Line));
        Assert.Equal("line 7: env.A was already set on line 1", Assert.Single(problems));
        Assert.Equal(["80", "81"], settings[2].Items);
        Assert.Empty(Assert.Single(TomlSubset.Parse("a = []", problems)).Items);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("a = ")]
    [InlineData("a = b")]
    [InlineData("a = \"x")]
    [InlineData("a = \"x\" y")]
    [InlineData("a = [b]")]
    [InlineData("a = [\"x\"")]
    [InlineData("a = [[1]]")]
    [InlineData("a = { b = 1")]
    [InlineData("a = { b = 1 c = 2 }")]
    [InlineData("a = { b = 1 } x")]
    [InlineData("a = { b = { c = 1 } }")]
    [InlineData("a.b = 1")]
    [InlineData("[a.b]\nc = 1")]
    [InlineData("[]")]
    [InlineData("a = \"\\n\"")]
    [InlineData("a = \"\u0007\"")]
    public void Everything_else_is_a_problem_with_its_line(string text)
    {
        var problems = new List<string>();
        TomlSubset.Parse(text, problems);
        Assert.StartsWith("line 1: ", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prot", "port")]
    [InlineData("memry", "memory")]
    [InlineData("zebra", null)]
    public void The_nearest_known_word_is_suggested(string word, string? expected) => Assert.Equal(expected, Spelling.Nearest(word, ["memory", "port", "ports"], most: 3));
}
