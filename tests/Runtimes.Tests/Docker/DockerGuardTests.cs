using System.Diagnostics;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Sandbox;
using PeoplesCloud.Runtimes.Tests.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>A container never outlives its right to run, whoever of daemon, guard and engine dies.</summary>
public sealed class DockerGuardTests(SharedDockerd shared) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("docker-guard-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task When_the_daemon_is_killed_the_guard_ends_its_container_and_itself()
    {
        var docker = await shared.StartedAsync();
        using var daemon = await DoomedAsync(docker);
        Assert.Equal(1, await RunningAsync(docker));

        await KillAsync(daemon.Process);

        await Eventually.TrueAsync(async () => await RunningAsync(docker) == 0, "no container runs");
        await Processes.WaitForEndAsync(daemon.Guard, Token);
    }

    [Fact]
    public async Task When_the_daemon_hangs_the_guard_ends_its_container()
    {
        var docker = await shared.StartedAsync();
        using var daemon = await DoomedAsync(docker);

        _ = LibC.kill(daemon.Process.Id, LibC.Stop);

        await Eventually.TrueAsync(async () => await RunningAsync(docker) == 0, "no container runs");
        await KillAsync(daemon.Process);
        await Processes.WaitForEndAsync(daemon.Guard, Token);
    }

    [Fact]
    public async Task When_daemon_and_guard_are_killed_the_container_ends_by_itself()
    {
        var docker = await shared.StartedAsync();
        using var daemon = await DoomedAsync(docker);

        await KillAsync(daemon.Process);
        _ = LibC.kill(daemon.Guard, LibC.Kill);

        await Eventually.TrueAsync(async () => await RunningAsync(docker) == 0, "no container runs");
    }

    [Fact]
    public async Task When_daemon_and_guard_are_killed_the_next_daemon_ends_the_container_before_anything_else()
    {
        var docker = await shared.StartedAsync();
        using var daemon = await DoomedAsync(docker);
        // Its keeper stands still, and would end it when it goes on.
        await docker.RunAsync("pause", await docker.RunAsync("ps", "--quiet", "--filter", $"label={DockerContainer.OwnerLabel}={DoomedDocker.Owner}"));
        await KillAsync(daemon.Process);
        _ = LibC.kill(daemon.Guard, LibC.Kill);
        await Processes.WaitForEndAsync(daemon.Guard, Token);
        Assert.Equal(1, await RunningAsync(docker));

        await using var next = await DockerTestBase.StartAsync(DoomedDocker.Options(docker.Socket, daemon.Folder));

        Assert.Equal(0, await RunningAsync(docker));
    }

    [Fact]
    public async Task Another_guard_takes_the_place_of_one_that_was_killed_and_knows_what_it_knew()
    {
        var docker = await shared.StartedAsync();
        await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(docker.Socket, _folder) with { GuardTime = DoomedDocker.GuardTime });
        await using var run = await runtime.StartAsync(Waiting(), (_, _) => ValueTask.CompletedTask, Token);
        var first = runtime.GuardPid!.Value;

        _ = LibC.kill(first, LibC.Kill);
        await Eventually.TrueAsync(() => runtime.GuardPid is { } pid && pid != first, "there is another guard");
        Assert.False(run.Exited.IsCompleted);
        run.RunsUntil(BootTime.Now);

        Assert.Equal(new RunExit(137, RunExitReason.Signalled), await run.Exited.WaitAsync(RuntimeConformance.Patience, Token));
    }

    [Fact]
    public async Task A_lease_that_is_not_renewed_ends_the_run_although_the_daemon_lives()
    {
        var docker = await shared.StartedAsync();
        await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(docker.Socket, _folder) with { GuardTime = DoomedDocker.GuardTime });
        await using var leased = await runtime.StartAsync(Waiting(), (_, _) => ValueTask.CompletedTask, Token);
        await using var renewed = await runtime.StartAsync(Waiting(), (_, _) => ValueTask.CompletedTask, Token);
        var until = BootTime.Now + TimeSpan.FromSeconds(1);

        leased.RunsUntil(until);
        renewed.RunsUntil(until);
        renewed.RunsUntil(until + RuntimeConformance.Patience);

        Assert.Equal(new RunExit(137, RunExitReason.Signalled), await leased.Exited.WaitAsync(RuntimeConformance.Patience, Token));
        Assert.True(BootTime.Now >= until);
        Assert.False(renewed.Exited.IsCompleted);
    }

    [Fact]
    public async Task When_the_engine_is_killed_the_run_ends_and_its_successor_starts_when_the_engine_is_back()
    {
        await shared.StartedAsync();
        await using var docker = await Dockerd.StartAsync();
        var options = DockerTestBase.Options(docker.Socket, _folder);
        await using var runtime = await DockerTestBase.StartAsync(options);
        var output = new Recorder();
        await using var run = await runtime.StartAsync(Waiting(), output.Receive, Token);
        await output.WaitForAsync("waiting\n");
        var container = Assert.Single((await docker.RunAsync("ps", "--quiet")).Split('\n'));
        var process = int.Parse(await docker.RunAsync("inspect", "--format", "{{.State.Pid}}", container));

        await docker.KillAsync();

        Assert.Equal(new RunExit(137, RunExitReason.Signalled), await run.Exited.WaitAsync(RuntimeConformance.Patience, Token));
        await Processes.WaitForEndAsync(process, Token);
        var away = await Assert.ThrowsAsync<Base.PcException>(async () => await runtime.StartAsync(Waiting(), (_, _) => ValueTask.CompletedTask, Token));
        Assert.Equal(Base.ErrorCode.DockerUnreachable, away.Code);
        await docker.StartAgainAsync();
        await using var successor = await runtime.StartAsync(Waiting(), output.Receive, Token);
        await output.WaitForAsync("waiting\nwaiting\n");
        Assert.DoesNotContain(container, await docker.RunAsync("ps", "--all", "--quiet"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_starts_while_the_engine_is_gone_ends_what_an_earlier_one_left()
    {
        await shared.StartedAsync();
        await using var docker = await Dockerd.StartAsync();
        using var daemon = await DoomedAsync(docker);
        var process = int.Parse(await docker.RunAsync("inspect", "--format", "{{.State.Pid}}", await docker.RunAsync("ps", "--quiet")));
        await docker.KillAsync();
        await KillAsync(daemon.Process);
        _ = LibC.kill(daemon.Guard, LibC.Kill);
        // The three of them are gone, and the program runs: nobody is left who could know.
        Assert.NotNull(SandboxOwner.StartOf(process));

        await using var next = await DockerTestBase.StartAsync(DoomedDocker.Options(docker.Socket, daemon.Folder));

        await Processes.WaitForEndAsync(process, Token);
        await docker.StartAgainAsync();
        await next.CollectAsync(Token);
        Assert.Empty(await docker.RunAsync("ps", "--all", "--quiet"));
    }

    [Fact]
    public async Task Containers_of_others_are_left_alone()
    {
        var docker = await shared.StartedAsync();
        await using var other = await DockerTestBase.StartAsync(DockerTestBase.Options(docker.Socket, Path.Combine(_folder, "other")));
        await using var run = await other.StartAsync(Waiting(), (_, _) => ValueTask.CompletedTask, Token);

        await using var runtime = await DockerTestBase.StartAsync(DockerTestBase.Options(docker.Socket, _folder));
        await runtime.CollectAsync(Token);

        Assert.False(run.Exited.IsCompleted);
    }

    private static RunSpec Waiting() => DockerIsolationTests.Spec("python3", "-c", "import signal\nprint('waiting', flush=True)\nsignal.pause()");

    private static async Task<int> RunningAsync(Dockerd docker) =>
        (await docker.RunAsync("ps", "--quiet", "--filter", $"label={DockerContainer.OwnerLabel}={DoomedDocker.Owner}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;

    private static async Task KillAsync(Process process)
    {
        process.Kill();
        await process.WaitForExitAsync(Token);
    }

    private async Task<Doomed> DoomedAsync(Dockerd docker)
    {
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [DoomedDocker.Word, docker.Socket, _folder]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        var guard = await process.StandardOutput.ReadLineAsync(Token).AsTask().WaitAsync(RuntimeConformance.Patience, Token);
        return new Doomed(process, int.Parse(guard!), _folder);
    }

    private sealed record Doomed(Process Process, int Guard, string Folder) : IDisposable
    {
        public void Dispose()
        {
            if (!Process.HasExited) Process.Kill();
            Process.Dispose();
        }
    }
}
