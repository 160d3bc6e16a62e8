using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Joining;

/// <summary>What a person does with secrets and spoken codes: set, invite, join.</summary>
internal sealed class SecretMembership(
    SwarmRegistry swarms, ReplicaFactory factory, SpokenCodes codes, JoinVisitor visitor, MeshAddresses known, Func<MdnsDiscovery?> localNetwork, TimeProvider time, ILogger logger)
{
    /// <summary>Checks a secret that a person chose.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.JoinSecretInvalid"/>; the secret is not in it.</exception>
    public static string Check(string? secret)
    {
        var bytes = Encoding.UTF8.GetByteCount(secret ?? "");
        if (bytes < SwarmLimits.MinJoinSecretBytes) throw new PcException(ErrorCode.JoinSecretInvalid, $"the secret has {bytes} bytes; it needs at least {SwarmLimits.MinJoinSecretBytes}");
        if (bytes > SwarmLimits.MaxJoinSecretBytes) throw new PcException(ErrorCode.JoinSecretInvalid, $"the secret has {bytes} bytes; at most {SwarmLimits.MaxJoinSecretBytes} are taken");
        if (secret!.Any(char.IsControl)) throw new PcException(ErrorCode.JoinSecretInvalid, "the secret has a control character, a line end perhaps");
        return secret!;
    }

    /// <summary>Sets the secret with which others join a swarm; null takes it back.</summary>
    public async Task<SecretReply> SetAsync(string swarmName, SecretRequest request, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        var role = Membership.ParseRole(request.Role ?? "member");
        var verifier = request.Secret is null ? null : await DeriveAsync(Check(request.Secret), cancellationToken);
        await swarm.WaitUntilConfirmedAsync(cancellationToken);
        swarm.Change(replica => (0, (IReadOnlyList<StoredEntry>)[replica.SetJoinSecret(factory.Sealer, verifier, role, time.GetUtcNow())]));
        return new SecretReply(swarm.Name, verifier is not null, Membership.RoleName(role));
    }

    /// <summary>Makes a spoken code.</summary>
    public async Task<WordsReply> InviteAsync(string swarmName, WordsRequest request, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        var role = Membership.ParseRole(request.Role ?? "member");
        if (swarm.Me is not { IsAdmin: true }) throw new PcException(ErrorCode.NotAllowed, $"only an admin of {swarm.Name} may invite");
        var (code, open) = await Task.Run(() => codes.Add(swarm, role, () => SpokenCode.New(RandomNumberGenerator.GetInt32), made => VerifierOf(made.Text)), cancellationToken);
        return new WordsReply(code.Text, swarm.Name, Membership.RoleName(role), open.Expires, SpokenCodes.MaxGuesses);
    }

    /// <summary>Joins by the name of a swarm, the address of one of its admins, and its secret.</summary>
    public async Task<SwarmReply> JoinAsync(JoinSecretRequest request, CancellationToken cancellationToken)
    {
        var name = Names.Check(request.Swarm, "swarm");
        var secret = Check(request.Secret);
        CheckLocalName(request.Name);
        var inviter = await visitor.FindAsync(request.Peer, cancellationToken);
        var admission = await visitor.JoinAsync(inviter, new JoinHello(JoinKind.Secret, name), secret, cancellationToken);
        return Take(inviter, PeerAddress.Parse(request.Peer), name, request.Name, admission);
    }

    /// <summary>Joins by a spoken code: at an address, or where somebody on the local network knows it.</summary>
    public async Task<SwarmReply> JoinAsync(JoinCodeRequest request, CancellationToken cancellationToken)
    {
        var code = SpokenCode.Parse(request.Code);
        CheckLocalName(request.Name);
        var hello = new JoinHello(JoinKind.Code, code.Plate);
        if (request.Peer is not null)
        {
            var inviter = await visitor.FindAsync(request.Peer, cancellationToken);
            return Take(inviter, PeerAddress.Parse(request.Peer), hello.Name, request.Name, await visitor.JoinAsync(inviter, hello, code.Text, cancellationToken));
        }
        var network = localNetwork() ?? throw new PcException(ErrorCode.SpokenCodeNobody, "this node does not look for others on the local network", "say where the inviter is: --peer HOST:PORT");
        var (at, admission) = await Neighbours.AskAllAsync(Neighbours.FindAsync(network, time, cancellationToken), async (peer, token) =>
        {
            await visitor.ConnectAsync(peer, token);
            return (peer, await visitor.JoinAsync(peer.Peer, hello, code.Text, token));
        }, code.Plate, cancellationToken);
        return Take(at.Peer, at.Addresses, hello.Name, request.Name, admission);
    }

    private void CheckLocalName(string? name)
    {
        if (name is not null) swarms.RequireFree(Names.Check(name, "swarm"));
    }

    // From here on the inviter counts us as a member: finish rather than give up.
    private SwarmReply Take(PeerId inviter, IReadOnlyList<Multiaddr> addresses, string called, string? localName, JoinAdmission admission)
    {
        known.Learn(inviter, [.. addresses.Select(address => address.WithoutPeer().ToString())]);
        if (swarms.Find(admission.Swarm) is { Me: not null } already) return Membership.Describe(already, null);
        var replica = SwarmReplica.JoinProven(factory.Signer, factory.Verifier, admission.Swarm, called, admission.Reply, time.GetUtcNow(), out var entries, swarms.Held(admission.Swarm));
        var taken = swarms.All.Where(other => other.Id != admission.Swarm).Select(other => other.Name).ToHashSet(StringComparer.Ordinal);
        var swarm = swarms.Add(replica, Names.Unique(localName ?? replica.State.Name, taken), admission.Reply.SwarmKey, admission.Reply.KeyEntry, entries);
        DaemonLog.Joined(logger, swarm.Name, swarm.Id.ToString(), swarm.State.ActiveMembers.Count());
        return Membership.Describe(swarm, null);
    }

    private static Task<JoinVerifier> DeriveAsync(string secret, CancellationToken cancellationToken) => Task.Run(() => VerifierOf(secret), cancellationToken);

    private static JoinVerifier VerifierOf(string secret) => JoinVerifier.Of(secret, RandomNumberGenerator.GetBytes(SlowPassword.SaltBytes), ScryptCost.Default);
}
