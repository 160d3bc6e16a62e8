using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Tests;

public sealed class OutputTests
{
    [Theory]
    [InlineData("plain words", "plain words")]
    [InlineData("a\tb", "a\tb")]
    [InlineData("café 日本 🌳", "café 日本 🌳")]
    [InlineData("\e[2J\a", "\u241b[2J\u2407")]
    [InlineData("a\r\nb\0", "a\u240d\u240ab\u2400")]
    [InlineData("\x7f", "\u2421")]
    [InlineData("\u009b31m", "\ufffd31m")]
    [InlineData("a\u202eb\u2066c\u200f", "a\ufffdb\ufffdc\ufffd")]
    [InlineData("a\u2028b", "a\u2424b")]
    public void Control_characters_become_visible(string text, string visible) => Assert.Equal(visible, ControlCharacters.Visible(text));

    [Fact]
    public void Only_a_terminal_is_protected_and_coloured()
    {
        var file = new Terminal(TextWriter.Null, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false);
        var terminal = new Terminal(TextWriter.Null, TextWriter.Null, outputIsTerminal: true, errorIsTerminal: true, color: true);
        Assert.Equal("\e[1m", file.Safe("\e[1m"));
        Assert.Equal("\u241b[1m", terminal.Safe("\e[1m"));
        Assert.Equal("x", file.Bad("x"));
        Assert.Equal("\e[31mx\e[0m", terminal.Bad("x"));
    }

    [Theory]
    [InlineData(-10, "now")]
    [InlineData(1, "now")]
    [InlineData(5, "5 s ago")]
    [InlineData(180, "3 min ago")]
    [InlineData(7200, "2 h ago")]
    [InlineData(9 * 86400, "9 d ago")]
    public void Times_read_well(int seconds, string words)
    {
        var now = new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
        Assert.Equal(words, Words.Ago(now.AddSeconds(-seconds), now));
    }

    [Fact]
    public void Counts_and_identifiers_read_well()
    {
        Assert.Equal("1 member", Words.Count(1, "member"));
        Assert.Equal("0 members", Words.Count(0, "member"));
        Assert.Equal("sixteen-letters!", Words.Short("sixteen-letters!"));
        Assert.Equal("12345678…uvwxyz", Words.Short("1234567890-abcdefghijklmnopqrstuvwxyz"));
    }

    [Fact]
    public void A_table_aligns_its_columns_and_ends_lines_at_their_text()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var table = new Table("NAME", "ROLE", "SEEN");
        table.Add("elm", "member", null);
        table.AddStyled(line => $"<{line}>", "a-long-name", "x", "now");
        table.Write(new Terminal(output, TextWriter.Null, false, false, false), "  ");
        Assert.Equal("  NAME         ROLE    SEEN\n  elm          member\n  <a-long-name  x       now>\n", output.ToString());
    }
}
