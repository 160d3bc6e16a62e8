using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Logs;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs;

/// <summary>
/// How an owner reaches hosts: one call is one request of docs/protocols/programs.md. The daemon implements it over the mesh, and
/// hands calls for this node itself to its own <see cref="Hosting.ProgramHost"/>. The host checks that the caller may ask for it.
/// A host that is not reached throws what the mesh throws; one that refuses throws the <see cref="Base.PcException"/> that it answered.
/// </summary>
public interface IProgramMesh
{
    /// <summary>Asks a member whether it would run a program like this, and at which rank.</summary>
    ValueTask<HostOffer> AskAsync(PeerId host, ProgramAsk ask, CancellationToken cancellationToken);

    /// <summary>
    /// Has a host start a program; completes when its first instruction can run. The host fetches the bundle from its keepers. The
    /// implementation makes sure that the host has the program's signed entry, and the host compares the two.
    /// </summary>
    ValueTask StartAsync(PeerId host, ProgramSpec program, CancellationToken cancellationToken);

    /// <summary>Has a host stop a program; completes when it has ended. Stopping what does not run is no error.</summary>
    ValueTask StopAsync(PeerId host, SwarmId swarm, EntryHash program, CancellationToken cancellationToken);

    /// <summary>A program's log on its host.</summary>
    /// <param name="host">The host.</param>
    /// <param name="swarm">The swarm.</param>
    /// <param name="program">The program.</param>
    /// <param name="start">With which line to begin.</param>
    /// <param name="follow">Whether to go on with new lines until cancelled or the program has ended.</param>
    /// <param name="cancellationToken">Ends following.</param>
    IAsyncEnumerable<LogLine> LogsAsync(PeerId host, SwarmId swarm, EntryHash program, LogStart start, bool follow, CancellationToken cancellationToken);
}
