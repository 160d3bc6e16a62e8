using System.CommandLine;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Help;
using PeoplesCloud.Cli.Output;

namespace PeoplesCloud.Cli.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("pc depoly", "depoly", "pc deploy")]
    [InlineData("pc lsit", "lsit", "pc list")]
    public void A_misspelt_command_is_answered_with_the_near_one(string line, string word, string near)
    {
        var (exit, output) = Run(line);
        Assert.Equal(2, exit);
        Assert.Contains($"there is no command '{word}'", output, StringComparison.Ordinal);
        Assert.Contains($"\"hint\":\"{near}\"", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pc somethingelse", "pc --help")]
    [InlineData("pc logs a b --folow", "pc logs --help")]
    [InlineData("pc secret set a b", "pc secret set --help")]
    [InlineData("pc create --nmae friends", "pc create --help")]
    [InlineData("pc deploy friends ./bot --hots elm", "pc deploy --help")]
    public void What_is_not_known_is_refused_and_points_to_the_help(string line, string hint)
    {
        var (exit, output) = Run(line);
        Assert.Equal(2, exit);
        Assert.Contains("\"code\":\"PC1000\"", output, StringComparison.Ordinal);
        Assert.Contains($"\"hint\":\"{hint}\"", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pc deploy", "deploy needs [SWARM] PATH [LANGUAGE]")]
    [InlineData("pc drain end", "drain takes no further word: 'end'")]
    [InlineData("pc rollback friends bot 99", "rollback takes no further word: '99'")]
    [InlineData("pc deploy friends ./bot --port 80 --memry 3", "deploy has no option '--memry'; did you mean --memory?")]
    [InlineData("pc rollback friends bot --to x", "--to takes a whole number up to 2147483647, not 'x'")]
    [InlineData("pc invite friends --hours soon", "--hours takes a number, not 'soon'")]
    [InlineData("pc host", "pc host needs a command: show or set")]
    [InlineData("pc data friends bot", "pc data has no command 'friends', but list or get or drop")]
    [InlineData("pc exec friends bot ls -la", "exec has no option '-la'; options of the command that it runs stand behind --")]
    public void What_was_meant_is_said_where_that_can_be_told(string line, string sentence)
    {
        var (exit, output) = Run(line);
        Assert.Equal(2, exit);
        Assert.Contains($"\"message\":\"{sentence}\"", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_has_a_page_with_usage_and_an_example_that_fits()
    {
        foreach (var command in Commands(CommandLine.Root()))
        {
            var page = Page(command);
            Assert.All(page.Split('\n'), line => Assert.True(line.Length <= 120, $"{command.Name}: {line}"));
            Assert.DoesNotContain('\e', page);
            if (command is RootCommand) continue;
            Assert.False(string.IsNullOrWhiteSpace(command.Description), command.Name);
            Assert.All(command.Options.Where(option => !option.Hidden), option => Assert.False(string.IsNullOrWhiteSpace(option.Description), $"{command.Name} {option.Name}"));
            Assert.Contains("\nUsage\n  pc ", page, StringComparison.Ordinal);
            if (command.Name != "version" && command.Subcommands.Count == 0 && command.Parents.First() is RootCommand) Assert.Contains("\nExamples\n  pc ", page, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_page_of_pc_names_every_command()
    {
        var root = CommandLine.Root();
        var lines = Page(root).Split('\n');
        Assert.All(root.Subcommands, command => Assert.Contains(lines, line => line.StartsWith($"  {command.Name} ", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_page_of_a_command_shows_its_options_and_those_of_all()
    {
        var page = Page(CommandLine.Root().Subcommands.Single(command => command.Name == "deploy"));
        Assert.StartsWith("pc deploy: ", page, StringComparison.Ordinal);
        Assert.Contains("  -n, --name NAME", page, StringComparison.Ordinal);
        Assert.Contains("  --json", page, StringComparison.Ordinal);
        Assert.Contains("  --home FOLDER", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bot", null, "bot", null)]
    [InlineData("friends bot", "friends", "bot", null)]
    [InlineData("bot py3", null, "bot", "py3")]
    [InlineData("bot bot", "bot", "bot", null)] // a swarm that is called as a folder
    [InlineData("bot ./missing", "bot", "./missing", null)]
    [InlineData("friends missing", "friends", "missing", null)]
    [InlineData("friends bot py3", "friends", "bot", "py3")]
    public void The_words_of_deploy_mean_what_is_there(string words, string? swarm, string path, string? language) =>
        Assert.Equal((swarm, path, language), DeployCommand.Split(words.Split(' '), name => name == "bot"));

    [Theory]
    [InlineData("", null, null)]
    [InlineData("friends", "friends", null)]
    [InlineData("bot", null, "bot")]
    [InlineData("friends bot", "friends", "bot")]
    public void An_image_needs_no_folder(string words, string? swarm, string? path) =>
        Assert.Equal((swarm, path, null), DeployCommand.Split(words.Split(' ', StringSplitOptions.RemoveEmptyEntries), name => name == "bot", isImage: true));

    [Fact]
    public void The_language_is_a_word_or_an_option_of_deploy()
    {
        var words = RequestOf("deploy friends /tmp/bot py3");
        Assert.Equal("py3", words.Language);
        Assert.Equal(words, RequestOf("deploy friends /tmp/bot --language py3"));
        Assert.Equal(words, RequestOf("deploy friends /tmp/bot py3 --language py3"));
        Assert.Equal("two languages are named: py3 and nodejs", Assert.Throws<PcException>(() => RequestOf("deploy friends /tmp/bot py3 --language nodejs")).Message);
    }

    [Fact]
    public void A_path_that_is_empty_is_refused_before_the_daemon_is_asked()
    {
        var invocation = new Invocation(CommandLine.Root("deploy").Parse(["deploy", "friends", ""]), new Terminal(TextWriter.Null, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false));
        Assert.Equal(ErrorCode.Usage, Assert.Throws<PcException>(() => DeployCommand.RequestOf(invocation, "", null, null)).Code);
        Assert.Equal("", DeployCommand.RequestOf(invocation, null, null, null).Path); // an image and nothing else
    }

    private static Daemon.Api.DeployRequest RequestOf(string line)
    {
        var invocation = new Invocation(CommandLine.Root("deploy").Parse(line.Split(' ')), new Terminal(TextWriter.Null, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false));
        var words = line.Split(' ').Skip(1).TakeWhile(word => word[0] != '-').ToArray();
        var (_, path, language) = DeployCommand.Split(words, _ => false);
        return DeployCommand.RequestOf(invocation, path, language, null);
    }

    private static IEnumerable<Command> Commands(Command command) => command.Subcommands.SelectMany(Commands).Prepend(command);

    private static string Page(Command command)
    {
        using var output = new StringWriter { NewLine = "\n" };
        ManualPage.Write(command, new Terminal(output, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false));
        return output.ToString();
    }

    // What a person types, parsed as CommandLine.Run does, with the answer of --json.
    private static (int Exit, string Output) Run(string line)
    {
        using var output = new StringWriter();
        var terminal = new Terminal(output, TextWriter.Null, outputIsTerminal: false, errorIsTerminal: false, color: false);
        var error = CommandLine.Refusal(line.Split(' ')[1..]);
        Assert.NotNull(error);
        var exit = Failure.Report(error, terminal, json: true);
        return (exit, System.Text.RegularExpressions.Regex.Unescape(output.ToString()));
    }
}
