using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes.Docker;

namespace PeoplesCloud.Runtimes.Tests.Docker;

/// <summary>A daemon in a process of its own that runs a command in Docker, for tests that kill it.</summary>
internal static class DoomedDocker
{
    /// <summary>The first argument of a process that is one; then the engine's socket and its folder.</summary>
    public const string Word = "doomed-docker";

    /// <summary>Whose its containers are.</summary>
    public const string Owner = "doomed";

    /// <summary>How long its guard waits for a sign of life.</summary>
    public static readonly TimeSpan GuardTime = TimeSpan.FromSeconds(4);

    /// <summary>The options of it, and of one that starts after it.</summary>
    public static DockerOptions Options(string socket, string folder) => DockerTestBase.Options(socket, folder) with { Owner = Owner, GuardTime = GuardTime };

    /// <summary>Says its guard's process number when everything runs.</summary>
    public static async Task<int> RunAsync(string socket, string folder)
    {
        await using var runtime = new DockerRuntime(Options(socket, folder), TimeProvider.System, NullLogger.Instance);
        await runtime.CollectAsync(CancellationToken.None);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var spec = new RunSpec("doomed", ["python3", "-c", "import signal\nprint('ready', flush=True)\nsignal.pause()"], null, new Dictionary<string, string>(), new RunLimits(), NetworkMode.None);
        var run = await runtime.StartAsync(spec, (_, _) => { started.TrySetResult(); return ValueTask.CompletedTask; }, CancellationToken.None);
        await started.Task;
        Console.WriteLine(runtime.GuardPid);
        await run.Exited;
        return 1; // it should have been killed
    }
}
