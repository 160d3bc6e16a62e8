using System.Diagnostics;
using PeoplesCloud.Cli.Processes;

namespace PeoplesCloud.Cli.Tests;

public sealed class KeeperTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("keeper-").FullName;

    private string Starts => Path.Combine(_folder, "starts");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("kill -9 $$", Keeper.Tries + 1, 137, "it is not started again")]
    [InlineData("kill -11 $$", Keeper.Tries + 1, 139, "ended by signal 11")]
    [InlineData("[ $(wc -l < \"$STARTS\") = 3 ] || kill -9 $$", 3, 0, "ended by signal 9: it is started again")]
    [InlineData("exit 0", 1, 0, "")]
    [InlineData("exit 5", 1, 5, "")]
    [InlineData("kill -15 $$", 1, 143, "")]
    public async Task Only_what_a_signal_ended_is_started_again_and_not_for_ever(string does, int starts, int code, string says)
    {
        using var keeper = Start($"echo . >> \"$STARTS\"; {does}");
        Assert.Equal("", await keeper.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        var said = await keeper.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await keeper.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((code, starts), (keeper.ExitCode, File.ReadAllLines(Starts).Length));
        if (says.Length == 0) Assert.DoesNotContain("started again", said, StringComparison.Ordinal);
        else Assert.Contains(says, said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_first_one_is_heard_and_nobody_else_keeps_its_output_open()
    {
        using var keeper = Start("echo . >> \"$STARTS\"; echo ready; [ $(wc -l < \"$STARTS\") = 2 ] && exec sleep 600; kill -9 $$");
        Assert.Equal("ready\n", await keeper.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        keeper.Kill(entireProcessTree: true);
    }

    [Fact]
    public async Task A_term_reaches_the_daemon_which_ends_in_order()
    {
        using var keeper = Start("trap 'echo ended; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
        Assert.Equal("ready", await keeper.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        using var kill = Process.Start("kill", ["-TERM", $"{keeper.Id}"]);
        Assert.Equal("ended", await keeper.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        await keeper.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, keeper.ExitCode);
    }

    [Fact]
    public async Task A_term_between_two_daemons_is_the_end()
    {
        using var keeper = Start("echo . >> \"$STARTS\"; [ $(wc -l < \"$STARTS\") = 2 ] && exec sleep 600; kill -9 $$", pause: 600);
        while ((await keeper.StandardError.ReadLineAsync(TestContext.Current.CancellationToken))?.Contains("it is started again", StringComparison.Ordinal) == false) { }
        using var kill = Process.Start("kill", ["-TERM", $"{keeper.Id}"]);
        await keeper.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(143, keeper.ExitCode);
    }

    private Process Start(string script, int pause = 0)
    {
        var words = Keeper.Of(TimeSpan.FromSeconds(pause)).Concat(["/bin/sh", "-c", script]).ToList();
        return Process.Start(new ProcessStartInfo(words[0], words[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["STARTS"] = Starts },
        })!;
    }
}
