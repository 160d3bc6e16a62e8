using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>A first look at Podman in each run of the tests; all of <see cref="DockerConformanceTests"/> pass with it too, which takes minutes (PC_TEST_ENGINE=podman).</summary>
public sealed class PodmanTests(SharedPodman podman)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Goal: what Podman is told in other words than Docker holds. Method: a program in its own folder that asks for a namespace, then takes too much memory in a child.
    [Fact]
    public async Task A_program_runs_in_Podman_and_is_held_as_in_Docker()
    {
        var runtime = await podman.RuntimeAsync();
        Assert.Contains(await runtime.ProbeAsync(Token), report => report is { Name: "docker", Holds: true } && report.How.StartsWith("Podman ", StringComparison.Ordinal));
        var output = new Recorder();
        const string program = """
            import os, subprocess, time
            open('/app/file', 'w').write('own')
            print('namespace', subprocess.call(['unshare', '-U', 'true'], stderr=subprocess.DEVNULL), flush=True)
            if os.fork() == 0: kept = b'x' * (200 << 20)
            time.sleep(1000)
            """;
        var spec = new RunSpec("smoke", ["python3", "-c", program], SourceFolder: null, new Dictionary<string, string>(), new RunLimits { MemoryBytes = 64L << 20 }, NetworkMode.None);

        await using var run = await runtime.StartAsync(spec, output.Receive, Token);
        var exit = await run.Exited.WaitAsync(TimeSpan.FromMinutes(2), Token);

        Assert.Contains("namespace 1", output.Out, StringComparison.Ordinal);
        Assert.Equal((RunExitReason.OutOfMemory, 137), (exit.Reason, exit.ExitCode));
    }

    [Fact]
    public async Task Podman_builds_no_Dockerfile_whose_steps_nothing_would_hold()
    {
        var runtime = await podman.RuntimeAsync();
        var folder = Directory.CreateTempSubdirectory("podman-build-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "Dockerfile"), $"FROM {Dockerd.Image}\n", Token);

        var error = await Assert.ThrowsAsync<PcException>(() => runtime.BuildAsync(folder, "pc-built:podman", new RunLimits(), NetworkMode.None, _ => ValueTask.CompletedTask, Token));

        Assert.Equal((ErrorCode.DockerBuildFailed, $"this host {runtime.BuildObstacle}"), (error.Code, error.Message));
        Directory.Delete(folder, recursive: true);
    }
}
