using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Home;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Runtimes.Docker;
using PeoplesCloud.Runtimes.Docker.Lasting;

namespace PeoplesCloud.Daemon.Sessions;

/// <summary>The engine that sessions run in. That they are to run in Docker is their owner's word that Docker may be used: an engine that is opened to programs is taken first, else any.</summary>
internal static class SessionDocker
{
    /// <summary>How long a session runs while its node is away: longer than an update or a repair takes, and no orphan's life.</summary>
    public static readonly TimeSpan AloneTime = TimeSpan.FromHours(1);

    // Where Docker is when it is there: named by the error when it is not.
    private const string UsualSocket = "/run/docker.sock";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The engine of a node whose sessions run in Docker; null where they do not. What they left when they did is removed then.</summary>
    public static async Task<LastingContainers?> OpenAsync(DaemonConfig config, HomePaths paths, PeerId self, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        if (config.Sessions is { IsOn: true, Mode: "docker" }) return Open(config, paths, self.ToString(), time, logger);
        if (Directory.Exists(FolderOf(paths))) await RemoveAllAsync(config, paths, self, time, logger, cancellationToken);
        return null;
    }

    /// <summary>The engine of a configuration.</summary>
    public static LastingContainers Open(DaemonConfig config, HomePaths paths, string owner, TimeProvider time, ILogger logger)
    {
        var setting = config.Docker == DockerSocket.Off ? DockerSocket.Auto : config.Docker;
        var socket = DockerSocket.Find(setting, DaemonConfig.ProcessEnvironment(), File.Exists) ?? UsualSocket;
        return new LastingContainers(DockerHost.OptionsOf(socket, paths, owner) with { Folder = FolderOf(paths) }, AloneTime, time, logger);
    }

    private static async Task RemoveAllAsync(DaemonConfig config, HomePaths paths, PeerId self, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        await using var containers = Open(config, paths, self.ToString(), time, logger);
        try
        {
            foreach (var left in await containers.FindAsync(both.Token)) await containers.RemoveAsync(left.Container, both.Token);
            Directory.Delete(FolderOf(paths), recursive: true);
        }
        catch (Exception e) when (e is PcException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // They end themselves; the next start tries again.
        }
    }

    // Not an id of a session.
    private static string FolderOf(HomePaths paths) => Path.Combine(paths.Sessions, ".docker");
}
