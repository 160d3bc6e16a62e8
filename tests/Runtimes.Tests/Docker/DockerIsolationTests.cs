using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Tests.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>What a container sees and may do, what images are run and built, and what is refused.</summary>
[Collection(nameof(FarNetwork))]
public sealed class DockerIsolationTests(SharedDockerd docker, FarNetwork far) : IDisposable
{
    private static int _runs;

    private readonly string _folder = Directory.CreateTempSubdirectory("docker-isolation-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A command with no network and the default limits.</summary>
    internal static RunSpec Spec(params IReadOnlyList<string> command) =>
        new($"docker-{Interlocked.Increment(ref _runs)}", command, null, new Dictionary<string, string>(), new RunLimits(), NetworkMode.None);

    [Fact]
    public async Task A_program_has_no_rights_and_sees_nothing_of_the_host()
    {
        var (output, _) = await RunAsync(Spec("python3", "-c", """
            import os
            status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
            print('rights', status['CapEff'].strip(), status['CapBnd'].strip(), status['NoNewPrivs'].strip(), status['Seccomp'].strip())
            print('root', os.getuid() == 0 or os.getgid() == 0 or os.getgroups() not in ([], [os.getgid()]))
            print('processes', len([name for name in os.listdir('/proc') if name.isdigit()]))
            print('name', os.uname().nodename)
            for path in ('/new', '/usr/new', '/etc/hosts', '/dev/new', '/proc/sys/kernel/hostname', '/run/new'):
              try:
                open(path, 'a').close()
                print('wrote', path)
              except OSError as e: pass
            print('engine', os.path.exists('/var/run/docker.sock'))
            """));

        Assert.Equal("rights 0000000000000000 0000000000000000 1 2\nroot False\nprocesses 3\nname sandbox\nengine False\n", output);
    }

    [Fact]
    public async Task The_engine_was_told_all_that_holds_a_container_in()
    {
        var engine = await docker.StartedAsync();
        var runtime = await docker.RuntimeAsync();
        await using var run = await runtime.StartAsync(Spec("sleep", "1000"), (_, _) => ValueTask.CompletedTask, Token);

        using var inspected = JsonDocument.Parse(await engine.RunAsync("inspect", ((DockerRun)run).Container));

        var config = inspected.RootElement[0].GetProperty("HostConfig");
        Assert.Equal("no", config.GetProperty("RestartPolicy").GetProperty("Name").GetString());
        Assert.True(config.GetProperty("ReadonlyRootfs").GetBoolean());
        Assert.False(config.GetProperty("Privileged").GetBoolean());
        Assert.Equal("none", config.GetProperty("NetworkMode").GetString());
        Assert.Equal("none", config.GetProperty("LogConfig").GetProperty("Type").GetString());
        Assert.Equal(["no-new-privileges"], config.GetProperty("SecurityOpt").EnumerateArray().Select(option => option.GetString()));
        Assert.Equal(["ALL"], config.GetProperty("CapDrop").EnumerateArray().Select(option => option.GetString()));
        Assert.Equal(config.GetProperty("Memory").GetInt64(), config.GetProperty("MemorySwap").GetInt64());
    }

    [Theory]
    [InlineData(NetworkMode.Internet)]
    [InlineData(NetworkMode.Lan)]
    public async Task The_network_is_the_sandboxs_and_refuses_what_that_refuses(NetworkMode mode)
    {
        far.Need();
        _ = await docker.StartedAsync();
        string[] lan = [FarNetwork.Lan10, FarNetwork.Lan172, FarNetwork.Lan192];
        string[] never = [FarNetwork.Metadata, FarNetwork.Carrier, FarNetwork.HostEnd];
        foreach (var address in lan) Assert.Equal("hello", await far.HearAsync(address, Token));

        var (output, _) = await RunAsync(Spec(["python3", "-c", SandboxNetworkTests.Connect, .. new[] { FarNetwork.Internet }.Concat(lan).Concat(never).Select(address => $"{address}:{far.Port}")]) with { Network = mode });

        var expected = new[] { (FarNetwork.Internet, "hello") }.Concat(lan.Select(address => (address, mode == NetworkMode.Lan ? "hello" : "refused"))).Concat(never.Select(address => (address, "refused")));
        Assert.Equal(string.Concat(expected.Select(one => $"{one.Item1}:{far.Port} {one.Item2}\n")), output);
    }

    [Fact]
    public async Task Datagrams_do_not_go_around_the_refusals()
    {
        far.Need();
        _ = await docker.StartedAsync();

        var (output, errors) = await RunAsync(Spec("python3", "-c", SandboxNetworkTests.GoAround, $"{far.Port}", FarNetwork.Lan10, FarNetwork.Metadata) with { Network = NetworkMode.Internet });

        Assert.True(output.EndsWith("hello\n", StringComparison.Ordinal), output + errors);
        Assert.DoesNotContain($"{FarNetwork.Lan10} hello", output, StringComparison.Ordinal);
        if (far.Datagrams() is { } got)
            foreach (var address in new[] { FarNetwork.Lan10, FarNetwork.Metadata })
                Assert.DoesNotContain($"-{address}", got, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_is_run_by_its_own_command_and_with_its_own_files()
    {
        var (output, _) = await RunAsync(Spec() with { Image = Dockerd.Image });

        Assert.Equal("its own command\n", output);
    }

    [Fact]
    public async Task An_image_is_built_from_a_Dockerfile_and_run()
    {
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "Dockerfile"), $"FROM {Dockerd.Image}\nWORKDIR /app\nCOPY words .\nRUN [\"sh\", \"-c\", \"echo built; echo more >> words\"]\nCMD [\"cat\", \"words\"]\n", Token);
        await File.WriteAllTextAsync(Path.Combine(_folder, "words"), "from the folder\n", Token);
        var said = new List<string>();

        await runtime.BuildAsync(_folder, "pc-built:test", new RunLimits(), NetworkMode.None, line => { said.Add(line); return ValueTask.CompletedTask; }, Token);

        Assert.Contains("built", said);
        Assert.Contains("pc-built:test", await runtime.ImagesAsync(Token));
        var (output, _) = await RunAsync(Spec() with { Image = "pc-built:test" });
        Assert.Equal("from the folder\nmore\n", output);
    }

    [Fact]
    public async Task A_Dockerfile_that_fails_says_what_its_step_said()
    {
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "Dockerfile"), $"FROM {Dockerd.Image}\nRUN [\"sh\", \"-c\", \"echo no such wheel >&2; exit 9\"]\n", Token);

        var error = await Assert.ThrowsAsync<PcException>(() => runtime.BuildAsync(_folder, "pc-failed:test", new RunLimits(), NetworkMode.None, _ => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerBuildFailed, error.Code);
        Assert.Contains("no such wheel", error.Message, StringComparison.Ordinal);
        Assert.Contains("9", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("pc-failed:test", await runtime.ImagesAsync(Token));
    }

    [Theory]
    [InlineData(NetworkMode.Internet, "hello")]
    [InlineData(NetworkMode.None, "refused")]
    public async Task The_steps_of_a_build_have_the_network_of_a_run(NetworkMode network, string expected)
    {
        far.Need();
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "connect.py"), SandboxNetworkTests.Connect, Token);
        var addresses = new[] { FarNetwork.Internet, FarNetwork.Lan10, FarNetwork.HostEnd, FarNetwork.Metadata };
        var words = string.Concat(addresses.Select(address => $", \"{address}:{far.Port}\""));
        // What an engine built before it does not build again: the network is in a name.
        await File.WriteAllTextAsync(Path.Combine(_folder, "Dockerfile"), $"FROM {Dockerd.Image}\nENV NETWORK={network}\nCOPY connect.py /\nRUN [\"python3\", \"/connect.py\"{words}]\n", Token);
        var said = new List<string>();

        await runtime.BuildAsync(_folder, $"pc-network-{network.ToString().ToLowerInvariant()}:test", new RunLimits(), network, line => { said.Add(line); return ValueTask.CompletedTask; }, Token);

        var heard = string.Join('\n', said).Split('\n').Where(line => line.Contains($":{far.Port} ", StringComparison.Ordinal) && !line.Contains("RUN", StringComparison.Ordinal));
        Assert.Equal([$"{FarNetwork.Internet}:{far.Port} {expected}", .. addresses.Skip(1).Select(address => $"{address}:{far.Port} refused")], heard);
    }

    [Fact]
    public async Task The_steps_of_a_build_have_limits()
    {
        var engine = await docker.StartedAsync();
        var runtime = await docker.RuntimeAsync();
        // Waits until its limit is there: the engine is told when the step has begun.
        await File.WriteAllTextAsync(Path.Combine(_folder, "limits.py"), """
            import glob, os, time
            files = [file for file in ('/sys/fs/cgroup/pids/pids.max', '/sys/fs/cgroup/pids.max') if os.path.exists(file)]
            while open(files[0]).read() == 'max\n': time.sleep(0.01)
            children = 0
            try:
              while True:
                if os.fork() == 0: time.sleep(1000)
                children += 1
            except OSError as e: print('children', children, e.strerror, flush=True)
            kept = b'x' * (200 << 20)
            print('took it', flush=True)
            """, Token);
        await File.WriteAllTextAsync(Path.Combine(_folder, "Dockerfile"), $"FROM {Dockerd.Image}\nCOPY limits.py /\nRUN [\"python3\", \"/limits.py\"]\n", Token);

        var error = await Assert.ThrowsAsync<PcException>(() => runtime.BuildAsync(_folder, "pc-limits:test", new RunLimits { MemoryBytes = 128 << 20, Pids = 20 }, NetworkMode.None, _ => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerBuildFailed, error.Code);
        Assert.Contains("children 19 Resource temporarily unavailable", error.Message, StringComparison.Ordinal);
        Assert.Contains("137", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("took it", error.Message, StringComparison.Ordinal);
        Assert.Equal("", await engine.RunAsync("ps", "--all", "--quiet", "--filter", $"ancestor={DockerBuildPlace.EmptyImage}"));
    }

    [Fact]
    public async Task A_Dockerfile_that_is_none_is_refused()
    {
        var runtime = await docker.RuntimeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder, "Dockerfile"), "print('hello')\n", Token);

        var error = await Assert.ThrowsAsync<PcException>(() => runtime.BuildAsync(_folder, "pc-none:test", new RunLimits(), NetworkMode.None, _ => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerBuildFailed, error.Code);
        Assert.Contains("unknown instruction", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("no-such-image:1")]
    [InlineData("../containers/json")]
    [InlineData("UPPER CASE?all=1")]
    public async Task An_image_that_is_not_here_is_refused(string image)
    {
        var runtime = await docker.RuntimeAsync();

        var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true") with { Image = image }, (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerImageMissing, error.Code);
    }

    [Fact]
    public async Task An_image_that_cannot_be_fetched_says_why()
    {
        var engine = await docker.StartedAsync();
        await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(engine.Socket, _folder) with { Pulls = true });

        var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true") with { Image = "localhost:1/none:1" }, (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerImageMissing, error.Code);
        Assert.Contains("could not be fetched", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_engine_refuses_is_told_in_its_words_and_leaves_nothing()
    {
        var engine = await docker.StartedAsync();
        var runtime = await docker.RuntimeAsync();
        await using var first = await runtime.StartAsync(Spec("sleep", "1000") with { Id = "taken" }, (_, _) => ValueTask.CompletedTask, Token);

        var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true") with { Id = "taken" }, (_, _) => ValueTask.CompletedTask, Token));

        Assert.Equal(ErrorCode.DockerRefused, error.Code);
        Assert.Contains("taken", error.Message, StringComparison.Ordinal);
        Assert.False(first.Exited.IsCompleted);
        Assert.Single((await engine.RunAsync("ps", "--all", "--quiet", "--filter", "name=taken")).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Nothing_runs_without_a_guard()
    {
        var engine = await docker.StartedAsync();
        foreach (var guard in new IReadOnlyList<string>?[] { null, ["/bin/false"], ["/no/such/guard"] })
        {
            await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(engine.Socket, _folder) with { Guard = guard });

            var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true"), (_, _) => ValueTask.CompletedTask, Token));

            Assert.Equal(ErrorCode.DockerGuardFailed, error.Code);
        }
    }

    [Fact]
    public async Task Without_an_engine_every_question_has_a_clear_answer()
    {
        await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(Path.Combine(_folder, "none.sock"), _folder));

        var report = Assert.Single(await runtime.ProbeAsync(Token));
        var error = await Assert.ThrowsAsync<PcException>(async () => await runtime.StartAsync(Spec("true"), (_, _) => ValueTask.CompletedTask, Token));

        Assert.False(report.Holds);
        Assert.Contains("none.sock", report.How, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.DockerUnreachable, error.Code);
    }

    private async Task<(string Output, string Errors)> RunAsync(RunSpec spec)
    {
        var runtime = await docker.RuntimeAsync();
        var output = new Recorder();
        await using var run = await runtime.StartAsync(spec, output.Receive, Token);
        var exit = await run.Exited.WaitAsync(RuntimeConformance.Patience, Token);
        Assert.True(exit.ExitCode == 0, $"{exit}\n{output.Out}\n{output.Err}");
        return (output.Out, output.Err);
    }
}
