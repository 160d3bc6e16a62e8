using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>What a program that is here takes now.</summary>
/// <param name="Status">The program and how it is.</param>
/// <param name="Usage">What its process takes; null when none runs now. What is not known in it is negative.</param>
/// <param name="Cores">Processors that it used while it was looked at; null when none runs or nobody knows.</param>
/// <param name="Up">How long its process runs; null when none does.</param>
/// <param name="LogBytes">What its log takes, in bytes.</param>
/// <param name="LogBytesAllowed">What its log takes at most.</param>
public sealed record ProgramStats(ProgramStatus Status, RunUsage? Usage, double? Cores, TimeSpan? Up, long LogBytes, long LogBytesAllowed)
{
    /// <summary>Bytes that it sent and received since it came to this host: over its own network, and through tunnels to its ports.</summary>
    public long NetworkBytes { get; init; }
}

public sealed partial class ProgramHost
{
    /// <summary>For how long the processor's work is looked at: long enough for a kernel that counts in ticks of 10 ms, short enough to wait for.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(300);

    /// <summary>What the programs of a swarm that are here take now. Takes as long as a look at their processors' work.</summary>
    public async Task<IReadOnlyList<ProgramStats>> StatsAsync(SwarmId swarm, CancellationToken cancellationToken)
    {
        var before = _programs.Values.Where(program => program.Spec.Swarm == swarm).Select(program => (Program: program, Taken: program.Sample())).ToList();
        if (before.Exists(one => one.Taken is not null)) await Task.Delay(Look, _time, cancellationToken);
        return [.. before.Select(one => StatsOf(one.Program, one.Taken)).OrderBy(stats => stats.Status.Spec.Id)];
    }

    private ProgramStats StatsOf(HostedProgram program, UsageSample? before)
    {
        var now = program.Sample();
        double? cores = null;
        // Only of one and the same process.
        if (before is not null && now is not null && before.Run == now.Run && before.Usage.CpuTime >= TimeSpan.Zero && now.Usage.CpuTime >= before.Usage.CpuTime)
        {
            var elapsed = _time.GetElapsedTime(before.Timestamp, now.Timestamp);
            if (elapsed > TimeSpan.Zero) cores = (now.Usage.CpuTime - before.Usage.CpuTime) / elapsed;
        }
        return new ProgramStats(program.Status, now?.Usage, cores, now is null ? null : _time.GetElapsedTime(now.Began, now.Timestamp), program.Log.Bytes, 2 * _options.Logs.FileBytes) { NetworkBytes = program.Meter.Read().Bytes };
    }
}

/// <summary>What a process had taken at a moment; timestamps of the host's clock.</summary>
internal sealed record UsageSample(IRun Run, RunUsage Usage, long Timestamp, long Began);
