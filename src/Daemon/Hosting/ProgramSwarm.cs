using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>One swarm as the programs wing sees it. What it appends is remembered for the host that is told next.</summary>
internal sealed class ProgramSwarm(LocalSwarm swarm, ProgramMesh mesh, ProgramLocator locator, PeerId self, Func<PeerId, bool> isConnected, TimeProvider time) : IProgramSwarm
{
    /// <inheritdoc/>
    public PeerId Self => self;

    /// <inheritdoc/>
    public SwarmState State => swarm.State;

    /// <inheritdoc/>
    public bool IsAwake(PeerId member) => swarm.IsAwake(member) || isConnected(member);

    /// <inheritdoc/>
    public PeerId? HolderOf(SwarmProgram program) => locator.HolderOf(swarm, program);

    /// <inheritdoc/>
    public async ValueTask<EntryHash> AppendDeployedAsync(ProgramDeployed deployed, PeerId host, SecretSet? secrets, CancellationToken cancellationToken)
    {
        await swarm.WaitUntilConfirmedAsync(cancellationToken);
        var (program, entries) = swarm.Change(replica =>
        {
            var before = secrets is null ? null : replica.Append(secrets, time.GetUtcNow());
            var first = replica.Append(deployed, time.GetUtcNow());
            var second = replica.Append(new ProgramPlaced(first.Hash, host, 1), time.GetUtcNow());
            IReadOnlyList<StoredEntry> all = before is null ? [first, second] : [before, first, second];
            return ((first, all), all);
        });
        foreach (var entry in entries) mesh.Remember(program.Hash, entry);
        // They vote on its lease as soon as they know of it; the host itself is given the entries with the start.
        mesh.Tell(swarm.Id, program.Hash, deployed.Guardians.Where(guardian => guardian != host && guardian != self));
        return program.Hash;
    }

    /// <inheritdoc/>
    public async ValueTask AppendAsync(EntryBody body, CancellationToken cancellationToken)
    {
        var entry = await swarm.AppendAsync(body, cancellationToken);
        if (body is ProgramPlaced placed) mesh.Remember(placed.Program, entry);
        if (body is ProgramStopped stopped) mesh.Remember(stopped.Program, entry);
    }
}
