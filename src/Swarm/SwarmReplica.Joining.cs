using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// Joining by a secret or a spoken code: see Joining/. Each returns entries to persist before anything is answered.
public sealed partial class SwarmReplica
{
    /// <summary>Sets the secret with which others join. Persist the entry.</summary>
    /// <param name="sealer">Seals it to the admins.</param>
    /// <param name="verifier">What is kept of it; null takes the secret back.</param>
    /// <param name="role">What the new members may do.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">This node is not an admin.</exception>
    public StoredEntry SetJoinSecret(IKeySealer sealer, JoinVerifier? verifier, Role role, DateTimeOffset now)
    {
        var number = (State.JoinSecret?.Set.Number ?? 0) + 1;
        return Append(verifier is null
            ? new JoinSecretSet(number, role, new byte[SlowPassword.SaltBytes], ScryptCost.Default, State.Removals, [])
            : new JoinSecretSet(number, role, verifier.Salt, verifier.Cost, State.Removals, JoinSecret.Seal(sealer, Id, verifier, AdminsThisFirst())), now);
    }

    /// <summary>Seals the secret to admins who came after it was set; null when nothing is to be done, or this node cannot.</summary>
    /// <param name="sealer">Opens this node's box and seals the others.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">This node may not write now.</exception>
    public StoredEntry? ShareJoinSecret(IKeySealer sealer, DateTimeOffset now)
    {
        if (State.JoinSecret is not { } secret || secret.Open(Id, Self, sealer) is not { } verifier) return null;
        var holders = secret.Set.Boxes.Select(box => box.Peer).ToHashSet();
        if (AdminsThisFirst().All(admin => holders.Contains(admin.Peer))) return null;
        var boxes = JoinSecret.Seal(sealer, Id, verifier, AdminsThisFirst());
        return boxes.All(box => holders.Contains(box.Peer)) ? null : Append(secret.Set with { Boxes = boxes }, now);
    }

    /// <summary>
    /// Lets a node in that proved the secret or a code: <b>persist the entries, then send the reply</b>. A member that asks again (its
    /// reply was lost) gets the reply again and no entry is written.
    /// </summary>
    /// <param name="peer">Who, as its connection proved.</param>
    /// <param name="applicant">What it says about itself.</param>
    /// <param name="role">What it may do.</param>
    /// <param name="swarmKey">The swarm's key as <see cref="SwarmState.Key"/> names it, 32 bytes; empty when this node was not given it.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">Refused; each reason has its code. The message may be sent to the peer.</exception>
    public (JoinReply Reply, IReadOnlyList<StoredEntry> Entries) Admit(PeerId peer, JoinApplicant applicant, Role role, ReadOnlySpan<byte> swarmKey, DateTimeOffset now)
    {
        if (swarmKey.IsEmpty) throw new PcException(ErrorCode.SwarmKeyMissing, $"the inviter was not given the current key of {State.Name} yet");
        return WithReply(State.Find(peer) is null ? [AdmitNew(peer, applicant, role, null, now)] : [], swarmKey);
    }

    private (JoinReply Reply, IReadOnlyList<StoredEntry> Entries) WithReply(IReadOnlyList<StoredEntry> entries, ReadOnlySpan<byte> swarmKey) => (Reply(swarmKey), entries);

    private StoredEntry AdmitNew(PeerId peer, JoinApplicant applicant, Role role, EntryHash? ticket, DateTimeOffset now)
    {
        var state = State;
        if ((applicant.Clock - now).Duration() > MaxClockDifference)
            throw new PcException(ErrorCode.ClockWrong, $"the joining machine's clock says {applicant.Clock:u}, the inviter's {now:u}");
        if (state.ActiveMembers.Count() >= SwarmLimits.MaxMembers || state.Members.Count >= SwarmLimits.MaxAuthors - 1) throw new PcException(ErrorCode.SwarmFull, $"{state.Name} has {SwarmLimits.MaxMembers} members already");
        var name = Names.Unique(applicant.Name, state.ActiveMembers.Select(member => member.Name).ToHashSet(StringComparer.Ordinal));
        return Append(new MemberAdmitted(peer, name, applicant.X25519, role, ticket), now);
    }

    private IEnumerable<Member> AdminsThisFirst() => State.ActiveMembers.Where(member => member.IsAdmin).OrderByDescending(member => member.Peer == Self);
}
