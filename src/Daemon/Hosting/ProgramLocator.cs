using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// Says on which member a program runs now. One answer for all who ask: logs, tunnels, data. The best source that knows decides: this node's own
/// lease, what awake members say that they run under the highest epoch, the votes that this node gave as a guardian, what hosts wrote in the feeds, and
/// last the owner's choice.
/// </summary>
internal sealed class ProgramLocator(SwarmRegistry swarms, LeaseService leases)
{
    /// <summary>The member that holds a program; null when nobody does, or when this node knows neither the swarm nor the program.</summary>
    public PeerId? HolderOf(SwarmId swarm, EntryHash program) =>
        swarms.Find(swarm) is { } local && local.State.Programs.TryGetValue(program, out var known) && !known.Stopped ? HolderOf(local, known) : null;

    /// <summary>The member that holds or held a program last; null when it never ran.</summary>
    public PeerId? HolderOf(LocalSwarm swarm, SwarmProgram program)
    {
        if (leases.Of(swarm.Id)?.EpochOf(program.Id) is not null) return swarms.Self;
        if (RunningOf(swarm, program.Id) is { } running) return running.Host;
        if (leases.Of(swarm.Id)?.ViewOf(program.Id)?.Holder is { } voted && voted != swarms.Self) return voted;
        var last = program.Runs.LastOrDefault(run => run.End is not RunEnd.StartFailed);
        return last is null ? program.Host : last.Host;
    }

    /// <summary>Who says that it runs a program now, and how, by the highest epoch; null when nobody who is awake does. This node is not asked.</summary>
    public static (PeerId Host, RunningProgram Running)? RunningOf(LocalSwarm swarm, EntryHash program) => HighestOf(
        from told in swarm.Presence
        where told.Value is { Liveness: not Liveness.Asleep, Record.Info.Leaving: false } && swarm.State.Find(told.Key) is not null
        select (told.Key, told.Value.Record!.Info), program);

    /// <summary>Of hosts and what they say, who runs a program under the highest epoch: a host that does not know yet that it lost its lease says so too.</summary>
    internal static (PeerId Host, RunningProgram Running)? HighestOf(IEnumerable<(PeerId Host, PresenceInfo Info)> hosts, EntryHash program)
    {
        (PeerId Host, RunningProgram Running)? best = null;
        foreach (var (host, info) in hosts)
        {
            foreach (var running in info.Running)
            {
                if (running.Program == program && running.Epoch > (best?.Running.Epoch ?? 0)) best = (host, running);
            }
        }
        return best;
    }
}
