using System.CommandLine;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class WordsTests
{
    [Fact]
    public void Control_characters_of_others_become_visible()
    {
        Assert.Equal("plain text\twith a tab", ControlCharacters.Visible("plain text\twith a tab"));
        Assert.Equal("␛[2Jgone␍␊", ControlCharacters.Visible("\e[2Jgone\r\n"));
        Assert.Equal("é日本", ControlCharacters.Visible("é日本"));
        Assert.Equal("\ufffdgpj.exe", ControlCharacters.Visible("\u202egpj.exe"));
        Assert.Equal("␡\ufffd", ControlCharacters.Visible("\x7f\u009b"));
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(20 << 20, "20 MiB")]
    [InlineData(long.MaxValue, "8388608 TiB")]
    public void Sizes_are_short(long bytes, string text) => Assert.Equal(text, Words.Bytes(bytes));

    [Theory]
    [InlineData("plain-1.2", "plain-1.2")]
    [InlineData("two words", "'two words'")]
    [InlineData("it's", @"'it'\''s'")]
    [InlineData("", "''")]
    [InlineData("$(rm)", "'$(rm)'")]
    public void Words_of_a_shell_line_are_quoted(string word, string quoted) => Assert.Equal(quoted, Launcher.Quote(word));

    [Fact]
    public void Open_understands_its_words()
    {
        Assert.Equal((null, "web", null), OpenCommand.Split(["web"]));
        Assert.Equal((null, "web", 8080), OpenCommand.Split(["web", "8080"]));
        Assert.Equal(("friends", "web", null), OpenCommand.Split(["friends", "web"]));
        Assert.Equal(("friends", "web", 8080), OpenCommand.Split(["friends", "web", "8080"]));
        foreach (var wrong in new[] { "0", "65536", "http", "-1" })
            Assert.Equal(ErrorCode.Usage, Assert.Throws<PcException>(() => OpenCommand.Split(["friends", "web", wrong])).Code);
    }

    [Fact]
    public void Deploy_understands_two_words_either_way()
    {
        Assert.Equal((null, "bot", null), DeployCommand.Split(["bot"], _ => true));
        Assert.Equal(("friends", "bot", null), DeployCommand.Split(["friends", "bot"], path => path == "bot"));
        Assert.Equal((null, "bot", "py3"), DeployCommand.Split(["bot", "py3"], path => path == "bot"));
        Assert.Equal(("friends", "bot", "py3"), DeployCommand.Split(["friends", "bot", "py3"], _ => true));
    }

    [Fact]
    public void Each_class_of_error_has_its_exit_code()
    {
        Assert.Equal(2, Failure.Describe(new PcException(ErrorCode.Usage, "x")).Exit);
        Assert.Equal(3, Failure.Describe(new PcException(ErrorCode.NoDaemon, "x")).Exit);
        Assert.Equal("PC1009", Failure.Describe(new IOException("x")).Code);
        Assert.Equal("PC1008", Failure.Describe(new UnauthorizedAccessException("x")).Code);
        Assert.Equal("PC1100", Failure.Describe(new InvalidOperationException("x")).Code);
        Assert.Equal("PC1001", Failure.Describe(new AggregateException(new PcException(ErrorCode.NoDaemon, "x"))).Code);
    }

    [Fact]
    public void Every_command_says_what_it_does_what_it_takes_and_how_it_is_used()
    {
        var lacking = CommandLine.Root().Subcommands.SelectMany(command => command.Subcommands.Prepend(command)).OfType<PcCommand>()
            .Where(command => string.IsNullOrWhiteSpace(command.Description) || (command.Subcommands.Count == 0 && command.Examples.Count == 0 && command.Name != "version") || (command.Arguments.Count > 0 && command.Synopsis.Length == 0))
            .Select(command => command.Name);
        Assert.Empty(lacking);
    }
}
