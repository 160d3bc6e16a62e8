using PeoplesCloud.Base;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

public sealed class DataTests
{
    private static readonly DateTimeOffset Now = new(2031, 5, 4, 3, 2, 1, TimeSpan.Zero);

    [Fact]
    public void Copies_and_conflicts_are_shown_with_their_age_and_what_they_lack()
    {
        var reply = new DataReply(
            "bot", "oak", "elm", false,
            [
                new DataCopyInfo("elm", null, "elm", 4, 17, Now.AddSeconds(-1), 2, 3 << 20, true, 0),
                new DataCopyInfo("fir", null, "elm", 4, 16, Now.AddSeconds(-9), 1, 1024, false, 1),
                new DataCopyInfo("fir", "data.conflict-ash-3", "ash", 3, 8, Now.AddHours(-3), 2, 1024, false, 2),
            ],
            [new DataProblem("gum", "is asleep")]);
        Assert.Equal("""
            ON   VERSION      TAKEN    FILES  SIZE
            elm  4.17 of elm  now      2      3.0 MiB  newest, runs here
            fir  4.16 of elm  9 s ago  1      1.0 KiB  1 file behind

            CONFLICT             ON   VERSION     TAKEN    FILES  SIZE
            data.conflict-ash-3  fir  3.8 of ash  3 h ago  2      1.0 KiB  2 files otherwise than in the newest
            gum: is asleep

            """.ReplaceLineEndings("\n"), Shown(reply));
    }

    [Fact]
    public void No_copies_are_told_apart_from_copies_that_wait()
    {
        Assert.Equal("nobody who could be asked has data of bot\n", Shown(new DataReply("bot", "oak", null, true, [], [])));
        var waiting = Shown(new DataReply("bot", "oak", null, true, [new DataCopyInfo("elm", null, "elm", 1, 1, Now, 0, 0, true, 0)], []));
        Assert.EndsWith("bot is stopped; its data waits 30 days for the next deploy of that name\n", waiting, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data drop friends bot")]
    [InlineData("data drop friends bot --yes --conflict data.conflict-elm-1")]
    [InlineData("data get")]
    public void What_is_to_be_removed_or_fetched_must_be_said(string line) => Assert.Equal((int)ExitCode.Usage, Run(line, Path.GetTempPath()));

    [Fact]
    public void A_copy_is_fetched_into_a_folder_named_after_the_program()
    {
        const string Reply = """{"kind":"result","result":{"copy":{"on":"fir","holder":"elm","epoch":4,"number":17,"taken":"2031-05-04T03:02:01+00:00","files":2,"bytes":1024,"newest":true,"behind":0},"output":"/tmp/bot-data"}}""";
        using var daemon = new ScriptedDaemon(ScriptedDaemon.Chunked("""{"kind":"progress","progress":{"doneBytes":1,"totalBytes":1024}}""" + "\n", Reply + "\n"));
        Assert.Equal(0, Run("data get friends bot --on fir", daemon.Home));
        Assert.StartsWith("POST /v1/swarms/friends/programs/bot/data/get ", daemon.Asked, StringComparison.Ordinal);
        Assert.Contains("/bot-data\"", daemon.Asked, StringComparison.Ordinal);
        Assert.Contains("\"on\":\"fir\"", daemon.Asked, StringComparison.Ordinal);
        var copy = new DataCopyInfo("fir", null, "elm", 4, 17, Now.AddMinutes(-2), 2, 1024, true, 0);
        Assert.Equal("saved 2 files (1.0 KiB) to /tmp/x: version 4.17 of elm from fir, taken 2 min ago\n", Shown(terminal => DataCommand.Write(new DataGetReply(copy, "/tmp/x"), terminal, Now)));
    }

    [Fact]
    public void Who_keeps_its_copy_is_named_and_nothing_removed_is_a_failure()
    {
        using var some = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", """{"program":"bot","dropped":["elm","fir"],"missing":[{"on":"gum","problem":"is asleep"}]}"""));
        Assert.Equal(0, Run("data drop friends bot --yes", some.Home));
        using var none = new ScriptedDaemon(ScriptedDaemon.Answer("200 OK", """{"program":"bot","conflict":"data.conflict-elm-1","dropped":[],"missing":[{"on":"gum","problem":"is asleep"}]}"""));
        Assert.Equal((int)ExitCode.Failed, Run("data drop friends bot --conflict data.conflict-elm-1", none.Home));
        Assert.Contains("\"conflict\":\"data.conflict-elm-1\"", none.Asked, StringComparison.Ordinal);
        Assert.Equal("removed the data of bot on elm, fir\ngum: is asleep\n", Shown(terminal => DataCommand.Write(new DataDropReply("bot", null, ["elm", "fir"], [new DataProblem("gum", "is asleep")]), terminal)));
    }

    private static string Shown(DataReply reply) => Shown(terminal => DataCommand.Write(reply, terminal, Now));

    private static string Shown(Action<Terminal> write)
    {
        using var output = new StringWriter { NewLine = "\n" };
        write(new Terminal(output, TextWriter.Null, false, false, false));
        return output.ToString();
    }

    private static int Run(string line, string home) => CommandLine.Run([.. line.Split(' '), "--json", "--home", home]);
}
