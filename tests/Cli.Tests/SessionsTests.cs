using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Sessions;

namespace PeoplesCloud.Cli.Tests;

public sealed class SessionsTests
{
    [Fact]
    public void Sessions_are_listed_with_what_became_of_them()
    {
        var reply = new SessionsReply("6b5f271b", [new("aa", "running", null, 25565, 3), new("bb", "exited", 7, 0, 0), new("cc", "asleep", null, 25566, 0)]);
        Assert.Equal(
            "SESSION  STATE          PORT   CONNECTED\naa       running        25565  3\nbb       exited with 7\ncc       asleep         25566  0\n",
            string.Join('\n', Shown(terminal => SessionsCommand.Write([reply], terminal)).Split('\n').Select(line => line.TrimEnd())));
        Assert.Equal("no session runs here\n", Shown(terminal => SessionsCommand.Write([new SessionsReply("6b5f271b", [])], terminal)));
    }

    [Fact]
    public void A_new_session_is_said_with_its_place_where_that_is_known()
    {
        Assert.Equal("session aa runs on node 6b5f271b at play.example.org:25565\n", Shown(terminal => SessionsCommand.Write(new SessionCreatedReply("6b5f271b", "aa", "play.example.org", 25565), terminal)));
        Assert.Equal("session aa runs on node 6b5f271b\n", Shown(terminal => SessionsCommand.Write(new SessionCreatedReply("6b5f271b", "aa", null, null), terminal)));
    }

    [Fact]
    public void Sessions_of_several_nodes_are_listed_with_their_node()
    {
        SessionsReply[] replies = [new("6b5f271b", [new("aa", "running", null, 25565, 3)]), new("7c5f271b", [])];
        Assert.Equal("SESSION  STATE    PORT   CONNECTED  NODE\naa       running  25565  3          6b5f271b\n", Shown(terminal => SessionsCommand.Write(replies, terminal)));
    }

    [Fact]
    public void The_status_of_nodes_says_what_to_do_when_they_are_down_and_what_is_wrong_when_they_are_up()
    {
        Assert.Equal("the nodes are not up\n  start them:  pc sessions start\n", Shown(terminal => SessionsRunCommand.Write(new PyCloudStatus(false), terminal, "pc sessions start")));
        var status = new PyCloudStatus(
            true, 17, DateTimeOffset.UnixEpoch, "redis://localhost:6379", false, "it refuses: WRONGPASS", "eu", "us-east", "/etc/settings.yml", 4,
            [new("/home/1", true, "6b5f271b", 4, "the owner of this node paused it"), new("/home/2", false)]);
        var shown = Shown(terminal => SessionsRunCommand.Write(status, terminal, ""));
        Assert.StartsWith("2 nodes with 4 sessions since 1970-01-01 ", shown, StringComparison.Ordinal);
        Assert.Contains("  redis     redis://localhost:6379 cannot be reached: it refuses: WRONGPASS\n  group     eu\n  region    us-east\n  settings  /etc/settings.yml\n  process   17\n", shown, StringComparison.Ordinal);
        Assert.Contains("6b5f271b   4         /home/1\nno answer            /home/2\n  node 6b5f271b takes no sessions: the owner of this node paused it\n", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_only_nodes_of_sessions_run_one_of_them_is_named()
    {
        var home = Directory.CreateTempSubdirectory("nodes-").FullName;
        try
        {
            Assert.Equal("pc --home " + home + " up", Hint(home).Replace("./pc", "pc", StringComparison.Ordinal));
            Directory.CreateDirectory(PyCloudNodes.FolderOf(home));
            (PyCloudRun.OfThisProcess(TimeProvider.System) with { Nodes = 2 }).Write(home);
            Assert.EndsWith($"or name one of the nodes of pc sessions, which run there: --home {PyCloudNodes.HomeOf(home, 1)}", Hint(home), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }

        static string Hint(string home) => Assert.Throws<PcException>(() => new DaemonClient(home).GetBytes("/v1/status")).Hint;
    }

    [Theory]
    [InlineData("up", "node 6b is up")]
    [InlineData("started", "session aa runs on port 25565 (node 6b)")]
    [InlineData("not started", "session aa was not started: why (node 6b)")]
    [InlineData("exited", "session aa ended by itself with 7")]
    [InlineData("removed", "session aa was removed")]
    [InlineData("redis away", "why")]
    [InlineData("ended", "all has ended")]
    public void What_happens_is_one_line(string what, string line)
    {
        var happened = new PyCloudEvent(what, "6b", what == "up" ? null : "aa", 25565, 7, what == "up" ? null : "why") { At = DateTimeOffset.UnixEpoch };
        Assert.Equal($"{DateTimeOffset.UnixEpoch.ToLocalTime():HH:mm:ss} {line}\n", Shown(terminal => SessionsRunCommand.Write(happened, terminal)));
    }

    private static string Shown(Action<Terminal> write)
    {
        using var output = new StringWriter { NewLine = "\n" };
        write(new Terminal(output, TextWriter.Null, false, false, false));
        return output.ToString();
    }
}
