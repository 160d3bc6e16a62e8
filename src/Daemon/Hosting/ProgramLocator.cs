using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>Says on which member a program runs now. One answer for all who ask: logs, tunnels, data.</summary>
internal sealed class ProgramLocator(SwarmRegistry swarms)
{
    /// <summary>The member that holds a program; null when nobody does, or when this node knows neither the swarm nor the program.</summary>
    public PeerId? HolderOf(SwarmId swarm, EntryHash program) =>
        swarms.Find(swarm)?.State.Programs.GetValueOrDefault(program) is { Stopped: false } known ? known.Host : null;
}
