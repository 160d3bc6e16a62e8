using System.Text;
using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Api;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

/// <summary>pc list: the form of it that is understood by hand, the answer that is read by hand, and what is shown.</summary>
public sealed class ListTests
{
    private static readonly DateTimeOffset Time = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static readonly ListReply Friends = new(
    [
        new SwarmInfo("friends", "abc", "admin",
            [new MemberInfo("12D3", "oak", "admin", "here", false, null, null), new MemberInfo("12D4", "élm \"2\"", "member", "awake", true, 1.5, Time)],
            [new ProgramInfo("bot", "Qm", "py3", "oak", "elm", "running", null, 2, Time), new ProgramInfo("bot2", "Qn", "py3", "oak", null, "waiting", "no host", 0, Time)]),
    ]);

    [Fact]
    public void The_list_shows_members_and_programs()
    {
        using var output = new StringWriter { NewLine = "\n" };
        ListView.Write(Read(Friends), new Terminal(output, TextWriter.Null, false, false, false), "/home");
        Assert.Equal("""
            friends  abc, you are admin
              MEMBER   STATE  ROLE    RANK     PEER ID
              oak      here   admin   no host  12D3
              élm "2"  awake  member  1.50     12D4

              PROGRAM  STATE    HOST  OWNER  LANGUAGE  HASH
              bot      running  elm   oak    py3       Qm    2 restarts
              bot2     waiting  -     oak    py3       Qn    no host

            """.ReplaceLineEndings("\n"), output.ToString());
    }

    [Fact]
    public void The_list_shows_the_next_and_the_last_time_of_a_program_that_is_scheduled()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var (next, last) = (new DateTimeOffset(2044, 1, 2, 12, 0, 0, TimeSpan.Zero), new DateTimeOffset(2044, 1, 2, 11, 0, 0, TimeSpan.Zero));
        ProgramInfo Program(string name, string? detail, ScheduleInfo schedule) => new(name, "Qm", "py3", "oak", "elm", "scheduled", detail, 0, default, Schedule: schedule);
        var swarm = Friends.Swarms[0] with
        {
            Programs = [Program("backup", null, new ScheduleInfo("@hourly", next, new ScheduleLast(last, "ok"))), Program("fresh", "it says", new ScheduleInfo("@hourly", next, null)), Program("later", null, new ScheduleInfo("of a later version", null, null))],
        };
        ListView.Write(Read(new ListReply([swarm])), new Terminal(output, TextWriter.Null, false, false, false), "/home");
        Assert.EndsWith($"""
              backup   scheduled  elm   oak    py3       Qm    next {next.ToLocalTime():yyyy-MM-dd HH:mm}, last {last.ToLocalTime():yyyy-MM-dd HH:mm} ok
              fresh    scheduled  elm   oak    py3       Qm    next {next.ToLocalTime():yyyy-MM-dd HH:mm}; it says
              later    scheduled  elm   oak    py3       Qm    of a later version

            """.ReplaceLineEndings("\n"), output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_list_says_whose_secrets_a_former_member_could_read()
    {
        using var output = new StringWriter { NewLine = "\n" };
        ProgramInfo Program(string name, string owner, params string[] former) => new(name, "Qm", "py3", owner, "elm", "running", null, 0, default, former.Length == 0 ? null : former);
        var swarm = Friends.Swarms[0] with { Programs = [Program("bot", "oak", "fir"), Program("web", "elm", "fir", "ash"), Program("safe", "oak")] };
        ListView.Write(Read(new ListReply([swarm])), new Terminal(output, TextWriter.Null, false, false, false), "/home");
        Assert.EndsWith("""
              safe     running  elm   oak    py3       Qm
              fir held the key of bot: deploy it again, and change the secrets in it
              fir and ash held the key of web: elm should deploy it again, and change the secrets in it

            """.ReplaceLineEndings("\n"), output.ToString(), StringComparison.Ordinal);
    }

    // Where a program was and is, since when two hosts may run it, and what of its data was kept apart.
    [Fact]
    public void The_list_says_what_happened_to_a_program()
    {
        using var output = new StringWriter { NewLine = "\n" };
        RunInfo Run(string host, int began, int? ended, string? why) => new(host, 1, Time.AddSeconds(began), ended is { } end ? Time.AddSeconds(end) : null, why, null);
        string At(int seconds) => Time.AddSeconds(seconds).ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture);
        ProgramInfo Program(string name, params RunInfo[] runs) => new(name, "Qm", "py3", "oak", "fir", "running", null, 0, default, Runs: runs);
        ProgramInfo[] programs =
        [
            Program("bot", Run("elm", 0, 10, "lease lost"), Run("fir", 14, null, null)),
            Program("calm", Run("fir", 0, null, null)),
            Program("gone", Run("elm", 0, null, null), Run("fir", 14, 20, "handed over")),
            Program("same", Run("fir", 0, 10, "host stopped"), Run("fir", 14, null, null)),
            Program("split") with { Alone = true, AloneSince = Time, Conflicts = [new ConflictInfo("elm", Time, "1 file is in data.conflict-elm-1")] },
        ];
        ListView.Write(Read(new ListReply([Friends.Swarms[0] with { Programs = programs }])), new Terminal(output, TextWriter.Null, false, false, false), "/home");
        Assert.EndsWith($"""
              split    running  fir   oak    py3       Qm
              bot ran on elm until {At(10)} (lease lost), on fir since {At(14)}
              gone ran on elm, which went silent, on fir until {At(20)} (handed over)
              split goes on without most of its guardians since {At(0)}: another host may run it too until they meet
              split: data that was not taken over was kept on elm ({At(0)}): 1 file is in data.conflict-elm-1; see pc data list friends split

            """.ReplaceLineEndings("\n"), output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_list_says_who_takes_this_node_for_no_member()
    {
        using var output = new StringWriter { NewLine = "\n" };
        ListView.Write(Read(new ListReply([Friends.Swarms[0] with { RefusedBy = ["elm", "fir"], Programs = [] }])), new Terminal(output, TextWriter.Null, false, false, false), "/home");
        Assert.EndsWith("\n  elm, fir say that this node is not a member any more. To come back: ask an admin for a ticket, then pc join TICKET\n", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_swarm_the_list_says_how_to_get_one()
    {
        using var output = new StringWriter();
        ListView.Write(Read(new ListReply([])), new Terminal(output, TextWriter.Null, false, false, false), "/home");
        Assert.Contains("create --name NAME", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", true, null, false)]
    [InlineData("friends", true, "friends", false)]
    [InlineData("--json", true, null, true)]
    [InlineData("--json friends", true, "friends", true)]
    [InlineData("--help", false, null, false)]
    [InlineData("--home /x", false, null, false)]
    [InlineData("friends enemies", false, null, false)]
    [InlineData("--json --json", false, null, false)]
    [InlineData("@file", false, null, false)]
    public void Only_the_usual_form_is_understood_by_hand(string words, bool understood, string? swarm, bool json)
    {
        Assert.Equal(understood, QuickList.Understands(["list", .. words.Split(' ', StringSplitOptions.RemoveEmptyEntries)], out var named, out var asked));
        if (understood) Assert.Equal((swarm, json), (named, asked));
    }

    [Fact]
    public void Other_commands_are_not_understood_by_hand()
    {
        Assert.False(QuickList.Understands([], out _, out _));
        Assert.False(QuickList.Understands(["--json", "list"], out _, out _));
        Assert.False(QuickList.Understands(["network"], out _, out _));
    }

    [Theory]
    [InlineData("\"a\\u00e9\\n\\\"\\\\\\/ \\ud83c\\udf33\"", "aé\n\"\\/ 🌳")]
    [InlineData(" -1.5e3 ", "-1.5e3")]
    [InlineData("true", "true")]
    public void A_value_is_read_as_it_was_meant(string json, string expected) =>
        Assert.Equal(expected, JsonText.Parse(Encoding.UTF8.GetBytes($$"""{ "a" : {{json}} , "b":[ ], "c":null }""")).Text("a"));

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"a\"}")]
    [InlineData("{\"a\":}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{\"a\":nothing}")]
    [InlineData("[1,2")]
    [InlineData("\"open")]
    [InlineData("\"\\x\"")]
    [InlineData("\"\\u12g4\"")]
    [InlineData("\"\n\"")]
    [InlineData("{} {}")]
    public void What_is_not_JSON_is_an_answer_that_cannot_be_understood(string text) =>
        Assert.Equal(ErrorCode.DaemonAnswer, Assert.Throws<PcException>(() => JsonText.Parse(Encoding.UTF8.GetBytes(text))).Code);

    [Fact]
    public void Endless_nesting_is_refused() =>
        Assert.Equal(ErrorCode.DaemonAnswer, Assert.Throws<PcException>(() => JsonText.Parse(Encoding.UTF8.GetBytes(new string('[', 100_000)))).Code);

    [Fact]
    public void A_damaged_answer_is_shown_or_refused_and_never_breaks_the_command()
    {
        var answer = JsonSerializer.SerializeToUtf8Bytes(Friends, LocalApiJson.Default.ListReply);
        var random = new Random(7);
        for (var round = 0; round < 3_000; round++)
        {
            var damaged = answer.ToArray();
            for (var change = 0; change < 3; change++) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                ListView.Write(JsonText.Parse(damaged[..random.Next(damaged.Length + 1)]), new Terminal(TextWriter.Null, TextWriter.Null, false, false, false), "/home");
            }
            catch (PcException exception)
            {
                Assert.Equal(ErrorCode.DaemonAnswer, exception.Code);
            }
        }
    }

    private static JsonText Read(ListReply list) => JsonText.Parse(JsonSerializer.SerializeToUtf8Bytes(list, LocalApiJson.Default.ListReply));
}
