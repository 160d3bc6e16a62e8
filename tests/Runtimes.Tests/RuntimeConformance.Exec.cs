using System.Text;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>Further commands inside a run.</summary>
public abstract partial class RuntimeConformance
{
    private const string Sleeper = "import signal\nopen('note', 'w').write('hello')\nprint('ready', flush=True)\nsignal.pause()";

    [Fact]
    public async Task A_further_command_sees_what_the_first_one_sees()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper) with { Environment = new Dictionary<string, string> { ["WORD"] = "it's" } });

        var (code, output) = await ExecAsync(run, "sh", "-c", "cat note; echo; pwd; echo \"$WORD $HOME\"; echo $(($(id -u) == $(stat -c %u note))); echo wrong >&2; exit 7");

        Assert.Equal((7, "hello\n/app\nit's /app\n1\n", "wrong\n"), (code, output.Out, output.Err));
        Assert.False(run.Exited.IsCompleted);
    }

    [Fact]
    public async Task A_further_command_is_held_as_the_first_one_is()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));
        const string kept = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; cat /proc/self/cgroup; readlink /proc/self/ns/user /proc/self/ns/pid /proc/self/ns/net /proc/self/ns/mnt";

        var (_, further) = await ExecAsync(run, "sh", "-c", kept);
        var (_, first) = await ExecAsync(run, "sh", "-c", kept.Replace("self", "$(pgrep -o python3)", StringComparison.Ordinal));

        Assert.Equal(first.Out, further.Out);
        Assert.Contains("CapEff:\t0000000000000000", further.Out, StringComparison.Ordinal);
        Assert.Contains("Seccomp:\t2", further.Out, StringComparison.Ordinal);
        Assert.NotEqual(0, (await ExecAsync(run, "unshare", "-U", "true")).Code);
    }

    [Fact]
    public async Task Bytes_of_a_further_command_pass_unchanged_both_ways()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));
        var sent = new byte[3 << 20];
        new Random(1).NextBytes(sent);
        var received = new MemoryStream();

        var code = await run.ExecAsync(["cat"], new MemoryStream(sent), (_, bytes) => received.WriteAsync(bytes, Token), Token).AsTask().WaitAsync(Patience, Token);

        Assert.Equal(0, code);
        Assert.True(received.GetBuffer().AsSpan(0, (int)received.Length).SequenceEqual(sent));
    }

    [Fact]
    public async Task A_further_command_need_not_read_its_input_nor_exist()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));

        Assert.Equal(0, await run.ExecAsync(["true"], new MemoryStream(new byte[1 << 20]), (_, _) => ValueTask.CompletedTask, Token).AsTask().WaitAsync(Patience, Token));
        Assert.Equal(127, (await ExecAsync(run, "no-such-command")).Code);
        Assert.Equal(137, (await ExecAsync(run, "sh", "-c", "kill -9 $$")).Code);
        Assert.Equal((0, "a'b\nc \\ $HOME `x` \"\n"), await ExecAsync(run, "printf", "%s\n", "a'b\nc \\ $HOME `x` \"") is var (code, output) ? (code, output.Out) : default);
    }

    [Fact]
    public async Task Several_further_commands_run_at_a_time()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));

        var all = await Task.WhenAll(Enumerable.Range(0, 5).Select(number => ExecAsync(run, "sh", "-c", $"echo {number}; exit {number}")));

        Assert.Equal([0, 1, 2, 3, 4], all.Select(one => one.Code));
        Assert.Equal(["0\n", "1\n", "2\n", "3\n", "4\n"], all.Select(one => one.Output.Out));
    }

    [Fact]
    public async Task No_further_command_of_many_is_lost()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));
        var count = int.Parse(Environment.GetEnvironmentVariable("PC_TEST_EXECS") ?? "60", System.Globalization.CultureInfo.InvariantCulture);

        for (var number = 0; number < count; number++) Assert.Equal((3, $"{number}\n"), await ExecAsync(run, "sh", "-c", $"echo {number}; exit 3") is var (code, output) ? (code, output.Out) : default);
    }

    [Fact]
    public async Task Whoever_gives_up_takes_the_further_command_along()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var output = new Recorder();
        var running = run.ExecAsync(["sh", "-c", "echo begun; sleep 1234567"], Stream.Null, output.Receive, stop.Token).AsTask();
        await output.WaitForAsync("begun");
        Assert.Equal(0, (await ExecAsync(run, "pgrep", "-f", "sleep 123456[7]")).Code);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Patience, Token));
        while ((await ExecAsync(run, "pgrep", "-f", "sleep 123456[7]")).Code == 0) Token.ThrowIfCancellationRequested();
        Assert.False(run.Exited.IsCompleted);
    }

    [Fact]
    public async Task A_further_command_ends_with_the_run()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper));
        var output = new Recorder();
        var running = run.ExecAsync(["sh", "-c", "echo begun; sleep 1000"], Stream.Null, output.Receive, Token).AsTask();
        await output.WaitForAsync("begun");

        await run.StopAsync(TimeSpan.Zero);

        await Assert.ThrowsAsync<IOException>(() => running.WaitAsync(Patience, Token));
        await Assert.ThrowsAsync<IOException>(() => ExecAsync(run, "true"));
    }

    [Fact]
    public async Task A_further_command_counts_in_the_limits()
    {
        await using var run = await StartSleeperAsync(Python(Sleeper) with { Limits = new RunLimits { MemoryBytes = 64L << 20 } });

        var eating = ExecAsync(run, "python3", "-c", "kept = b'x' * (200 << 20)");

        // Where only each process by itself can be limited, it is refused the memory, and the run goes on.
        if (await Task.WhenAny(run.Exited, eating).WaitAsync(Patience, Token) == eating && eating is { IsCompletedSuccessfully: true, Result.Code: 1 }) return;
        var exit = await run.Exited.WaitAsync(Patience, Token);
        Assert.Equal(RunExitReason.OutOfMemory, exit.Reason);
        // It was ended before the rest of the run, or with it.
        if (await Record.ExceptionAsync(() => eating) is not IOException) Assert.Equal(137, (await eating).Code);
    }

    private async Task<IRun> StartSleeperAsync(RunSpec spec)
    {
        var output = new Recorder();
        var run = await Runtime.StartAsync(spec, output.Receive, Token);
        await output.WaitForAsync("ready");
        return run;
    }

    private static async Task<(int Code, Recorder Output)> ExecAsync(IRun run, params string[] command)
    {
        var output = new Recorder();
        return (await run.ExecAsync(command, Stream.Null, output.Receive, Token).AsTask().WaitAsync(Patience, Token), output);
    }
}
