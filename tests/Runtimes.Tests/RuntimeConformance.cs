using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Tests;

/// <summary>What every runtime promises (<see cref="IRuntime"/>). A runtime passes it by a class that derives from this one.</summary>
public abstract partial class RuntimeConformance : IAsyncLifetime
{
    /// <summary>How long a test waits for what must happen: long, since machines are loaded; a pass never waits.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static int _runs;

    /// <summary>The runtime under test.</summary>
    protected IRuntime Runtime { get; private set; } = null!;

    /// <summary>A folder of this test alone.</summary>
    protected string Folder { get; } = Directory.CreateTempSubdirectory("runtimes-").FullName;

    public async ValueTask InitializeAsync() => Runtime = await CreateAsync();

    public virtual async ValueTask DisposeAsync()
    {
        if (Runtime is IAsyncDisposable disposable) await disposable.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends when the test run is cancelled.</summary>
    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Makes the runtime.</summary>
    protected abstract ValueTask<IRuntime> CreateAsync();

    [Fact]
    public async Task Output_of_both_kinds_and_the_exit_code_arrive()
    {
        var (exit, output) = await RunAsync(Python("import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(3)"));

        Assert.Equal("to out\n", output.Out);
        Assert.Equal("to err\n", output.Err);
        Assert.Equal(new RunExit(3, RunExitReason.Exited), exit);
    }

    [Fact]
    public async Task All_output_is_handed_over_before_the_exit_is_told()
    {
        var (exit, output) = await RunAsync(Python("print('x' * 5_000_000, end='')"));

        Assert.Equal(0, exit.ExitCode);
        Assert.Equal(5_000_000, output.Out.Length);
    }

    [Fact]
    public async Task A_slow_receiver_slows_the_command_and_loses_nothing()
    {
        var free = new TaskCompletionSource();
        long received = 0;
        var first = new TaskCompletionSource();
        await using var run = await Runtime.StartAsync(
            Python("import sys\nfor i in range(4096): sys.stdout.write('y' * 1024)"),
            async (OutputKind _, ReadOnlyMemory<byte> bytes) =>
            {
                received += bytes.Length;
                first.TrySetResult();
                await free.Task;
            },
            Token);

        await first.Task.WaitAsync(Patience, Token);
        Assert.False(run.Exited.IsCompleted);
        free.SetResult();
        await run.Exited.WaitAsync(Patience, Token);
        Assert.Equal(4096 * 1024, received);
    }

    [Fact]
    public async Task Its_own_folder_holds_a_writable_copy_of_the_source()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "source")).FullName;
        Directory.CreateDirectory(Path.Combine(source, "lib"));
        await File.WriteAllTextAsync(Path.Combine(source, "bot.py"), "import lib.part\nopen('state', 'w').write('kept')\nprint(lib.part.NAME, open('state').read())", Token);
        await File.WriteAllTextAsync(Path.Combine(source, "lib", "part.py"), "NAME = 'oak'", Token);

        var (exit, output) = await RunAsync(Spec("python3", "bot.py") with { SourceFolder = source });

        Assert.Equal("oak kept\n", output.Out);
        Assert.Equal(0, exit.ExitCode);
        Assert.False(File.Exists(Path.Combine(source, "state")));
    }

    [Fact]
    public async Task The_environment_is_the_given_one_and_nothing_of_the_host()
    {
        Environment.SetEnvironmentVariable("OF_THE_HOST", "secret");

        var (_, output) = await RunAsync(Python("import os; print(sorted(os.environ.items()))") with { Environment = new Dictionary<string, string> { ["GIVEN"] = "a 'b'\n$c" } });

        Assert.Contains(@"('GIVEN', ""a 'b'\n$c"")", output.Out, StringComparison.Ordinal);
        Assert.Contains("('HOME', '/app')", output.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", output.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Arguments_arrive_as_they_were_given()
    {
        string[] words = ["plain", "", " a  b ", "it's", "\"$HOME\" `id` \\", "two\nlines\n", ".", "é漢"];

        var (_, output) = await RunAsync(Spec(["python3", "-c", "import sys; print(sys.argv[1:])", .. words]));

        Assert.Equal("['plain', '', ' a  b ', \"it's\", '\"$HOME\" `id` \\\\', 'two\\nlines\\n', '.', 'é漢']\n", output.Out);
    }

    [Fact]
    public async Task Stopping_sends_TERM_and_lets_the_command_finish()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(
            Python("import os, signal\ndef end(*_):\n  os.write(1, b'tidied\\n')\n  os._exit(7)\nsignal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\nwhile True: signal.pause()"),
            output.Receive, Token);
        await output.WaitForAsync("ready");

        await run.StopAsync(Patience);

        Assert.Equal(new RunExit(7, RunExitReason.Stopped), await run.Exited);
        Assert.Equal("ready\ntidied\n", output.Out);
    }

    [Fact]
    public async Task A_command_that_ignores_TERM_is_killed_after_the_grace_with_everything_it_started()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(
            Python("import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.fork()\nos.setsid() if os.getpgrp() != os.getpid() else None\nprint('ready', flush=True)\nwhile True: signal.pause()"),
            output.Receive, Token);
        await output.WaitForAsync("ready\nready\n");

        await run.StopAsync(TimeSpan.FromMilliseconds(50));

        Assert.Equal(RunExitReason.Stopped, (await run.Exited).Reason);
        Assert.Equal(137, (await run.Exited).ExitCode);
    }

    [Fact]
    public async Task What_the_command_started_ends_with_it()
    {
        // The child keeps standard output open: if it lived on, the run would not end.
        var (exit, output) = await RunAsync(Python("import os, signal\nif os.fork() == 0:\n  os.setsid()\n  signal.signal(signal.SIGHUP, signal.SIG_IGN)\n  while True: signal.pause()\nprint('parent ends')"));

        Assert.Equal("parent ends\n", output.Out);
        Assert.Equal(0, exit.ExitCode);
    }

    [Fact]
    public async Task A_command_that_a_signal_ended_says_so()
    {
        var (exit, _) = await RunAsync(Python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"));

        Assert.Equal(new RunExit(128 + 11, RunExitReason.Signalled), exit);
    }

    [Fact]
    public async Task A_command_that_does_not_exist_ends_with_127()
    {
        var (exit, output) = await RunAsync(Spec("no-such-program"));

        Assert.Equal(127, exit.ExitCode);
        Assert.Contains("no-such-program", output.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limits_that_the_host_cannot_give_are_refused()
    {
        var spec = Python("pass") with { Limits = new RunLimits { MemoryBytes = 1, Cpus = 1e9, Pids = 0, DiskBytes = 0 } };

        var error = await Assert.ThrowsAsync<PcException>(async () => await RunAsync(spec));

        Assert.Equal(ErrorCode.RunLimitRefused, error.Code);
        foreach (var name in new[] { "memory", "cpus", "pids", "disk" }) Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_source_larger_than_the_disk_limit_is_refused()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "large")).FullName;
        await File.WriteAllBytesAsync(Path.Combine(source, "data"), new byte[2 << 20], Token);

        var error = await Assert.ThrowsAsync<PcException>(
            async () => await RunAsync(Python("pass") with { SourceFolder = source, Limits = new RunLimits { DiskBytes = 1 << 20 } }));

        Assert.Equal(ErrorCode.RunSourceTooLarge, error.Code);
    }

    [Fact]
    public async Task A_source_that_is_missing_is_refused()
    {
        var error = await Assert.ThrowsAsync<PcException>(async () => await RunAsync(Python("pass") with { SourceFolder = Path.Combine(Folder, "none") }));

        Assert.Equal(ErrorCode.RunSourceRefused, error.Code);
    }

    [Fact]
    public async Task A_memory_hog_dies_alone()
    {
        var neighbour = new Recorder();
        await using var other = await Runtime.StartAsync(Python("import signal\nprint('alive', flush=True)\nsignal.pause()"), neighbour.Receive, Token);
        await neighbour.WaitForAsync("alive");

        // Each of the processes is below the limit, all together are not.
        var (exit, _) = await RunAsync(
            Python("import os, signal\nfor i in range(4): os.fork()\nkept = b'x' * (40 << 20)\nsignal.pause()") with { Limits = new RunLimits { MemoryBytes = 96L << 20, Pids = 64 } });

        Assert.Equal(RunExitReason.OutOfMemory, exit.Reason);
        Assert.Equal(137, exit.ExitCode);
        Assert.False(other.Exited.IsCompleted);
    }

    [Fact]
    public async Task One_process_cannot_take_more_than_the_memory_limit()
    {
        var (exit, output) = await RunAsync(Python("kept = b'x' * (600 << 20)\nprint('took it')") with { Limits = new RunLimits { MemoryBytes = 64L << 20 } });

        Assert.NotEqual(0, exit.ExitCode);
        Assert.DoesNotContain("took it", output.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fork_bomb_is_contained()
    {
        const int pids = 24;
        var (exit, output) = await RunAsync(Python("""
            import os, signal
            count = 1
            try:
              while True:
                if os.fork() == 0: signal.pause()
                count += 1
            except OSError as e: print(count, e.strerror)
            """) with { Limits = new RunLimits { Pids = pids } });

        Assert.Equal($"{pids} Resource temporarily unavailable\n", output.Out);
        Assert.Equal(0, exit.ExitCode);
    }

    [Fact]
    public async Task Sockets_without_end_are_refused_at_the_limit()
    {
        var (exit, output) = await RunAsync(Python("""
            import socket
            held = []
            try:
              while len(held) < 100000: held.append(socket.socket())
            except OSError as e: print(len(held), e.strerror)
            """));

        Assert.Equal((0, "Too many open files\n"), (exit.ExitCode, output.Out[(output.Out.IndexOf(' ', StringComparison.Ordinal) + 1)..]));
        Assert.InRange(int.Parse(output.Out[..output.Out.IndexOf(' ', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture), 500, RunLimits.OpenFiles);
    }

    [Fact]
    public async Task Processor_time_is_limited_where_the_host_can()
    {
        var report = (await Runtime.ProbeAsync(Token)).Single(report => string.Equals(report.Name, "cpu", StringComparison.Ordinal));
        Assert.SkipUnless(report.Holds, report.How);

        // 0.3 s of work at a fifth of a core takes 1.5 s; a slower host only takes longer.
        var (_, output) = await RunAsync(
            Python("import time\nstart = time.monotonic()\nwhile time.process_time() < 0.3: pass\nprint(time.monotonic() - start)") with { Limits = new RunLimits { Cpus = 0.2 } });

        Assert.InRange(double.Parse(output.Out), 1.0, 60);
    }

    [Theory]
    [InlineData("/tmp")]
    [InlineData("/app")]
    public async Task What_it_writes_is_limited(string folder)
    {
        const long disk = 8L << 20;

        var (_, output) = await RunAsync(Python($"""
            written = 0
            with open('{folder}/fill', 'wb', buffering=0) as f:
              try:
                while True: written += f.write(bytes(65536))
              except OSError as e: print(written, e.strerror)
            """) with { Limits = new RunLimits { DiskBytes = disk } });

        var words = output.Out.Split(' ', 2);
        Assert.InRange(long.Parse(words[0]), disk / 2, disk);
        Assert.Equal("No space left on device\n", words[1]);
    }

    [Fact]
    public async Task What_a_command_uses_is_told()
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(
            Python("import signal, time\nkept = b'x' * (30 << 20)\nwhile time.process_time() < 0.2: pass\nprint('ready', flush=True)\nsignal.pause()"), output.Receive, Token);
        await output.WaitForAsync("ready");

        var usage = run.Usage();

        Assert.InRange(usage.MemoryBytes, 30L << 20, 256L << 20);
        Assert.InRange(usage.CpuTime, TimeSpan.FromSeconds(0.1), TimeSpan.FromSeconds(60));
        Assert.Equal(1, usage.Pids);
    }

    [Fact]
    public async Task Every_report_says_how()
    {
        var reports = await Runtime.ProbeAsync(Token);

        foreach (var name in new[] { "memory", "cpu", "pids", "disk", "network", "seccomp", "user" }) Assert.NotEmpty(reports.Single(report => report.Name == name).How);
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', reports));
    }

    /// <summary>A command line of Python.</summary>
    protected static RunSpec Python(string program) => Spec("python3", "-c", program);

    /// <summary>A command with no network and the default limits.</summary>
    protected static RunSpec Spec(params IReadOnlyList<string> command) =>
        new($"run-{Interlocked.Increment(ref _runs)}", command, null, new Dictionary<string, string>(), new RunLimits(), NetworkMode.None);

    /// <summary>Runs a command to its end.</summary>
    protected async Task<(RunExit Exit, Recorder Output)> RunAsync(RunSpec spec)
    {
        var output = new Recorder();
        await using var run = await Runtime.StartAsync(spec, output.Receive, Token);
        return (await run.Exited.WaitAsync(Patience, Token), output);
    }
}
