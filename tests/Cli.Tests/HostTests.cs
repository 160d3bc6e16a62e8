using PeoplesCloud.Base;
using PeoplesCloud.Cli.Commands;
using PeoplesCloud.Cli.Output;
using PeoplesCloud.Daemon.Api;

namespace PeoplesCloud.Cli.Tests;

/// <summary>pc host: what is shown.</summary>
public sealed class HostTests
{
    private static readonly HostReply Elm = new(
        "elm", Hosts: true, Paused: false, null,
        [new HostRuleInfo("programs", "16", "default", "0 to 1000", "2"), new HostRuleInfo("memory", "512MiB", "set", "bytes")],
        [
            new HostedInfo("friends", "bot", "oak", "running", null, 41L << 20, 256L << 20, 0.254, 1, 2, 128, 1L << 20, 256L << 20, "internet", 7300, 43_200, 3 << 20),
            new HostedInfo("friends", "web", "fir", "waiting", "rule hours: hosts 22:00-06:00 only, by its clock", null, 256L << 20, null, 1, null, 128, null, 256L << 20, "none", 0),
        ]);

    [Fact]
    public void Rules_and_programs_are_shown_as_used_and_allowed() => Assert.Equal("""
        elm hosts

          rule      used  allowed  from
          programs  2     16       default
          memory          512MiB   set

          program      owner  state    memory            cpus      pids     disk               network            ran
          friends/bot  oak    running  41 MiB / 256 MiB  0.25 / 1  2 / 128  1.0 MiB / 256 MiB  internet, 3.0 MiB  2 h / 12 h
          friends/web  fir    waiting  - / 256 MiB       - / 1     - / 128  - / 256 MiB        none               0 s
          web waits: rule hours: hosts 22:00-06:00 only, by its clock

        """.ReplaceLineEndings("\n"), Shown(Elm));

    [Fact]
    public void A_pause_is_said() => Assert.StartsWith("elm paused until pc resume\n", Shown(Elm with { Paused = true }), StringComparison.Ordinal);

    [Fact]
    public void A_rule_without_a_value_is_no_command_line()
    {
        Assert.Equal(ErrorCode.Usage, CommandLine.Refusal(["host", "set"])!.Code);
        Assert.Null(CommandLine.Refusal(["host", "set", "memory=1GiB", "hours=22:00-06:00"]));
        Assert.Null(CommandLine.Refusal(["pause"]));
        Assert.Null(CommandLine.Refusal(["pause", "2h", "--json"]));
    }

    private static string Shown(HostReply reply)
    {
        using var output = new StringWriter { NewLine = "\n" };
        HostView.Write(reply, new Terminal(output, TextWriter.Null, false, false, false));
        return output.ToString();
    }
}
