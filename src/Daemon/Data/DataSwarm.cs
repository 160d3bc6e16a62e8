using System.Globalization;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Data;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Data;

/// <summary>What the replication of programs' data needs to know, from feeds and presence; its owners hear of conflicts through the feed.</summary>
internal sealed class DataSwarm(SwarmRegistry swarms, TimeProvider time, ILogger logger) : IDataSwarm, IAsyncDisposable
{
    private readonly Outbox<SwarmId> _telling = new(int.MaxValue, failed => DaemonLog.RequestFailed(logger, "telling an owner of a conflict", failed));

    /// <inheritdoc/>
    public bool MayHold(DataKey key, PeerId member, DataStamp stamp) =>
        ProgramsOf(key).Any(program => (ulong)Math.Max(0, program.DeployedAt.ToUnixTimeMilliseconds()) == stamp.Deploy && program.MayHaveRun(member)
            && !program.Runs.Any(run => run.Epoch == stamp.Epoch && run.Host != member)); // one host an epoch

    /// <inheritdoc/>
    public IReadOnlyList<PeerId> GuardiansOf(ProgramSpec spec)
    {
        if (swarms.Find(spec.Swarm) is not { } swarm) return [];
        var guardians = swarm.State.Programs.GetValueOrDefault(spec.Id)?.Guardians ?? [];
        // A deploy of an earlier version names none: then whoever can open the bundle.
        return [.. (guardians.Count > 0 ? guardians : spec.Keepers).Distinct().Where(peer => peer != swarms.Self && Hosts(swarm, peer))];
    }

    /// <inheritdoc/>
    public IReadOnlyList<PeerId> KeepersOf(ProgramSpec spec) => swarms.Find(spec.Swarm) is { } swarm
        ? [.. ProgramsOf(DataKey.Of(spec)).SelectMany(KeepersOf).Distinct().Where(peer => peer != swarms.Self && swarm.State.Find(peer) is { MayDeployAndHost: true } && swarm.IsAwake(peer))]
        : [];

    /// <summary>Everybody who may have a copy, this node first when it may, and whether each is awake.</summary>
    public IReadOnlyList<(PeerId Member, bool Awake)> AllKeepersOf(ProgramSpec spec) => swarms.Find(spec.Swarm) is { } swarm
        ? [.. ProgramsOf(DataKey.Of(spec)).SelectMany(KeepersOf).Append(swarms.Self).Distinct().Where(peer => swarm.State.Find(peer) is { MayDeployAndHost: true })
            .Select(peer => (peer, swarm.IsAwake(peer))).OrderByDescending(keeper => keeper.peer == swarms.Self)]
        : [];

    /// <inheritdoc/>
    public TimeSpan? SilenceOf(SwarmId swarm, PeerId member) =>
        swarms.Find(swarm)?.Presence.GetValueOrDefault(member)?.LastHeard is { } heard && time.GetUtcNow() - heard is var silence ? silence > TimeSpan.Zero ? silence : TimeSpan.Zero : null;

    /// <inheritdoc/>
    public string NameOf(SwarmId swarm, PeerId member) => swarms.Find(swarm)?.State.Members.GetValueOrDefault(member)?.Name ?? member.ToString();

    /// <inheritdoc/>
    public void TellOfConflict(ProgramSpec spec, DataConflict conflict)
    {
        // By the program of that name that is deployed now: the one that ran here may have been replaced since.
        if (swarms.Find(spec.Swarm) is not { } swarm) return;
        var program = ProgramsOf(DataKey.Of(spec)).Where(program => !program.Stopped && program.MayHaveRun(swarms.Self)).MaxBy(program => program.DeployedAt);
        if (program is null) return; // it is in this daemon's log
        var files = conflict.Files == 1 ? "1 file is" : string.Create(CultureInfo.InvariantCulture, $"{conflict.Files} files are"); // with the longest name 117 bytes
        var told = new ProgramControlled(program.Id, ControlAction.DataTold, $"{files} in {conflict.Name}");
        _telling.TryRun(swarm.Id, stopping => swarm.AppendAsync(told, stopping));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _telling.DisposeAsync();

    private IEnumerable<SwarmProgram> ProgramsOf(DataKey key) =>
        swarms.Find(key.Swarm) is { } swarm ? ProgramsOf(swarm.State, key.Owner, key.Name) : [];

    /// <summary>The program of an owner and name, and earlier ones: they share their data.</summary>
    public static IEnumerable<SwarmProgram> ProgramsOf(SwarmState state, PeerId owner, string name) => state.Programs.Values.Where(program => program.Owner == owner && program.Deployed.Name == name);

    private static IEnumerable<PeerId> KeepersOf(SwarmProgram program) => program.Deployed.Keys.Concat(program.LaterKeys).Select(key => key.Peer);

    // An owner holds the key too, and keeps copies only if it hosts; of somebody who was not heard of yet that is not known.
    private static bool Hosts(LocalSwarm swarm, PeerId peer) =>
        swarm.State.Find(peer) is { MayDeployAndHost: true } && swarm.Presence.GetValueOrDefault(peer)?.Record is { } record && record.Info.Hosts;
}
