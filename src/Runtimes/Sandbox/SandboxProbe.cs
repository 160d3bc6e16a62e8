using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Sandbox;

/// <summary>Says which limits hold on this host and how, by asking the host and by running a command in a sandbox.</summary>
internal sealed class SandboxProbe(SandboxRuntime runtime, ToolBox box)
{
    private const string Delegate = "run the daemon as a systemd user unit with Delegate=yes (pc up --boot), or: systemd-run --user --scope -p Delegate=yes pc up";

    /// <summary>All reports: sandbox, user, seccomp, memory, cpu, pids, disk, network.</summary>
    public async ValueTask<IReadOnlyList<RuntimeReport>> RunAsync(CancellationToken cancellationToken)
    {
        if (box.Find("bwrap") is null) return [new RuntimeReport("sandbox", Holds: false, $"bwrap is missing: {ToolBox.InstallLine("bwrap")}")];
        if (!SeccompFilter.IsAvailable(box.LibraryFolders())) return [new RuntimeReport("sandbox", Holds: false, $"libseccomp is missing: {ToolBox.InstallLine("libseccomp.so.2")}")];
        SandboxHost host;
        try
        {
            host = runtime.Host();
            await TryAsync(cancellationToken);
        }
        catch (PcException e)
        {
            return [new RuntimeReport("sandbox", Holds: false, $"{e.Message}; try: {e.Hint}")];
        }

        var groups = host.Cgroups;
        var root = SandboxFolders.IsRoot;
        return
        [
            new("sandbox", Holds: true, $"bubblewrap at {host.Tools.Bubblewrap.Path}"),
            new("user", Holds: true, root ? "each sandbox has a user of its own" : "sandboxes share your user, in user namespaces of their own"),
            new("seccomp", Holds: true, "libseccomp"),
            groups is { HasMemory: true }
                ? new("memory", Holds: true, groups.Name)
                : new("memory", Holds: true, $"rlimit for each process, all together measured 4 times a second, memory that no process has mapped (files in /tmp and /app) not counted; for a control group {Delegate}"),
            groups is { HasCpu: true }
                ? new("cpu", Holds: true, groups.Name)
                : new("cpu", Holds: false, $"not limited; {Delegate}"),
            groups is { HasPids: true }
                ? new("pids", Holds: true, groups.Name)
                : new("pids", Holds: true, "rlimit in the sandbox's user namespace"),
            new("disk", Holds: true, groups is { HasMemory: true } ? "tmpfs with a size, which counts as memory" : "tmpfs with a size"),
            SandboxNetwork.Obstacle(host.Tools.Network) is { } obstacle
                ? new("network", Holds: false, $"only none is possible: {obstacle}")
                : new("network", Holds: true, $"slirp4netns at {host.Tools.Network.Slirp!.Path}"),
        ];
    }

    /// <summary>A command in a sandbox tells more than any file of the host: hosts forbid user namespaces in several ways.</summary>
    private async Task TryAsync(CancellationToken cancellationToken)
    {
        var spec = new RunSpec("probe", ["true"], SourceFolder: null, new Dictionary<string, string>(StringComparer.Ordinal), new RunLimits(), NetworkMode.None);
        await using var run = await runtime.StartAsync(spec, (_, _) => ValueTask.CompletedTask, cancellationToken);
        var exit = await run.Exited.WaitAsync(cancellationToken);
        if (exit.ExitCode != 0) throw new PcException(ErrorCode.SandboxFailed, $"a command that does nothing ended with {exit.ExitCode} in a sandbox");
    }
}
