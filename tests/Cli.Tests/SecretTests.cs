using PeoplesCloud.Base;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Tests;

/// <summary>Where a secret comes from, and what the words of pc join mean.</summary>
public sealed class SecretTests
{
    private static readonly Terminal Nowhere = new(TextWriter.Null, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false);

    [Theory]
    [InlineData("open sesame\n", "open sesame")]
    [InlineData("open sesame\r\nanother line\n", "open sesame")]
    [InlineData("  spaces count ", "  spaces count ")]
    public void A_file_is_read_up_to_the_end_of_its_first_line(string content, string secret)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, content);
            Assert.Equal(secret, SecretText.Read("@" + path, Nowhere, twice: true));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void An_empty_file_and_a_folder_hold_no_secret_and_a_missing_one_is_an_error()
    {
        var path = Path.GetTempFileName();
        try
        {
            Assert.Equal(ErrorCode.JoinSecretInvalid, Assert.Throws<PcException>(() => SecretText.Read("@" + path, Nowhere, twice: false)).Code);
        }
        finally
        {
            File.Delete(path);
        }
        Assert.Equal(ErrorCode.PathNotFound, Assert.Throws<PcException>(() => SecretText.Read("@" + path, Nowhere, twice: false)).Code);
        Assert.Equal(ErrorCode.JoinSecretInvalid, Assert.Throws<PcException>(() => SecretText.Read("@" + Path.GetTempPath(), Nowhere, twice: false)).Code);
    }

    [Fact]
    public void Anything_else_is_the_secret_itself_with_a_warning_that_does_not_say_it_again()
    {
        using var errors = new StringWriter();
        Assert.Equal("open sesame", SecretText.Read("open sesame", new Terminal(TextWriter.Null, errors, false, false, false), twice: true));
        Assert.StartsWith("warning: the secret was in the command line", errors.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("sesame", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_typed_is_not_shown_and_can_be_corrected()
    {
        using var prompt = new StringWriter();
        var keys = new Queue<ConsoleKeyInfo>("opem".Select(Key).Append(new ConsoleKeyInfo('\b', ConsoleKey.Backspace, false, false, false)).Append(Key('n'))
            .Append(new ConsoleKeyInfo('\0', ConsoleKey.LeftArrow, false, false, false)).Append(new ConsoleKeyInfo('\r', ConsoleKey.Enter, false, false, false)));
        Assert.Equal("open", SecretText.Ask(prompt, "Secret: ", keys.Dequeue));
        Assert.Equal("Secret: " + Environment.NewLine, prompt.ToString());
    }

    [Fact]
    public void A_line_of_input_ends_at_its_end_and_input_without_end_is_not_read_for_ever()
    {
        Assert.Equal("a", SecretText.FirstLine(new StringReader("a\nb")));
        Assert.Equal("a", SecretText.FirstLine(new StringReader("a")));
        Assert.Equal("", SecretText.FirstLine(new StringReader("\n")));
        Assert.Null(SecretText.FirstLine(new StringReader("")));
        Assert.Equal(64 << 10, SecretText.FirstLine(new StringReader(new string('a', 1 << 20)))!.Length);
    }

    [Theory]
    [InlineData("blue-otter-lamp", true)]
    [InlineData("Blue Otter lamp", true)]
    [InlineData("pc1abcdefgh", false)]
    [InlineData("hello", false)]
    [InlineData("blue-otter-lamp-1", false)]
    [InlineData("blue-otter-4", false)]
    public void Three_words_are_a_code_and_anything_else_a_ticket(string text, bool words) => Assert.Equal(words, JoinCommand.AreWords(text));

    [Theory]
    [InlineData("/ip4/192.0.2.7/tcp/4242/p2p/12D3", "192.0.2.7:4242")]
    [InlineData("/ip6/2001:db8::7/tcp/4242/p2p/12D3", "[2001:db8::7]:4242")]
    [InlineData("/ip4/127.0.0.1/tcp/4242/p2p/12D3", null)]
    [InlineData("/ip4/192.0.2.7/tcp/4242/ws/p2p/12D3", null)]
    public void An_address_is_shown_as_people_type_it(string multiaddr, string? shown) => Assert.Equal(shown, SecretView.Plain(multiaddr));

    [Fact]
    public void A_secret_goes_to_the_daemon_in_the_body_only()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", """{"name":"friends","id":"x","role":"member","members":2}"""));
        Assert.Equal(0, CommandLine.Run(["join", "friends", "--peer", "oak:4242", "--secret", "open sesame", "--json", "--home", daemon.Home]));
        var head = daemon.Asked[..daemon.Asked.IndexOf("\r\n\r\n", StringComparison.Ordinal)];
        Assert.StartsWith("POST /v1/swarms/join-secret HTTP/1.1\r\n", head);
        Assert.DoesNotContain("sesame", head, StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_of_several_words_in_a_file_is_no_part_of_the_command_line()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", """{"name":"friends","id":"x","role":"member","members":2}"""));
        var file = Path.Combine(daemon.Home, "secret");
        File.WriteAllText(file, "open sesame please\n");
        Assert.Equal(0, CommandLine.Run(["join", "friends", "--peer", "oak:4242", "--secret", "@" + file, "--json", "--home", daemon.Home]));
    }

    [Fact]
    public void Words_may_be_typed_apart_and_go_to_the_daemon_as_a_code()
    {
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", """{"name":"friends","id":"x","role":"member","members":2}"""));
        Assert.Equal(0, CommandLine.Run(["join", "blue", "otter", "lamp", "--peer", "oak", "--json", "--home", daemon.Home]));
        Assert.StartsWith("POST /v1/swarms/join-code HTTP/1.1\r\n", daemon.Asked);
    }

    [Theory]
    [InlineData("join friends --secret x")]
    [InlineData("invite friends --words --uses 3")]
    [InlineData("secret friends")]
    [InlineData("secret friends --secret x --none")]
    public void What_does_not_go_together_is_a_usage_error(string line)
    {
        var home = Directory.CreateTempSubdirectory("pc-cli-").FullName;
        try
        {
            Assert.Equal((int)ExitCode.Usage, CommandLine.Run([.. line.Split(' '), "--json", "--home", home]));
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    private static ConsoleKeyInfo Key(char letter) => new(letter, ConsoleKey.A + (letter - 'a'), false, false, false);
}
