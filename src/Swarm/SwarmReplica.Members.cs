using PeoplesCloud.Base;
using PeoplesCloud.Libp2p;

namespace PeoplesCloud.Swarm;

// Tickets, joining, leaving, removing. Each returns entries to persist before anything is answered.
public sealed partial class SwarmReplica
{
    /// <summary>How far a joining node's clock may be from the inviter's. Entries are taken up to 36 hours ahead, so this leaves room.</summary>
    private static readonly TimeSpan MaxClockDifference = TimeSpan.FromHours(12);

    /// <summary>Issues a ticket. Persist the entry, then show the ticket.</summary>
    /// <param name="role">What the new members may do.</param>
    /// <param name="validFor">How long, more than zero.</param>
    /// <param name="uses">How often; 0 is any number.</param>
    /// <param name="addresses">Where this node is reached.</param>
    /// <param name="secret">16 random bytes.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">This node is not an admin.</exception>
    public (Ticket Ticket, StoredEntry Entry) IssueTicket(
        Role role, TimeSpan validFor, int uses, IReadOnlyList<string> addresses, ReadOnlySpan<byte> secret, DateTimeOffset now)
    {
        if (secret.Length != Ticket.SecretBytes) throw new ArgumentException("a secret has 16 bytes", nameof(secret));
        ArgumentOutOfRangeException.ThrowIfNegative(uses);
        // Milliseconds are what travels, so that the ticket equals what is read back.
        var expires = DateTimeOffset.FromUnixTimeMilliseconds((now + validFor).ToUnixTimeMilliseconds());
        var ticket = new Ticket
        {
            Swarm = Id,
            Name = State.Name,
            Inviter = Self,
            Addresses = addresses,
            Role = role,
            Expires = expires,
            Uses = uses,
            Secret = secret.ToArray(),
        };
        return (ticket, Append(new TicketIssued(ticket.Id, role, expires, uses), now));
    }

    /// <summary>
    /// The inviter redeems a ticket: <b>persist the entries, then send the reply</b>, then hand the entries to the gossip engine.
    /// A member who asks again with the same ticket (its reply was lost) gets the reply again and no entry is written.
    /// </summary>
    /// <param name="peer">Who asks, as its connection proved.</param>
    /// <param name="request">What it asks.</param>
    /// <param name="swarmKey">The swarm's key as <see cref="SwarmState.Key"/> names it, 32 bytes; empty when this node was not given it.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">Refused; each reason has its code. The message may be sent to the peer.</exception>
    public (JoinReply Reply, IReadOnlyList<StoredEntry> Entries) Redeem(PeerId peer, JoinRequest request, ReadOnlySpan<byte> swarmKey, DateTimeOffset now)
    {
        if (swarmKey.Length is not (0 or SwarmKeyState.KeyBytes)) throw new ArgumentException($"a swarm key has {SwarmKeyState.KeyBytes} bytes", nameof(swarmKey));
        if (request.Swarm != Id) throw new PcException(ErrorCode.TicketOtherSwarm, "the ticket is for another swarm");
        var state = State;
        var id = Ticket.IdOf(request.Secret);
        if (!state.Tickets.TryGetValue(id, out var ticket)) throw new PcException(ErrorCode.TicketUnknown, $"{state.Name} never issued this ticket");
        if (ticket.Issuer != Self) throw new PcException(ErrorCode.TicketUnknown, $"this ticket of {state.Name} was issued by {ticket.Issuer}, and only that node redeems it");

        if (swarmKey.IsEmpty) throw new PcException(ErrorCode.SwarmKeyMissing, $"the inviter was not given the current key of {state.Name} yet");

        var already = state.Find(peer);
        if (already is not null && AdmittedWith(peer, id)) return (Reply(swarmKey), []);
        if (ticket.Closed) throw new PcException(ErrorCode.TicketClosed, $"this ticket of {state.Name} ended when a member was removed");
        if (now >= ticket.Expires) throw new PcException(ErrorCode.TicketExpired, $"this ticket of {state.Name} expired at {ticket.Expires:u}");
        if (ticket.Uses > 0 && ticket.Used >= ticket.Uses) throw new PcException(ErrorCode.TicketUsedUp, $"this ticket of {state.Name} was used {ticket.Used} times, which is all it allows");
        if (already is not null) return (Reply(swarmKey), []); // in by another ticket: nothing is used up
        return WithReply([AdmitNew(peer, new JoinApplicant(request.Name, request.X25519, request.Clock), ticket.Role, id, now)], swarmKey);
    }

    /// <summary>The joining node takes the reply. Persist <paramref name="entries"/> and the key, then the join is done.</summary>
    /// <param name="signer">This node.</param>
    /// <param name="verifier">Verifies others.</param>
    /// <param name="ticket">The ticket that was redeemed.</param>
    /// <param name="reply">The inviter's answer.</param>
    /// <param name="now">The wall clock.</param>
    /// <param name="entries">The entries to persist.</param>
    /// <param name="held">What the store holds of this swarm, from an earlier membership; null when nothing.</param>
    /// <exception cref="PcException">The reply is not the swarm of the ticket, or does not admit this node (<see cref="ErrorCode.JoinFailed"/>).</exception>
    public static SwarmReplica Join(
        ISigner signer, ISignatureVerifier verifier, Ticket ticket, JoinReply reply, DateTimeOffset now, out IReadOnlyList<StoredEntry> entries, IReadOnlyList<StoredEntry>? held = null) =>
        JoinProven(signer, verifier, ticket.Swarm, ticket.Name, reply, now, out entries, held);

    /// <summary>The joining node takes the reply of who proved that it knows the secret or code; otherwise as with a ticket.</summary>
    /// <param name="signer">This node.</param>
    /// <param name="verifier">Verifies others.</param>
    /// <param name="swarm">The swarm.</param>
    /// <param name="name">What it is called, for errors.</param>
    /// <param name="reply">The inviter's answer.</param>
    /// <param name="now">The wall clock.</param>
    /// <param name="entries">The entries to persist.</param>
    /// <param name="held">What the store holds of this swarm, from an earlier membership; null when nothing.</param>
    /// <exception cref="PcException">The reply is not that swarm, or does not admit this node (<see cref="ErrorCode.JoinFailed"/>).</exception>
    public static SwarmReplica JoinProven(
        ISigner signer, ISignatureVerifier verifier, SwarmId swarm, string name, JoinReply reply, DateTimeOffset now, out IReadOnlyList<StoredEntry> entries, IReadOnlyList<StoredEntry>? held = null)
    {
        var replica = held is { Count: > 0 } ? Load(signer, verifier, swarm, held) : new SwarmReplica(signer, verifier, swarm);
        var received = replica.Receive(reply.Entries, now);
        if (received.Refused.Any(refusal => refusal.Reason == EntryRefusal.ClockTooFarAhead))
            throw new PcException(ErrorCode.ClockWrong, $"entries of {name} are dated far after this machine's clock, which says {now:u}");
        if (replica.Count == 0) throw new PcException(ErrorCode.JoinFailed, $"the inviter's answer is not the swarm {name} that it should be");
        if (replica.State.Find(signer.Self) is null) throw new PcException(ErrorCode.JoinFailed, $"the inviter's answer does not admit this node to {name}");
        // Whoever was never here has written nothing. Whoever comes back asks others for its last entry, as after a start.
        if (!replica._graph.Feeds.ContainsKey(signer.Self)) replica.ConfirmOwnHead();
        entries = received.Accepted;
        return replica;
    }

    /// <summary>This node leaves. Persist the entry, hand it to the gossip engine so that the others hear of it, then forget the swarm.</summary>
    /// <exception cref="PcException">This node is not a member.</exception>
    public StoredEntry Leave(DateTimeOffset now) => Append(new MemberLeft(), now);

    /// <summary>
    /// Removes a member: its entries that this node has not seen do not count, all open tickets are void, and the swarm has a new key. One entry,
    /// so that no node knows a part of it only.
    /// </summary>
    /// <param name="peer">Who.</param>
    /// <param name="sealer">Seals the new key.</param>
    /// <param name="newKey">32 random bytes.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">This node is not an admin, or there is no such member.</exception>
    public StoredEntry Remove(PeerId peer, IKeySealer sealer, ReadOnlySpan<byte> newKey, DateTimeOffset now) =>
        Append(new MemberRemoved(peer, 0, SealedSwarmKey.Seal(sealer, Id, newKey, State.ActiveMembers.Where(member => member.Peer != peer))), now);

    /// <summary>Makes a new key of the swarm, for when the old one is stale; see <see cref="KeyRotationDuty"/>.</summary>
    /// <param name="sealer">Seals the new key.</param>
    /// <param name="newKey">32 random bytes.</param>
    /// <param name="now">The wall clock.</param>
    /// <exception cref="PcException">This node is not an admin.</exception>
    public StoredEntry RotateKey(IKeySealer sealer, ReadOnlySpan<byte> newKey, DateTimeOffset now) =>
        Append(new KeyRotated(SealedSwarmKey.Seal(sealer, Id, newKey, State.ActiveMembers)), now);

    /// <summary>Lets a forked member's entries count again, going on after its longest branch.</summary>
    /// <exception cref="PcException">This node is not an admin, or the member is not forked.</exception>
    public StoredEntry Readmit(PeerId peer, DateTimeOffset now)
    {
        _ = State;
        if (!_forks.TryGetValue(peer, out var fork)) throw new PcException(ErrorCode.MemberUnknown, $"{peer} is not marked as forked in {State.Name}");
        return Append(new MemberReadmitted(peer, fork.Longest.Entry.Sequence, fork.Longest.Entry.Hash), now);
    }

    private bool AdmittedWith(PeerId peer, EntryHash ticket) =>
        _graph.Feeds.TryGetValue(Self, out var own)
        && own.Nodes.Any(node => node.Verdict == Verdict.Counts && node.Entry.Body is MemberAdmitted admitted && admitted.Peer == peer && admitted.Ticket == ticket);

    private JoinReply Reply(ReadOnlySpan<byte> swarmKey) => new([.. _graph.Nodes.Select(node => node.Entry.Bytes)], swarmKey.ToArray(), State.Key.Entry);
}
