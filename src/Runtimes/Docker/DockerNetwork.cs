using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes.Sandbox;

namespace PeoplesCloud.Runtimes.Docker;

/// <summary>
/// The network of a container that has one: the sandbox's, made in the container's own network namespace. Docker's bridge would let a program
/// reach the host, its neighbours and the LAN; here the same addresses are refused in the same places as for a sandbox.
/// </summary>
internal sealed class DockerNetwork(DockerOptions options, TimeProvider time, ILogger logger)
{
    private readonly NetworkTools _tools = NetworkTools.Find(new ToolBox(options.ToolFolders));

    /// <summary>By what containers have a network.</summary>
    public string How => $"slirp4netns at {_tools.Slirp?.Path}";

    /// <summary>Why containers of this host can have none; null when they can.</summary>
    public string? Obstacle() => SandboxNetwork.Obstacle(_tools);

    /// <summary>Gives a container its network.</summary>
    /// <param name="process">The container's first process.</param>
    /// <param name="name">What runs in it, for the error.</param>
    /// <param name="network">What network.</param>
    /// <param name="again">Whether it had one that an earlier daemon served.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What serves it; it ends when it is killed or the daemon dies.</returns>
    /// <exception cref="PcException">The host refused (<see cref="ErrorCode.SandboxNetworkFailed"/>).</exception>
    public async Task<SlirpProcess> AttachAsync(HostProcess? process, string name, NetworkMode network, bool again, CancellationToken cancellationToken)
    {
        if (process is null)
            throw new PcException(ErrorCode.SandboxNetworkFailed, $"{name} cannot have the network {network}: its process is not to be seen from this daemon, which may run in a container itself", "Deploy with the network none, or run the daemon beside Docker.");
        var script = SandboxNetwork.ScriptIn(_tools, SandboxNetwork.Refused(network), "exit 0\n", process.Pid, again);
        var shell = await SandboxShell.StartAsync(["/bin/sh", "-c", script], OutputFailed);
        try
        {
            return await SandboxNetwork.AttachAsync(_tools, shell, join: "", cancellationToken);
        }
        finally
        {
            // It has done its work; the namespace is the container's.
            shell.Kill();
            _ = await shell.Ended;
        }
    }

    /// <summary>The way from the daemon into a container's network; null where it is not this daemon's to enter.</summary>
    public SandboxDoor? DoorTo(HostProcess? process, uint user) =>
        process is not null && _tools is { Enter: not null, Bash: not null } ? new SandboxDoor(_tools, time, process.Pid, user) : null;

    private void OutputFailed(Exception error) => DockerLog.OutputDropped(logger, error);
}
