using PeoplesCloud.Base;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Tests;

/// <summary>Secret values on the command line and in environment files.</summary>
public sealed class EnvFileTests
{
    [Fact]
    public void A_file_is_read_as_other_tools_read_it()
    {
        var values = EnvFile.Parse("# a comment\n\nTOKEN=open sesame\nexport KEY = 'as $it is' \r\nLINES=\"one\\ntwo \\\"three\\\"\"\nEMPTY=\nTOKEN=later\nEQUALS=a=b\n", ".env");
        Assert.Equal(new Dictionary<string, string> { ["TOKEN"] = "later", ["KEY"] = "as $it is", ["LINES"] = "one\ntwo \"three\"", ["EMPTY"] = "", ["EQUALS"] = "a=b" }, values);
    }

    [Theory]
    [InlineData("A=1\nhunter2\n", "line 2 of .env is not NAME=VALUE")]
    [InlineData("=hunter2", "line 1 of .env is not NAME=VALUE")]
    [InlineData("A='hunter2", "line 1 of .env has a quotation mark that does not end")]
    [InlineData("A=\"hunter2\\\"", "line 1 of .env has a quotation mark that does not end")]
    public void A_problem_names_the_line_and_not_the_value(string text, string words)
    {
        var error = Assert.Throws<PcException>(() => EnvFile.Parse(text, ".env"));
        Assert.Equal((ErrorCode.SecretInvalid, words), (error.Code, error.Message));
    }

    [Fact]
    public void A_value_in_the_command_line_works_and_warns_without_saying_it_again()
    {
        using var errors = new StringWriter();
        var terminal = new Terminal(TextWriter.Null, errors, outputIsTerminal: false, errorIsTerminal: false, color: false);
        Assert.Equal("hunter2", SecretValues.Read("TOKEN", "hunter2", terminal));
        Assert.Contains("warning: the value of TOKEN was in the command line", errors.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_s_value_is_its_content_without_the_last_newline_and_nobody_is_warned()
    {
        using var errors = new StringWriter();
        var terminal = new Terminal(TextWriter.Null, errors, outputIsTerminal: false, errorIsTerminal: false, color: false);
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "-----BEGIN KEY-----\nabc\n-----END KEY-----\n");
            Assert.Equal("-----BEGIN KEY-----\nabc\n-----END KEY-----", SecretValues.Read("KEY", "@" + path, terminal));
            File.WriteAllText(path, new string('x', 70 << 10));
            Assert.Equal(ErrorCode.SecretTooLarge, Assert.Throws<PcException>(() => SecretValues.Read("KEY", "@" + path, terminal)).Code);
        }
        finally
        {
            File.Delete(path);
        }
        Assert.Equal("", errors.ToString());
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_named_with_the_reason()
    {
        var terminal = new Terminal(TextWriter.Null, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false);
        foreach (var (path, why) in new[] { ("/nowhere/at all", "the file '/nowhere/at all' does not exist"), ("", "the file '' does not exist"), ("/tmp", "the file '/tmp' is a folder") })
        {
            var error = Assert.Throws<PcException>(() => SecretValues.Read("TOKEN", "@" + path, terminal));
            Assert.Equal((ErrorCode.SecretInvalid, why), (error.Code, error.Message));
        }
    }

    [Fact]
    public void The_commands_are_understood()
    {
        Assert.Null(CommandLine.Refusal(["secret", "set", "friends", "bot", "TOKEN", "-"]));
        Assert.Null(CommandLine.Refusal(["secret", "set", "bot", "TOKEN", "@token.txt"]));
        Assert.Null(CommandLine.Refusal(["secret", "list", "friends", "bot"]));
        Assert.Null(CommandLine.Refusal(["secret", "remove", "friends", "bot", "TOKEN"]));
        Assert.Null(CommandLine.Refusal(["secret", "friends", "--secret", "-"]));
        Assert.Null(CommandLine.Refusal(["secret", "--none"]));
        Assert.Null(CommandLine.Refusal(["deploy", "friends", "./bot", "--env", "TOKEN=-", "-e", "OTHER", "--env-file", ".env"]));
        Assert.NotNull(CommandLine.Refusal(["secret", "set", "bot", "TOKEN"]));
    }
}
