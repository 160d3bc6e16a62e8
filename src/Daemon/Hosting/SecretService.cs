using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Secrets;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// Secret environment variables: sets and lists those of one's own programs, opens those of programs that run here, and seals them to guardians that came
/// later. Values exist in memory only, for as long as a request or a start takes.
/// </summary>
internal sealed class SecretService : IAsyncDisposable
{
    private readonly SwarmRegistry _swarms;
    private readonly X25519Key _key;
    private readonly Outbox<SwarmId> _sharing;

    /// <summary>Takes over the swarms that there are and those that come.</summary>
    public SecretService(SwarmRegistry swarms, X25519Key key, ILogger logger)
    {
        (_swarms, _key) = (swarms, key);
        _sharing = new Outbox<SwarmId>(1, e => DaemonLog.RequestFailed(logger, "sealing secrets to guardians", e));
        foreach (var swarm in swarms.All) swarm.Changed += Share;
        swarms.Added += swarm => swarm.Changed += Share;
        swarms.Removed += swarm => swarm.Changed -= Share;
    }

    /// <summary>The names of what is set for one's own programs of a name.</summary>
    public SecretNamesReply List(string swarmName, string program)
    {
        var swarm = Require(swarmName);
        return Reply(swarm, program, Own(swarm, program).Keys);
    }

    /// <summary>Sets variables; what else was set stays.</summary>
    public async Task<SecretNamesReply> SetAsync(string swarmName, string program, IReadOnlyDictionary<string, string> values, CancellationToken cancellationToken)
    {
        var swarm = Require(swarmName);
        if (values.Count == 0) throw new PcException(ErrorCode.BadRequest, "no secret is named");
        var all = Merged(swarm, ProgramName.Choose(program, "/"), values);
        await WriteAsync(swarm, program, all, cancellationToken);
        return Reply(swarm, program, all.Keys);
    }

    /// <summary>Takes a variable back.</summary>
    public async Task<SecretNamesReply> RemoveAsync(string swarmName, string program, string name, CancellationToken cancellationToken)
    {
        var swarm = Require(swarmName);
        var left = new Dictionary<string, string>(Own(swarm, program), StringComparer.Ordinal);
        if (!left.Remove(name)) throw new PcException(ErrorCode.SecretUnknown, $"no secret of that name is set for {program} in {swarm.Name}");
        await WriteAsync(swarm, program, left, cancellationToken);
        return Reply(swarm, program, left.Keys);
    }

    /// <summary>What a deploy gives its program: what is set for its name, and on it what the deploy brings.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SecretMissing"/>: the program names a secret that is not set.</exception>
    public IReadOnlyDictionary<string, string> ForDeploy(LocalSwarm swarm, string program, IReadOnlyDictionary<string, string>? brought, IReadOnlyList<string> needed)
    {
        var all = Merged(swarm, program, brought ?? new Dictionary<string, string>(StringComparer.Ordinal));
        var missing = needed.Where(name => !all.ContainsKey(name)).ToList();
        if (missing.Count > 0) throw new PcException(ErrorCode.SecretMissing, $"{program} needs the {(missing.Count == 1 ? "secret" : "secrets")} {string.Join(", ", missing)}", $"pc secret set {swarm.Name} {program} {missing[0]} -");
        return all;
    }

    /// <summary>The variables of a program that starts here.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.SecretNotSealed"/>, <see cref="ErrorCode.SecretMissing"/>.</exception>
    public IReadOnlyDictionary<string, string> Open(ProgramSpec spec)
    {
        var state = _swarms.Find(spec.Swarm)?.State;
        IReadOnlyDictionary<string, string>? values = new Dictionary<string, string>(StringComparer.Ordinal);
        if (state?.SecretsOf(spec.Owner, spec.Name) is { } secrets && !SecretBox.TryOpen(_key, _swarms.Self, spec.Swarm, secrets, out values))
            throw new PcException(ErrorCode.SecretNotSealed, $"the secrets of {spec.Name} are not sealed to this host yet");
        return spec.Deployed.Manifest.Secrets.FirstOrDefault(name => !values!.ContainsKey(name)) is { } missing
            ? throw new PcException(ErrorCode.SecretMissing, $"{spec.Name} needs the secret {missing}, which its owner has not set")
            : values!;
    }

    /// <summary>Waits for what is under way.</summary>
    public ValueTask DisposeAsync() => _sharing.DisposeAsync();

    private LocalSwarm Require(string name)
    {
        var swarm = _swarms.Require(name);
        swarm.RequireMembership();
        return swarm;
    }

    private IReadOnlyDictionary<string, string> Own(LocalSwarm swarm, string program)
    {
        if (swarm.State.SecretsOf(_swarms.Self, program) is not { } secrets) return new Dictionary<string, string>(StringComparer.Ordinal);
        return SecretBox.TryOpen(_key, _swarms.Self, swarm.Id, secrets, out var values) ? values : throw new PcException(ErrorCode.SecretNotSealed, $"the secrets of {program} cannot be opened by this node");
    }

    private Dictionary<string, string> Merged(LocalSwarm swarm, string program, IReadOnlyDictionary<string, string> changes)
    {
        SecretRules.Check(changes);
        var all = new Dictionary<string, string>(Own(swarm, program), StringComparer.Ordinal);
        foreach (var (name, value) in changes) all[name] = value;
        SecretRules.Check(all);
        return all;
    }

    private async Task WriteAsync(LocalSwarm swarm, string program, IReadOnlyDictionary<string, string> values, CancellationToken cancellationToken)
    {
        var keepers = Programs(swarm, program).SelectMany(KeepersOf).Append(_swarms.Self).Distinct().Select(swarm.State.Find).OfType<Member>();
        await swarm.AppendAsync(SecretBox.Seal(swarm.Id, _swarms.Self, program, values, keepers), cancellationToken);
    }

    private SecretNamesReply Reply(LocalSwarm swarm, string program, IEnumerable<string> names) =>
        new(swarm.Name, program, [.. names.Order(StringComparer.Ordinal)], Programs(swarm, program).Any());

    private IEnumerable<SwarmProgram> Programs(LocalSwarm swarm, string name) =>
        swarm.State.Programs.Values.Where(program => !program.Stopped && program.Owner == _swarms.Self && string.Equals(program.Deployed.Name, name, StringComparison.Ordinal));

    private static IEnumerable<PeerId> KeepersOf(SwarmProgram program) => program.Deployed.Keys.Select(key => key.Peer).Concat(program.Guardians);

    // Guardians change while the owner sleeps: then the host that runs the program gives them what they need. Both at once do no harm.
    private void Share(LocalSwarm swarm)
    {
        if (Lacking(swarm).Count > 0) _sharing.TryRun(swarm.Id, async stopping =>
        {
            // What changes meanwhile is seen by the next look; whatever cannot be shared is not tried twice.
            var tried = new HashSet<EntryHash>();
            while (Lacking(swarm).Find(found => tried.Add(found.Secrets.Entry)) is { Secrets: { } secrets, Members: { } members })
                if (SecretBox.TryShare(_key, _swarms.Self, swarm.Id, secrets, members) is { } shared) await swarm.AppendAsync(shared, stopping);
        });
    }

    private List<(ProgramSecrets Secrets, List<Member> Members)> Lacking(LocalSwarm swarm)
    {
        var (state, self, lacking) = (swarm.State, _swarms.Self, new List<(ProgramSecrets, List<Member>)>());
        foreach (var program in state.Programs.Values)
        {
            if (program.Stopped || (program.Owner != self && program.Host != self)) continue;
            if (state.SecretsOf(program.Owner, program.Deployed.Name) is not { Box.Length: > 0 } secrets || secrets.SealedKeyOf(self) is null) continue;
            var members = program.Guardians.Where(peer => secrets.SealedKeyOf(peer) is null).Select(state.Find).OfType<Member>().ToList();
            if (members.Count > 0) lacking.Add((secrets, members));
        }
        return lacking;
    }
}
