using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>
/// The right to run programs: a host runs one only while it holds its lease. The daemon implements it over the lease engines of its
/// swarms; who has nobody to share programs with takes <see cref="PlacedLeases"/>. Thread-safe.
/// </summary>
public interface IProgramLeases
{
    /// <summary>The epoch under which this node may run a program now; null when it may not.</summary>
    ulong? EpochOf(SwarmProgram program);

    /// <summary>Asks for the lease of a program that its owner starts here; completes with the epoch when this node holds it.</summary>
    /// <exception cref="Base.PcException">It cannot be had.</exception>
    Task<ulong> AcquireAsync(ProgramSpec program, CancellationToken cancellationToken);
}

/// <summary>Leases without guardians: a program's lease is with the member on which its owner placed it.</summary>
public sealed class PlacedLeases(PeerId self) : IProgramLeases
{
    /// <inheritdoc/>
    public ulong? EpochOf(SwarmProgram program) => program.Host == self ? program.Generation : null;

    /// <inheritdoc/>
    public Task<ulong> AcquireAsync(ProgramSpec program, CancellationToken cancellationToken) => Task.FromResult(1UL);
}
