using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using PeoplesCloud.Base;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Execs;

namespace PeoplesCloud.Cli.Tests;

/// <summary>pc exec, stats, update, rollback and history: what they ask, what they show, how they fail.</summary>
public sealed class RunningTests
{
    private static readonly DateTimeOffset Time = new(2044, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly RunningApiJson Json = RunningApiJson.Default;
    private static readonly DeployReply Deployed = new("bot", "Qm", "py3", "elm", "12D4", []);
    private static readonly ErrorReply NoProgram = new("PC6014", "friends has no program 'bot'", "pc list", 4);

    private static readonly HistoryReply Versions = new(
        "bot", "oak",
        [
            new HistoryVersion(1, "aaaaaaaaaaaaaaaa", "Qm", Time, "py3", 2048, "elm", "stopped", null, true),
            new HistoryVersion(2, "bbbbbbbbbbbbbbbb", "Qm", Time, "py3", 2048, null, "live", 1, true),
        ],
        [new HistoryControl(Time, "oak", "exec", "ls")]);

    // -- stats ------------------------------------------------------------------------------------------------

    private static readonly StatsReply Stats = new(
    [
        new ProgramUse("bot", "a", "Qm", "oak", "elm", "running", null, 0, 125, 0.254, 1, 12, 41L << 20, 256L << 20, 2, 128, 1L << 20, 256L << 20, 10 << 10, 1 << 20, null, "internet", 2048),
        new ProgramUse("web", "b", "Qn", "oak", null, "unknown", null, 0, null, null, 1, null, null, 256L << 20, null, 128, null, 256L << 20, null, null, "no host has it now", "none", null),
    ]);

    [Fact]
    public void Stats_of_one_program_are_asked_for_and_shown_as_used_and_allowed()
    {
        using var daemon = new ScriptedDaemon(Ok(Stats, Json.StatsReply));
        var (exit, output, _) = Run(daemon, "stats friends bot");
        Assert.Equal(0, exit);
        Assert.StartsWith("GET /v1/swarms/friends/stats?program=bot ", daemon.Asked, StringComparison.Ordinal);
        Assert.Equal("""
            PROGRAM  HOST  STATE    UP     CPU          MEMORY            PROCESSES  DISK               NETWORK             LOG
            bot      elm   running  2 min  0.25 / 1.00  41 MiB / 256 MiB  2 / 128    1.0 MiB / 256 MiB  2.0 KiB (internet)  10 KiB / 1.0 MiB
            web      -     unknown  -      - / 1.00     - / 256 MiB       - / 128    - / 256 MiB        none                -                 no host has it now

            """.ReplaceLineEndings("\n"), output);
    }

    [Fact]
    public void Stats_of_all_swarms_are_one_answer_in_JSON()
    {
        using var daemon = new ScriptedDaemon(Ok(List("friends", "family"), LocalApiJson.Default.ListReply), Ok(Stats, Json.StatsReply), Ok(new StatsReply([]), Json.StatsReply));
        var (exit, output, _) = Run(daemon, "stats --json");
        Assert.Equal(0, exit);
        Assert.Equal(["bot", "web"], JsonSerializer.Deserialize(output, Json.StatsReply)!.Programs.Select(program => program.Program));
        Assert.StartsWith("GET /v1/swarms/family/stats ", daemon.Asked, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("friends", "GET /v1/swarms/friends/stats ")]
    [InlineData("bot", "GET /v1/swarms/friends/stats?program=bot ")]
    public void One_word_of_stats_is_a_swarm_of_this_node_or_a_program(string word, string asked)
    {
        var list = Ok(List("friends"), LocalApiJson.Default.ListReply);
        using var daemon = new ScriptedDaemon([.. (word == "bot" ? new[] { list, list } : [list]), Ok(new StatsReply([]), Json.StatsReply)]);
        var (exit, output, _) = Run(daemon, $"stats {word}");
        Assert.Equal((0, "no programs\n"), (exit, output));
        Assert.StartsWith(asked, daemon.Asked, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.4")]
    [InlineData("3601")]
    [InlineData("NaN")]
    public void An_interval_of_stats_is_half_a_second_to_an_hour(string interval)
    {
        using var daemon = new ScriptedDaemon();
        var (exit, _, error) = Run(daemon, $"stats --interval {interval}");
        Assert.Equal(2, exit);
        Assert.Contains("--interval is 0.5 to 3600 seconds", error, StringComparison.Ordinal);
    }

    // -- history ----------------------------------------------------------------------------------------------

    [Fact]
    public void The_history_shows_versions_and_what_was_done_with_them()
    {
        using var daemon = new ScriptedDaemon(Ok(Versions, Json.HistoryReply));
        var (exit, output, _) = Run(daemon, "history friends bot");
        Assert.Equal(0, exit);
        Assert.StartsWith("GET /v1/swarms/friends/programs/bot/history ", daemon.Asked, StringComparison.Ordinal);
        var at = $"{Time.ToLocalTime():yyyy-MM-dd HH:mm:ss}";
        Assert.Equal($"""
            bot, deployed by oak
              VERSION  DEPLOYED             STATE    HOST  LANGUAGE  SIZE     ID
              1        {at}  stopped  elm   py3       2.0 KiB  aaaaaaaaaaaa  kept
              2        {at}  live     -     py3       2.0 KiB  bbbbbbbbbbbb  same as 1

              TIME                 BY   WHAT
              {at}  oak  exec  ls

            """.ReplaceLineEndings("\n"), output);
    }

    [Fact]
    public void The_history_of_a_scheduled_program_shows_its_times()
    {
        var reply = Versions with
        {
            Controls = [],
            Times = [new HistoryTime(Time, "ok", "elm", Time.AddSeconds(1), 2.5, null), new HistoryTime(Time.AddHours(1), "skipped", "fir", null, 0, "no host was there")],
        };
        using var daemon = new ScriptedDaemon(Ok(reply, Json.HistoryReply), Ok(reply, Json.HistoryReply));
        var lines = Run(daemon, "history friends bot").Output.Split('\n')[^4..];
        string At(DateTimeOffset time) => $"{time.ToLocalTime():yyyy-MM-dd HH:mm:ss}";
        Assert.Equal(
            ["  DUE                  RESULT   HOST  BEGAN                TOOK", $"  {At(Time)}  ok       elm   {At(Time.AddSeconds(1))}  2.5 s", $"  {At(Time.AddHours(1))}  skipped  fir   -                    -      no host was there", ""],
            lines);
        var read = JsonSerializer.Deserialize(Run(daemon, "history --json friends bot").Output, Json.HistoryReply)!;
        Assert.Equal(reply.Times, read.Times!);
    }

    // -- update and rollback ----------------------------------------------------------------------------------

    [Fact]
    public void An_update_says_each_step_and_which_version_runs()
    {
        using var daemon = new ScriptedDaemon(Events(new("step", Text: "watching it for 10 s"), new("result", Result: new UpdateReply(Deployed, 3))));
        var (exit, output, _) = Run(daemon, "update friends bot /tmp --language py3 --memory 64MiB");
        Assert.Equal(0, exit);
        Assert.StartsWith("POST /v1/swarms/friends/programs/bot/update ", daemon.Asked, StringComparison.Ordinal);
        var lines = output.Split('\n');
        Assert.Equal(["watching it for 10 s", "bot version 3 (py3) runs on elm"], lines[..2]);
        Assert.Contains("logs -f friends bot", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void An_update_that_went_back_is_an_error_with_the_exit_code_of_its_class()
    {
        var error = new ErrorReply($"PC{(int)ErrorCode.UpdateRolledBack}", "the new version of bot crashed with exit code 1; the version before runs again on elm", "pc logs friends bot", 1);
        foreach (var json in new[] { false, true })
        {
            using var daemon = new ScriptedDaemon(Events(new("step", Text: "watching it for 10 s"), new("error", Error: error)));
            var (exit, output, errors) = Run(daemon, $"update friends bot /tmp{(json ? " --json" : "")}");
            Assert.Equal(1, exit);
            Assert.Contains("the version before runs again on elm", json ? output : errors, StringComparison.Ordinal);
            Assert.Equal(json, !output.Contains("watching", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_rollback_in_JSON_is_one_line()
    {
        using var daemon = new ScriptedDaemon(Events(new("step", Text: "step"), new("result", Result: new UpdateReply(Deployed, 4))));
        var (exit, output, _) = Run(daemon, "rollback --json friends bot --to 1");
        Assert.Equal(0, exit);
        Assert.StartsWith("POST /v1/swarms/friends/programs/bot/rollback ", daemon.Asked, StringComparison.Ordinal);
        Assert.Equal(4, JsonSerializer.Deserialize(Assert.Single(output.TrimEnd('\n').Split('\n')), Json.UpdateReply)!.Version);
    }

    [Fact]
    public void An_answer_without_a_result_is_an_error()
    {
        using var daemon = new ScriptedDaemon(Events(new Event<UpdateReply>("step", Text: "step")));
        var (exit, _, error) = Run(daemon, "rollback friends bot");
        Assert.NotEqual(0, exit);
        Assert.Contains("PC", error, StringComparison.Ordinal);
    }

    // -- exec -------------------------------------------------------------------------------------------------

    [Fact]
    public void Output_of_exec_is_lines_of_JSON_and_its_exit_code_is_the_command_s()
    {
        var code = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(code, 7);
        using var daemon = new ScriptedDaemon([Frames((ExecFrameKind.Out, "hello\n"u8.ToArray()), (ExecFrameKind.Err, [0xff]), (ExecFrameKind.Exit, code))]);
        var (exit, output, _) = Run(daemon, "exec -n --json friends bot -- ls -l");
        Assert.Equal(7, exit);
        Assert.Equal(["""{"stream":"out","data":"aGVsbG8K"}""", """{"stream":"err","data":"/w=="}""", """{"exit":7}""", ""], output.Split('\n'));
        Assert.StartsWith("POST /v1/swarms/friends/programs/bot/exec ", daemon.Asked, StringComparison.Ordinal);
        Assert.Contains($"Upgrade: {ExecFrame.Upgrade}", daemon.Asked, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_command_that_cannot_be_run_is_pc_s_own_error()
    {
        var error = JsonSerializer.SerializeToUtf8Bytes(new ErrorReply("PC1234", "nobody knows this", "ask", 3), ExecJson.Default.ErrorReply);
        using var daemon = new ScriptedDaemon([Frames((ExecFrameKind.Error, error))]);
        var (exit, output, errors) = Run(daemon, "exec -n friends bot -- ls");
        Assert.Equal((3, ""), (exit, output));
        Assert.Contains("error PC1234: nobody knows this", errors, StringComparison.Ordinal);
        Assert.Contains("try: ask", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_daemon_that_goes_during_exec_is_an_error()
    {
        using var daemon = new ScriptedDaemon([Frames((ExecFrameKind.Exit, []))[..^2]]);
        Assert.NotEqual(0, Run(daemon, "exec -n friends bot -- ls").Exit);
    }

    [Theory]
    [InlineData("friends bot ls", -1, "friends", "bot", "ls")]
    [InlineData("friends bot ls -l", 2, "friends", "bot", "ls -l")]
    [InlineData("bot ls -l", 1, null, "bot", "ls -l")]
    public void The_words_of_exec_are_told_apart(string words, int before, string? swarm, string program, string command)
    {
        var split = ExecCommand.Split(words.Split(' '), before);
        Assert.Equal((swarm, program, command), (split.Swarm, split.Program, string.Join(' ', split.Command)));
    }

    [Theory]
    [InlineData("bot ls", -1)]
    [InlineData("bot", 1)]
    [InlineData("friends bot", 2)]
    [InlineData("a b c d", 3)]
    public void Exec_without_a_program_and_a_command_is_no_command_line(string words, int before) =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<PcException>(() => ExecCommand.Split(words.Split(' '), before)).Code);

    // -- all of them ------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("stats friends bot")]
    [InlineData("history friends bot")]
    [InlineData("update friends bot /tmp")]
    [InlineData("rollback friends bot")]
    [InlineData("exec -n friends bot -- ls")]
    public void What_the_daemon_refuses_is_said_in_words_and_in_JSON(string line)
    {
        var refused = ScriptedDaemon.Answer("404 Not Found", JsonSerializer.Serialize(NoProgram, LocalApiJson.Default.ErrorReply));
        using var daemon = new ScriptedDaemon(refused, refused);
        var (exit, output, errors) = Run(daemon, line);
        Assert.Equal((4, ""), (exit, output));
        Assert.Contains("error PC6014: friends has no program 'bot'", errors, StringComparison.Ordinal);
        (exit, output, _) = Run(daemon, $"{line.Split(' ')[0]} --json {line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..]}");
        Assert.Equal(4, exit);
        Assert.Contains("\"code\":\"PC6014\"", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exec bot")]
    [InlineData("update bot")]
    [InlineData("rollback")]
    [InlineData("rollback friends bot --to one")]
    [InlineData("history")]
    [InlineData("stats friends bot more")]
    public void What_is_no_command_line_points_to_the_help(string line)
    {
        var refusal = CommandLine.Refusal(line.Split(' '));
        Assert.Equal(ErrorCode.Usage, refusal!.Code);
        Assert.Equal($"pc {line.Split(' ')[0]} --help", refusal.Hint);
    }

    // As CommandLine.Run does, with an output that is read.
    private static (int Exit, string Output, string Error) Run(ScriptedDaemon daemon, string line)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var words = line.Split(' ');
        var parsed = CommandLine.Root(words[0]).Parse([words[0], "--home", daemon.Home, .. words[1..]]);
        Assert.Empty(parsed.Errors);
        var exit = ((PcCommand)parsed.CommandResult.Command).Run(parsed, new Terminal(output, error, outputIsTerminal: false, errorIsTerminal: false, color: false));
        return (exit, output.ToString(), error.ToString());
    }

    private static string Ok<T>(T reply, JsonTypeInfo<T> type) => ScriptedDaemon.Answer("200 OK", JsonSerializer.Serialize(reply, type));

    private static string Events(params Event<UpdateReply>[] events) => ScriptedDaemon.Chunked([.. events.Select(happened => JsonSerializer.Serialize(happened, Json.EventUpdateReply) + "\n")]);

    private static ListReply List(params string[] swarms) => new([.. swarms.Select(name => new SwarmInfo(name, "id", "member", [], []))]);

    private static byte[] Frames(params (ExecFrameKind Kind, byte[] Payload)[] frames)
    {
        var bytes = new List<byte>(Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {ExecFrame.Upgrade}\r\n\r\n"));
        foreach (var (kind, payload) in frames)
        {
            var header = new byte[ExecFrame.HeaderBytes];
            ExecFrame.WriteHeader(header, kind, payload.Length);
            bytes.AddRange([.. header, .. payload]);
        }
        return [.. bytes];
    }
}
