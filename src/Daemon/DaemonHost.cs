using PeoplesCloud.Base;
using PeoplesCloud.Base.Files;
using PeoplesCloud.Daemon.Configuration;
using PeoplesCloud.Daemon.Mesh;

namespace PeoplesCloud.Daemon;

/// <summary>What <c>pc daemon</c> runs: one node, from start to stop.</summary>
public static class DaemonHost
{
    /// <summary>
    /// Starts a node, prints one line <c>ready PEERID MULTIADDR</c> when it serves, and runs until it is cancelled (TERM, Ctrl-C),
    /// asked to stop (<c>pc down</c>) or a part fails that it cannot do without. Stops in order: programs, then the mesh, then the store.
    /// </summary>
    /// <param name="config">What to run.</param>
    /// <param name="stdout">Gets the one line.</param>
    /// <param name="cancellationToken">Asks it to stop.</param>
    /// <returns>0 after an orderly stop, 1 after a failure.</returns>
    /// <exception cref="PcException">It could not start; nothing was left running.</exception>
    public static async Task<int> RunAsync(DaemonConfig config, TextWriter stdout, CancellationToken cancellationToken)
    {
        await using var node = await DaemonNode.StartAsync(config, TimeProvider.System, SystemDisk.Instance, cancellationToken, fences: true);
        var address = UsableAddresses.Choose(node.Host.ListenAddresses, UsableAddresses.Bridges()).FirstOrDefault(node.Host.ListenAddresses[0]).WithPeer(node.Self);
        await stdout.WriteLineAsync($"ready {node.Self} {address}".AsMemory(), cancellationToken);
        await stdout.FlushAsync(cancellationToken);

        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = cancellationToken.Register(cancelled.SetResult);
        var first = await Task.WhenAny(cancelled.Task, node.StopRequested, node.Failed);
        var reason = first == node.Failed ? "a part failed" : first == node.StopRequested ? await node.StopRequested : "asked by a signal";
        DaemonLog.Stopped(node.Logger, reason);
        return first == node.Failed ? (int)ExitCode.Failed : (int)ExitCode.Done;
    }
}
