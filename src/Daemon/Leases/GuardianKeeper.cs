using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>
/// Keeps the sets of guardians up: when a guardian is no member any more, the holder proposes a set with others in its place, and gives those the
/// bundle's key; each guardian approves a proposal that drops nobody who is still a member. A set that is smaller than the deploy's, because there was nobody to
/// take a place, is filled when there is. Who only sleeps is not replaced: it may be back with votes that it gave, and a set that changes with every night would
/// be one more thing to go wrong.
/// </summary>
/// <param name="swarms">The swarms.</param>
/// <param name="leases">What this node holds, and votes in.</param>
/// <param name="latestDue">The latest time of a scheduled program that this node knows.</param>
/// <param name="ask">Asks a host what it offers to run a program.</param>
/// <param name="key">Opens the bundle's key.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The daemon's log.</param>
internal sealed class GuardianKeeper(SwarmRegistry swarms, LeaseService leases, Func<SwarmProgram, long> latestDue, Func<PeerId, ProgramAsk, CancellationToken, ValueTask<HostOffer>> ask, X25519Key key, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <summary>Looks until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            foreach (var swarm in swarms.All.Where(swarm => swarm.Me is { MayDeployAndHost: true } && swarm.IsSettled))
            {
                foreach (var program in swarm.State.Programs.Values.Where(program => program is { Stopped: false, Finished: false } && program.Guardians.Contains(swarms.Self)))
                    await LookAsync(swarm, program, cancellationToken);
            }
        }
    }

    private async Task LookAsync(LocalSwarm swarm, SwarmProgram program, CancellationToken cancellationToken)
    {
        try
        {
            if (program.PendingGuardians.Count > 0) await ApproveAsync(swarm, program, cancellationToken);
            else if (leases.Of(swarm.Id)?.EpochOf(program.Id) is not null && await ProposalAsync(swarm, program, cancellationToken) is { } set) await swarm.AppendAsync(set, cancellationToken);
        }
        catch (PcException refused)
        {
            LeaseLog.GuardiansNotChanged(logger, program.Deployed.Name, refused.Message); // somebody else was quicker, or the disk refuses
        }
    }

    // One of a generation only, and nothing is voted or granted in the old generation from before it is written on.
    private async Task ApproveAsync(LocalSwarm swarm, SwarmProgram program, CancellationToken cancellationToken)
    {
        if (program.IsSealedBy(swarms.Self) || leases.Of(swarm.Id) is not { } own) return;
        var kept = program.Guardians.Where(guardian => IsHost(swarm.State, guardian)).ToList();
        if (program.PendingGuardians.FirstOrDefault(pending => kept.All(pending.Set.Guardians.Contains)) is not { } good) return;
        own.Seal(program.Id, program.GuardianGeneration);
        try
        {
            await swarm.AppendAsync(new GuardiansApproved(program.Id, good.Entry) { Due = latestDue(program) }, cancellationToken);
        }
        catch (PcException)
        {
            own.Unseal(program.Id);
            throw;
        }
    }

    private async Task<GuardiansSet?> ProposalAsync(LocalSwarm swarm, SwarmProgram program, CancellationToken cancellationToken)
    {
        // A program of an earlier version goes with its host.
        if (program.Deployed.Guardians.Count == 0 && !program.GuardiansWereSet) return null;
        var state = swarm.State;
        var kept = program.Guardians.Where(guardian => IsHost(state, guardian)).ToList();
        // When one went there may have been no other, or none that answered.
        var missing = Math.Max(program.Guardians.Count, program.Deployed.Guardians.Count) - kept.Count;
        if (missing == 0 || kept.Count == 0) return null;
        var others = await AbleAsync(swarm.Id, program.Deployed, state.ActiveMembers.Where(member => member.MayDeployAndHost && !kept.Contains(member.Peer) && HostsNow(swarm, member.Peer)).Select(member => member.Peer), ask, cancellationToken);
        var added = Rendezvous.Guardians(program.Deployed.Bundle, swarms.Self, others).Where(peer => peer != swarms.Self).Take(missing).ToList();
        if (added.Count == 0 && kept.Count == program.Guardians.Count) return null;
        using var bundleKey = BundleKey.Open(key, swarms.Self, ProgramSpec.Of(swarm.Id, program));
        var keys = added.Select(peer => new SealedKey(peer, bundleKey.SealTo(state.Find(peer)!.X25519, SealsOf(swarm, peer), swarm.Id, program.Owner, program.Deployed.Bundle))).ToList();
        return new GuardiansSet(program.Id, program.GuardianGeneration + 1, [.. kept.Concat(added).Order()], keys);
    }

    /// <summary>
    /// Of some hosts, those that know what a program asks of its guardians: one of an earlier version would run a scheduled program all the time, and grant no
    /// times. Nothing else is asked about: a host that may not run it now still votes.
    /// </summary>
    internal static async Task<IReadOnlyList<PeerId>> AbleAsync(SwarmId swarm, ProgramDeployed program, IEnumerable<PeerId> hosts, Func<PeerId, ProgramAsk, CancellationToken, ValueTask<HostOffer>> ask, CancellationToken cancellationToken)
    {
        if (program.Manifest.Schedule is null) return [.. hosts];
        var question = new ProgramAsk(swarm, program.Language, program.Limits) { Manifest = program.Manifest, Name = program.Name };
        var answers = await Task.WhenAll(hosts.Select(async host =>
        {
            try
            {
                return (Host: host, (await ask(host, question, cancellationToken)).Schedules);
            }
            catch (PcException)
            {
                return (Host: host, Schedules: false); // asleep by now, perhaps
            }
        }));
        return [.. answers.Where(answer => answer.Schedules).Select(answer => answer.Host)];
    }

    private static bool IsHost(SwarmState state, PeerId peer) => state.Find(peer) is { MayDeployAndHost: true };

    private static int SealsOf(LocalSwarm swarm, PeerId peer) => swarm.Presence.GetValueOrDefault(peer)?.Record?.Info.Seals ?? 1;

    private bool HostsNow(LocalSwarm swarm, PeerId peer) =>
        peer != swarms.Self && swarm.Presence.GetValueOrDefault(peer) is { Liveness: Liveness.Awake, Record.Info: { Hosts: true, Leaving: false } };
}
