using System.Globalization;
using PeoplesCloud.Base;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>What came of watching a program after its start.</summary>
/// <param name="Up">Whether it was up the whole time, and its ports answered at the end.</param>
/// <param name="Why">Why not; null when it was.</param>
/// <param name="Finished">Whether it ended by itself with exit code 0.</param>
public sealed record TrialResult(bool Up, string? Why = null, bool Finished = false);

public sealed partial class ProgramHost
{
    private static readonly TimeSpan AnswerInterval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan PortInterval = TimeSpan.FromMilliseconds(200);

    /// <summary>Watches a program until its process has run for a time, or is over before; then asks for its ports, which have that time too.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.ProgramNotFound"/>: it is not here.</exception>
    public async Task<TrialResult> WatchAsync(EntryHash id, TimeSpan trial, CancellationToken cancellationToken)
    {
        if (!_programs.TryGetValue(id, out var program)) throw new PcException(ErrorCode.ProgramNotFound, "the program is not on this host now");
        if (program.Spec.Deployed.Manifest.Schedule is not null) return program.IsOver ? Over(program) : new TrialResult(true); // it is up when it waits for its time
        if (program.Sample() is not { } sample) return Over(program);
        var left = trial - _time.GetElapsedTime(sample.Began, sample.Timestamp);
        if (left > TimeSpan.Zero)
        {
            using var early = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(sample.Run.Exited, Task.Delay(left, _time, early.Token));
            await early.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
        if (sample.Run.Exited.IsCompleted) return Ended(await sample.Run.Exited);
        foreach (var port in program.Spec.Deployed.Manifest.Ports)
        {
            if (!await AnswersAsync(sample.Run, port, trial, cancellationToken)) return new TrialResult(false, string.Create(CultureInfo.InvariantCulture, $"nothing answers on its port {port.Number} after {trial.TotalSeconds:0} s"));
        }
        return sample.Run.Exited.IsCompleted ? Ended(await sample.Run.Exited) : new TrialResult(true);
    }

    private async Task<bool> AnswersAsync(IRun run, ProgramPort port, TimeSpan patience, CancellationToken cancellationToken)
    {
        var begun = _time.GetTimestamp();
        while (!run.Exited.IsCompleted)
        {
            try
            {
                await using IAsyncDisposable connection = port.Protocol is ProgramPort.Udp
                    ? await run.OpenDatagramsAsync(port.Number, cancellationToken)
                    : await run.ConnectAsync(port.Number, cancellationToken);
                return true;
            }
            catch (IOException) when (_time.GetElapsedTime(begun) < patience)
            {
                await Task.Delay(PortInterval, _time, cancellationToken); // it listens soon, or never
            }
            catch (IOException)
            {
                return false;
            }
        }
        return false;
    }

    private static TrialResult Over(HostedProgram program) => new(false, program.Status.Detail ?? "it does not run", program.Finished);

    private static TrialResult Ended(RunExit exit) =>
        exit is { ExitCode: 0, Reason: RunExitReason.Exited } ? new TrialResult(false, ProgramSupervisor.FinishedDetail, Finished: true) : new TrialResult(false, ProgramSupervisor.Described(exit));

    // A version with ports and without data of its own starts beside the one before, which ends when the newer one was seen to answer.
    private static bool StartsBeside(ProgramSpec spec, HostedProgram older) =>
        spec.Deployed.Replaces == older.Spec.Id && older.EndedFor is null && spec.Deployed.Manifest.MayStartBeside(older.Spec.Deployed.Manifest);
}
