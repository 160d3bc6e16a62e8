using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>What is said of the leases of one swarm, in its own names.</summary>
internal sealed class LeaseWords(LocalSwarm swarm)
{
    /// <summary>A program.</summary>
    public string Of(EntryHash program) => swarm.State.Programs.TryGetValue(program, out var known) ? known.Deployed.Name : program.ToString();

    /// <summary>A member, also a former one.</summary>
    public string Of(PeerId peer) => swarm.State.Members.TryGetValue(peer, out var member) ? member.Name : peer.ToString();

    /// <summary>Why a lease was lost.</summary>
    public string Of(LeaseEffect.Lost lost) => lost.Why switch
    {
        LeaseLoss.Superseded when lost.By is { } by => $"{Of(by.Holder)} ran it too, with epoch {by.Epoch}, and goes on",
        LeaseLoss.Superseded => "another host ran it too, and goes on",
        LeaseLoss.NoGuardian => "this host does not guard it any more",
        _ => "its lease could not be renewed in time",
    };

    /// <summary>Why a lease could not be had.</summary>
    /// <param name="program">The program.</param>
    /// <param name="other">Who else holds it; null for nobody that is known.</param>
    public PcException NotHad(ProgramSpec program, PeerId? other) => other is { } holder
        ? new PcException(ErrorCode.LeaseNotHad, $"{Of(holder)} holds the lease of {program.Name}")
        : new PcException(ErrorCode.LeaseNotHad, $"not enough guardians of {program.Name} answer: {string.Join(", ", (swarm.State.Programs.GetValueOrDefault(program.Id)?.Guardians ?? []).Select(Of))}");
}
