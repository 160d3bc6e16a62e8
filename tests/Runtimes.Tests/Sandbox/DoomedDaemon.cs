using Microsoft.Extensions.Logging.Abstractions;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Tests.Sandbox;

/// <summary>A daemon as far as sandboxes go, in a process of its own: it runs a program, keeps places ready, and waits to be killed.</summary>
internal static class DoomedDaemon
{
    /// <summary>The first argument of a process that is one; the second is its folder.</summary>
    public const string Word = "doomed-daemon";

    /// <summary>Writes its owner's name into the file "ready" when everything runs.</summary>
    public static async Task<int> RunAsync(string folder)
    {
        var network = SandboxNetwork.Obstacle(NetworkTools.Find(new ToolBox([]))) is null;
        var runtime = new SandboxRuntime(
            new SandboxOptions { Folder = Path.Combine(folder, "sandbox"), Standby = network ? [NetworkMode.None, NetworkMode.Internet] : [NetworkMode.None] },
            TimeProvider.System, NullLogger.Instance);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var spec = new RunSpec(
            "doomed", ["python3", "-c", "import signal\nprint('ready', flush=True)\nsignal.pause()"], null, new Dictionary<string, string>(), new RunLimits(),
            network ? NetworkMode.Internet : NetworkMode.None);
        var run = await runtime.StartAsync(spec, (_, _) => { started.TrySetResult(); return ValueTask.CompletedTask; }, CancellationToken.None);
        await started.Task;
        _ = await runtime.StandbyReadyAsync();
        await File.WriteAllTextAsync(Path.Combine(folder, "ready.new"), runtime.Host().Owner.ToString());
        File.Move(Path.Combine(folder, "ready.new"), Path.Combine(folder, "ready"));
        await run.Exited;
        return 1; // it should have been killed
    }
}
