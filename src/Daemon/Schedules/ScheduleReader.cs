using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Hosting;
using PeoplesCloud.Daemon.Mesh;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Schedules;

/// <summary>What became of a program's last times, by what its guardians kept.</summary>
internal sealed class ScheduleReader(ScheduleService own, MeshClient client)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>The last times that any guardian who answers knows, oldest first. Who does not answer is left out.</summary>
    public async Task<IReadOnlyList<ScheduledRun>> ReadAsync(LocalSwarm swarm, SwarmProgram program, CancellationToken cancellationToken)
    {
        if (program.Deployed.Manifest.Schedule is null) return [];
        var others = program.Guardians.Where(guardian => guardian != swarm.Me?.Peer).Select(guardian => AskAsync(guardian, swarm.Id, program.Id, cancellationToken));
        var records = await Task.WhenAll(others);
        return
        [
            .. records.Append(own.RecordOf(program.Id)).SelectMany(record => record.Runs).GroupBy(run => run.Due)
                .Select(same => same.MinBy(run => (run.Began is null, run.Host))!) // who ran it knows better than who missed it
                .OrderBy(run => run.Due).TakeLast(ScheduleRecord.KeptRuns),
        ];
    }

    private async Task<ScheduleRecord> AskAsync(PeerId guardian, SwarmId swarm, EntryHash program, CancellationToken cancellationToken)
    {
        try
        {
            var body = await client.PostAsync(guardian, ProgramMesh.PathOf(swarm, program, "times"), default, ScheduleRecord.MaxBytes, cancellationToken, Patience);
            return ScheduleRecord.TryDecode(body) is { } read && read.Program == program ? read.Record : ScheduleRecord.Empty;
        }
        catch (PcException)
        {
            return ScheduleRecord.Empty;
        }
    }
}
