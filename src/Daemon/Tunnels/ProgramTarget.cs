using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>A program's port wherever the program runs.</summary>
internal sealed class ProgramTarget(TunnelDialer dialer, LocalSwarm swarm, string program, int number) : IPortTarget
{
    /// <inheritdoc/>
    public async ValueTask<PortEnd> ConnectAsync(CancellationToken cancellationToken) => await dialer.DialAsync(swarm, program, number, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IDatagramChannel> OpenDatagramsAsync(CancellationToken cancellationToken) => await dialer.DialDatagramsAsync(swarm, program, number, cancellationToken);
}
