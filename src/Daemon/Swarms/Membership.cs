using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Swarms;

/// <summary>What a person does about being in a swarm: create, invite, join, leave, remove.</summary>
internal sealed class Membership(
    SwarmRegistry swarms, ReplicaFactory factory, X25519Key sealingKey, string nodeName, Libp2pHost host, MeshAddresses known, MeshClient client, Func<IReadOnlyList<string>> addresses, TimeProvider time, ILogger logger)
{
    /// <summary>How long the ticket of a new swarm holds, and one of an invite that does not say.</summary>
    public static readonly TimeSpan DefaultValidity = TimeSpan.FromDays(7);

    private static readonly TimeSpan LongestValidity = TimeSpan.FromDays(365);
    private static readonly TimeSpan JoinTimeout = TimeSpan.FromSeconds(60);
    private const int MostTold = 16;
    private static readonly TimeSpan GoodbyeTimeout = TimeSpan.FromSeconds(3);

    /// <summary>Creates a swarm with this node as its first admin, and a ticket for members.</summary>
    public SwarmReply Create(string? name)
    {
        name ??= FreeName();
        swarms.RequireFree(name);
        var replica = SwarmReplica.Create(
            factory.Signer, factory.Verifier, name, nodeName, sealingKey.PublicKey.Span, RandomNumberGenerator.GetBytes(16), time.GetUtcNow(), out var genesis);
        var swarm = swarms.Add(replica, name, RandomNumberGenerator.GetBytes(SwarmKeyState.KeyBytes), null, [genesis]);
        return Describe(swarm, Issue(swarm, Role.Member, DefaultValidity, uses: 0).ToText());
    }

    /// <summary>Issues a ticket.</summary>
    public async Task<InviteReply> InviteAsync(string swarmName, InviteRequest request, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        var role = ParseRole(request.Role ?? "member");
        var uses = request.Uses ?? 0;
        if (uses is < 0 or > 1_000_000) throw new PcException(ErrorCode.BadRequest, $"a ticket is used 0 (any number) to 1000000 times, not {uses}");
        var hours = request.ExpiresHours ?? DefaultValidity.TotalHours;
        if (!(hours > 0 && hours <= LongestValidity.TotalHours)) throw new PcException(ErrorCode.BadRequest, $"a ticket holds more than 0 and at most {LongestValidity.TotalHours} hours, not {hours}");
        await swarm.WaitUntilConfirmedAsync(cancellationToken);
        var ticket = Issue(swarm, role, TimeSpan.FromHours(hours), uses);
        return new InviteReply(ticket.ToText(), swarm.Name, RoleName(role), uses, ticket.Expires);
    }

    /// <summary>Joins by ticket. Joining a swarm that this node is in already changes nothing.</summary>
    public async Task<SwarmReply> JoinAsync(string ticketText, string? name, CancellationToken cancellationToken)
    {
        var ticket = Ticket.Parse(ticketText);
        if (swarms.Find(ticket.Swarm) is { Me: not null } already) return Describe(already, null);
        if (ticket.Inviter == factory.Self) throw new PcException(ErrorCode.TicketUnknown, "this node issued the ticket itself, and is not in that swarm any more");
        name = Names.Check(name ?? ticket.Name, "swarm");
        swarms.RequireFree(name, ticket.Swarm);

        known.Learn(ticket.Inviter, ticket.Addresses);
        var request = new Swarm.JoinRequest(ticket.Swarm, ticket.Secret, nodeName, sealingKey.PublicKey.ToArray(), time.GetUtcNow());
        byte[] answer;
        try
        {
            answer = await client.PostAsync(ticket.Inviter, "/mesh/v1/join", request.Encode(), SwarmLimits.MaxJoinReplyBytes, cancellationToken, JoinTimeout);
        }
        catch (PcException e) when (e.Code == ErrorCode.PeerUnreachable)
        {
            var expired = ticket.Expires <= time.GetUtcNow() ? $"; the ticket expired at {ticket.Expires:u} by this machine's clock" : "";
            throw new PcException(ErrorCode.PeerUnreachable, $"the inviter of {ticket.Name} could not be reached at {string.Join(" or ", ticket.Addresses)}{expired}", "join while the inviter is awake and in reach, or ask another admin for a ticket", e);
        }
        if (!JoinReply.TryDecode(answer, out var reply)) throw new PcException(ErrorCode.JoinFailed, $"the inviter's answer about {ticket.Name} could not be read");

        // From here on the inviter counts us as a member: finish rather than give up.
        var replica = SwarmReplica.Join(factory.Signer, factory.Verifier, ticket, reply, time.GetUtcNow(), out var entries, swarms.Held(ticket.Swarm));
        var swarm = swarms.Add(replica, name, reply.SwarmKey, reply.KeyEntry, entries);
        DaemonLog.Joined(logger, swarm.Name, swarm.Id.ToString(), swarm.State.ActiveMembers.Count());
        return Describe(swarm, null);
    }

    /// <summary>Leaves: says so to those who can be reached, then forgets the swarm.</summary>
    public async Task LeaveAsync(string swarmName, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        if (swarm.Me is not null)
        {
            // Those who seem to be there first; one that hears of it tells the rest. Who just joined does not know yet who is there.
            var others = swarm.State.ActiveMembers.Where(member => member.Peer != factory.Self).Select(member => member.Peer)
                .OrderByDescending(swarm.IsAwake).Take(MostTold).ToList();
            var entry = await swarm.AppendAsync(new MemberLeft(), cancellationToken);
            await Task.WhenAll(others.Select(peer => TellAsync(swarm, peer, entry)));
        }
        swarms.Remove(swarm);
        DaemonLog.NoLongerIn(logger, swarm.Name, "it left");
    }

    /// <summary>Removes a member, and tells it. Answers which programs' keys it held.</summary>
    public async Task<RemoveReply> RemoveAsync(string swarmName, string memberName, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        var member = FindMember(swarm.State, memberName);
        await swarm.WaitUntilConfirmedAsync(cancellationToken);
        var entry = swarm.Change(replica =>
        {
            var removed = replica.Remove(member.Peer, factory.Sealer, RandomNumberGenerator.GetBytes(SwarmKeyState.KeyBytes), time.GetUtcNow());
            return (removed, (IReadOnlyList<StoredEntry>)[removed]);
        });
        await TellAsync(swarm, member.Peer, entry);
        if (swarms.SharedWith(member.Peer) is null) host.Disconnect(member.Peer);
        var state = swarm.State;
        var exposed = state.Programs.Values.Where(program => !program.Stopped && state.FormerKeyHolders(program).Any(holder => holder.Peer == member.Peer));
        return new RemoveReply(member.Name, member.Peer.ToString(), [.. exposed.Select(program => Exposure(state, program)).OrderBy(program => program.Program, StringComparer.Ordinal)]);
    }

    private ExposedProgram Exposure(SwarmState state, SwarmProgram program) =>
        new(program.Deployed.Name, state.Members.TryGetValue(program.Owner, out var owner) ? owner.Name : program.Owner.ToString(), program.Owner == factory.Self);

    /// <summary>The active member that a person named: by name, or the start of a peer id.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.MemberUnknown"/> or <see cref="ErrorCode.NameAmbiguous"/>.</exception>
    public static Member FindMember(SwarmState state, string name)
    {
        var members = state.ActiveMembers.ToList();
        var found = members.Where(member => string.Equals(member.Name, name, StringComparison.Ordinal)).ToList();
        if (found.Count == 0 && name.Length >= 6)
        {
            // The first letters of Ed25519 peer ids are all alike, so the end is accepted as well.
            found = [.. members.Where(member => member.Peer.ToString().StartsWith(name, StringComparison.Ordinal) || member.Peer.ToString().EndsWith(name, StringComparison.Ordinal))];
        }
        return found.Count switch
        {
            1 => found[0],
            0 => throw new PcException(ErrorCode.MemberUnknown, $"{state.Name} has no member '{new string([.. name.Take(60).Where(c => !char.IsControl(c))])}'"),
            _ => throw new PcException(ErrorCode.NameAmbiguous, $"'{name}' fits {found.Count} members of {state.Name}"),
        };
    }

    /// <summary>member, guest or admin.</summary>
    public static string RoleName(Role role) => role switch
    {
        Role.Admin => "admin",
        Role.Guest => "guest",
        _ => "member",
    };

    /// <summary>The reverse.</summary>
    /// <exception cref="PcException">It is none of them.</exception>
    public static Role ParseRole(string role) => role switch
    {
        "member" => Role.Member,
        "guest" => Role.Guest,
        "admin" => Role.Admin,
        _ => throw new PcException(ErrorCode.BadRequest, "a role is member, guest or admin"),
    };

    private Ticket Issue(LocalSwarm swarm, Role role, TimeSpan validity, int uses) => swarm.Change(replica =>
    {
        var (ticket, entry) = replica.IssueTicket(role, validity, uses, addresses(), RandomNumberGenerator.GetBytes(Ticket.SecretBytes), time.GetUtcNow());
        return (ticket, (IReadOnlyList<StoredEntry>)[entry]);
    });

    private async Task TellAsync(LocalSwarm swarm, PeerId peer, StoredEntry entry)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                // With what it builds on: whoever is no member any more cannot ask for it.
                await client.SendEntriesAsync(swarm, peer, [entry], CancellationToken.None, GoodbyeTimeout);
                return;
            }
            catch (PcException e) when (e.Code == ErrorCode.PeerUnreachable && attempt == 1)
            {
                // The removal itself cuts the removed member's connections, this request's perhaps among them.
            }
            catch (PcException e)
            {
                DaemonLog.NotReached(logger, peer, e.Message); // it hears of it from the others
                return;
            }
        }
    }

    private string FreeName()
    {
        var taken = swarms.All.Select(swarm => swarm.Name).ToHashSet(StringComparer.Ordinal);
        return Names.Unique("friends", taken);
    }

    /// <summary>A swarm as create and join answer it.</summary>
    public static SwarmReply Describe(LocalSwarm swarm, string? ticket) =>
        new(swarm.Name, swarm.Id.ToString(), swarm.Me is { } me ? RoleName(me.Role) : "none", swarm.State.ActiveMembers.Count(), ticket);
}
