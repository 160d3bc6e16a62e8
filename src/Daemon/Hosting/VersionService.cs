using PeoplesCloud.Base;
using PeoplesCloud.Base.Crypto;
using PeoplesCloud.Daemon.Api;
using PeoplesCloud.Daemon.Schedules;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Deploying;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>The versions of a program: a newer one that takes over only when it is up, an earlier one again, and which there were (docs/protocols/programs.md).</summary>
internal sealed class VersionService(SwarmRegistry swarms, ProgramService programs, ProgramMesh mesh, ScheduleReader times, X25519Key key)
{
    /// <summary>How long a new version must be up.</summary>
    public static readonly TimeSpan Trial = TimeSpan.FromSeconds(10);

    /// <summary>All versions of a program, oldest first, and what became of its last times.</summary>
    public async Task<HistoryReply> HistoryAsync(string swarmName, string programName, CancellationToken cancellationToken)
    {
        var swarm = swarms.Require(swarmName);
        swarm.RequireMembership();
        var state = swarm.State;
        var program = ProgramService.Find(state, programName, liveOnly: false);
        var versions = ProgramVersions.Of(state, program);
        var kept = ProgramVersions.Kept(state).Select(version => version.Id).ToHashSet();
        var runs = await times.ReadAsync(swarm, program, cancellationToken);
        return new HistoryReply(
            program.Deployed.Name,
            ProgramWords.NameOf(state, program.Owner),
            [.. versions.Select((version, index) => Describe(state, version, index + 1, versions, kept.Contains(version.Id)))],
            [.. versions.SelectMany(version => version.Controls).Select(control => new HistoryControl(control.At, ProgramWords.NameOf(state, control.Author), WordOf(control.Action), control.Detail)).OrderBy(control => control.Time)])
        {
            Times = program.Deployed.Manifest.Schedule is null ? null : [.. runs.Select(run => new HistoryTime(run.DueAt, ProgramWords.Of(run.Result), ProgramWords.NameOf(state, run.Host), run.Began, run.Took.TotalSeconds, run.Detail))],
        };
    }

    /// <summary>Lets a new version of a program take over, and goes back when it is not up.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.UpdateRolledBack"/>, or what a deploy throws; the version before runs then. <see cref="ErrorCode.StoppedMeanwhile"/>: what somebody did meanwhile is left as it is.</exception>
    public async Task<UpdateReply> UpdateAsync(string swarmName, string programName, DeployRequest request, Func<string, Task> step, CancellationToken cancellationToken)
    {
        var (swarm, before) = RequireOwn(swarmName, programName, liveOnly: true);
        var (read, file) = programs.Read(swarm, request with { Name = before.Deployed.Name });
        using var staged = file;
        var order = read with { Beside = read.Manifest.MayStartBeside(before.Deployed.Manifest) };
        DeployResult result;
        try
        {
            result = await programs.DeployAsync(swarm, order, step, cancellationToken);
        }
        catch (PcException e) when (e.Code == ErrorCode.StartFailed && swarm.State.Programs[before.Id].Stopped)
        {
            throw await GoBackAsync(swarm, before, e.Message, step);
        }

        // From here on it goes on to its end, with the new version or the one before.
        await step($"watching it for {Trial.TotalSeconds:0} s");
        TrialResult trial;
        try
        {
            trial = await mesh.WatchAsync(result.Host, swarm.Id, result.Program.Id, Trial, CancellationToken.None);
        }
        catch (PcException e)
        {
            // It may run well, here or on another host by now: nobody knows better than the person who is told.
            await step($"could not be watched: {e.Message}");
            trial = new TrialResult(true);
        }
        var (replaced, tried) = (swarm.State.Programs[before.Id], swarm.State.Programs[result.Program.Id]);
        if (tried.Stopped || (order.Beside && replaced.Stopped))
        {
            // Whoever stopped the program, or deployed another version, while this one was watched wants that: going back would undo it.
            if (!tried.Stopped) await programs.StopAsync(swarm.Name, tried.Id.ToString(), CancellationToken.None);
            throw new PcException(ErrorCode.StoppedMeanwhile, $"{before.Deployed.Name} was stopped, or deployed again, while its new version was watched; that is left as it is");
        }
        if (trial.Up || (trial.Finished && replaced.Finished))
        {
            if (order.Beside) await programs.StopAsync(swarm.Name, before.Id.ToString(), CancellationToken.None);
            return new UpdateReply(ProgramService.ReplyOf(result), ProgramVersions.Of(swarm.State, swarm.State.Programs[result.Program.Id]).Count);
        }
        if (!order.Beside) throw await GoBackAsync(swarm, before, trial.Why!, step);
        await programs.StopAsync(swarm.Name, result.Program.Id.ToString(), CancellationToken.None);
        throw RolledBack(before, trial.Why!, "the version before was not stopped and goes on");
    }

    /// <summary>Runs an earlier version again, as a new one; null is the last whose bundle is another than the present one's.</summary>
    public async Task<UpdateReply> RollbackAsync(string swarmName, string programName, int? number, Func<string, Task> step, CancellationToken cancellationToken)
    {
        var (swarm, program) = RequireOwn(swarmName, programName, liveOnly: true);
        var versions = ProgramVersions.Of(swarm.State, program);
        var wanted = number is { } given
            ? versions.ElementAtOrDefault(given - 1)
            : versions.TakeWhile(version => version.Id != program.Id).LastOrDefault(version => version.Deployed.Bundle != program.Deployed.Bundle);
        if (wanted is null) throw new PcException(ErrorCode.ProgramVersionUnknown, number is null ? $"{program.Deployed.Name} has no earlier version" : $"{program.Deployed.Name} has no version {number}: it has 1 to {versions.Count}");
        var result = await RunAgainAsync(swarm, wanted, step, cancellationToken);
        return new UpdateReply(ProgramService.ReplyOf(result), versions.Count + 1);
    }

    private async Task<PcException> GoBackAsync(LocalSwarm swarm, SwarmProgram before, string why, Func<string, Task> step)
    {
        await step($"{why}; going back to the version before");
        try
        {
            var back = await RunAgainAsync(swarm, before, step, CancellationToken.None);
            return RolledBack(before, why, $"the version before runs again on {back.HostName}");
        }
        catch (PcException e)
        {
            return RolledBack(before, why, $"and the version before could not be started again: {e.Message}");
        }
    }

    private static PcException RolledBack(SwarmProgram program, string why, string then) =>
        new(ErrorCode.UpdateRolledBack, $"the new version of {program.Deployed.Name} {(why.StartsWith("no ", StringComparison.Ordinal) || why.StartsWith("nothing ", StringComparison.Ordinal) ? "failed: " : "")}{why}; {then}");

    private async Task<DeployResult> RunAgainAsync(LocalSwarm swarm, SwarmProgram version, Func<string, Task> step, CancellationToken cancellationToken)
    {
        var deployed = version.Deployed;
        var order = new DeployOrder("", deployed.Language, deployed.Name)
        {
            Earlier = new EarlierVersion(deployed, BundleKey.Open(key, swarms.Self, ProgramSpec.Of(swarm.Id, version))),
            Limits = deployed.Limits.ToRunLimits(),
            Network = deployed.Limits.ToNetworkMode(),
            Manifest = deployed.Manifest,
        };
        // Secrets belong to the name: an earlier version gets those of today.
        return await programs.DeployAsync(swarm, programs.WithSecrets(swarm, order, null), step, cancellationToken);
    }

    private (LocalSwarm Swarm, SwarmProgram Program) RequireOwn(string swarmName, string programName, bool liveOnly)
    {
        var swarm = swarms.Require(swarmName);
        swarm.RequireMembership();
        var program = ProgramService.Find(swarm.State, programName, liveOnly);
        return program.Owner == swarms.Self ? (swarm, program) : throw new PcException(ErrorCode.NotPermitted, $"only the owner of {program.Deployed.Name} changes its version", "its owner is shown by pc list");
    }

    private static HistoryVersion Describe(SwarmState state, SwarmProgram version, int number, IReadOnlyList<SwarmProgram> all, bool isKept)
    {
        var same = all.Take(number - 1).Select((earlier, index) => (earlier, Number: index + 1)).FirstOrDefault(one => one.earlier.Deployed.Bundle == version.Deployed.Bundle).Number;
        return new HistoryVersion(
            number, version.Id.ToString(), version.Deployed.Bundle.ToString(), version.DeployedAt, version.Deployed.Language, version.Deployed.BundleBytes,
            version.Host is { } host ? ProgramWords.NameOf(state, host) : null, version.Stopped ? "stopped" : version.Finished ? "finished" : "live", same == 0 ? null : same, isKept);
    }

    private static string WordOf(ControlAction action) => action switch
    {
        ControlAction.Restart => "restart",
        ControlAction.Exec => "exec",
        _ => "data",
    };
}
