using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class SessionsTests
{
    [Fact]
    public void Sessions_are_listed_with_what_became_of_them()
    {
        var reply = new SessionsReply("6b5f271b", [new("aa", "running", null, 25565, 3), new("bb", "exited", 7, 0, 0), new("cc", "asleep", null, 25566, 0)]);
        Assert.Equal(
            "SESSION  STATE          PORT   CONNECTED\naa       running        25565  3\nbb       exited with 7\ncc       asleep         25566  0\n",
            string.Join('\n', Shown(terminal => SessionsCommand.Write(reply, terminal)).Split('\n').Select(line => line.TrimEnd())));
        Assert.Equal("no session runs here\n", Shown(terminal => SessionsCommand.Write(new SessionsReply("6b5f271b", []), terminal)));
    }

    [Fact]
    public void A_new_session_is_said_with_its_place_where_that_is_known()
    {
        Assert.Equal("session aa runs on node 6b5f271b at play.example.org:25565\n", Shown(terminal => SessionsCommand.Write(new SessionCreatedReply("6b5f271b", "aa", "play.example.org", 25565), terminal)));
        Assert.Equal("session aa runs on node 6b5f271b\n", Shown(terminal => SessionsCommand.Write(new SessionCreatedReply("6b5f271b", "aa", null, null), terminal)));
    }

    private static string Shown(Action<Terminal> write)
    {
        using var output = new StringWriter { NewLine = "\n" };
        write(new Terminal(output, TextWriter.Null, false, false, false));
        return output.ToString();
    }
}
