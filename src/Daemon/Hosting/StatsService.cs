using System.Text.Json;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>Asks each host what its programs take now. Every member may ask: it is what the swarm's machines are used for.</summary>
internal sealed class StatsService(SwarmRegistry swarms, ProgramHost own, ProgramLocator locator, MeshClient client)
{
    // A host looks for 0.3 s; one that is slower than this is said not to answer.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int MaxAnswerBytes = 256 << 10; // some 600 bytes a program

    /// <summary>The programs of this node that are of a swarm, as another member is told.</summary>
    public async Task<IReadOnlyList<StatsMessage>> OwnAsync(SwarmId swarm, CancellationToken cancellationToken) =>
        [.. (await own.StatsAsync(swarm, cancellationToken)).Select(MessageOf)];

    /// <summary>What the programs of a swarm take now, or one of them.</summary>
    public async Task<StatsReply> StatsAsync(string swarmName, string? programName, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        swarm.RequireMembership();
        var state = swarm.State;
        IEnumerable<SwarmProgram> programs = programName is null ? state.Programs.Values.Where(program => !program.Stopped) : [ProgramService.Find(state, programName, liveOnly: true)];
        var byHost = programs.GroupBy(program => locator.HolderOf(swarm.Id, program.Id)).ToList();
        var answers = await Task.WhenAll(byHost.Select(group => AskAsync(swarm, group.Key, [.. group], cancellationToken)));
        return new StatsReply([.. answers.SelectMany(answer => answer).OrderBy(one => one.Program, StringComparer.Ordinal).ThenBy(one => one.Id, StringComparer.Ordinal)]);
    }

    private async Task<IEnumerable<ProgramUse>> AskAsync(LocalSwarm swarm, PeerId? host, IReadOnlyList<SwarmProgram> programs, CancellationToken cancellationToken)
    {
        if (host is not { } peer) return programs.Select(program => UseOf(swarm.State, program, null, null, "no host has it now"));
        IReadOnlyList<StatsMessage> answer = [];
        string? problem = null;
        try
        {
            answer = peer == swarms.Self ? await OwnAsync(swarm.Id, cancellationToken) : await AskAsync(peer, swarm.Id, cancellationToken);
        }
        catch (PcException e)
        {
            problem = e.Message;
        }
        return programs.Select(program => UseOf(swarm.State, program, peer, answer.FirstOrDefault(one => one.Program == program.Id.ToString()), problem));
    }

    private async Task<IReadOnlyList<StatsMessage>> AskAsync(PeerId host, SwarmId swarm, CancellationToken cancellationToken)
    {
        var body = await client.PostAsync(host, $"/mesh/v1/swarms/{swarm}/stats", default, MaxAnswerBytes, cancellationToken, Patience);
        try
        {
            return JsonSerializer.Deserialize(body, StatsJson.Default.IReadOnlyListStatsMessage) ?? [];
        }
        catch (JsonException)
        {
            throw new PcException(ErrorCode.PeerFailed, $"{host}: its answer could not be read");
        }
    }

    private static StatsMessage MessageOf(ProgramStats stats)
    {
        var usage = stats.Usage;
        return new StatsMessage(
            stats.Status.Spec.Id.ToString(), ProgramWords.Of(stats.Status.State), stats.Status.Detail, stats.Status.Restarts,
            stats.Up?.TotalSeconds, stats.Cores, usage is { CpuTime.Ticks: >= 0 } ? usage.CpuTime.TotalSeconds : null,
            Known(usage?.MemoryBytes), usage is { Pids: >= 0 } ? usage.Pids : null, Known(usage?.DiskBytes), stats.LogBytes, stats.LogBytesAllowed, stats.NetworkBytes);
    }

    // What another member says is bounded where it could not be shown: no number beyond what a table holds, no text that moves a cursor.
    private static ProgramUse UseOf(SwarmState state, SwarmProgram program, PeerId? host, StatsMessage? said, string? problem)
    {
        var limits = program.Deployed.Limits;
        return new ProgramUse(
            program.Deployed.Name, program.Id.ToString(), program.Deployed.Bundle.ToString(), ProgramWords.NameOf(state, program.Owner), host is { } peer ? ProgramWords.NameOf(state, peer) : null,
            said is null ? (problem is null && host is not null ? "starting" : "unknown") : MeshClient.Clean(said.State), said?.Detail is { } detail ? MeshClient.Clean(detail) : null, said?.Restarts ?? 0,
            Sound(said?.UpSeconds), Sound(said?.Cores), limits.CpuMillis / 1000.0, Sound(said?.CpuSeconds), said?.MemoryBytes, limits.MemoryBytes, said?.Pids, limits.Pids,
            said?.DiskBytes, limits.DiskBytes, said?.LogBytes, said?.LogBytesAllowed, problem, limits.Network, said?.NetworkBytes);
    }

    private static long? Known(long? number) => number is >= 0 ? number : null;

    private static double? Sound(double? number) => number is >= 0 and <= 1e12 ? number : null;
}
