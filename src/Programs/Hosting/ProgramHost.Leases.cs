using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>What this host ran under a lease: it begins, or it is over.</summary>
/// <param name="Spec">The program.</param>
/// <param name="Epoch">The lease's epoch; 0 when it never had one.</param>
/// <param name="Time">When.</param>
/// <param name="End">Why it ended; null when it begins.</param>
/// <param name="Detail">One line for people; null when there is nothing to say.</param>
/// <param name="ExitCode">The exit code of its last process; null when that has none.</param>
/// <param name="Use">What it took.</param>
public sealed record RunNote(ProgramSpec Spec, ulong Epoch, DateTimeOffset Time, RunEnd? End, string? Detail, int? ExitCode, RunUse Use);

public sealed partial class ProgramHost
{
    /// <summary>Raised when a program runs here for the first time under a lease, and when it is over; on any thread, and quickly handled.</summary>
    public event Action<RunNote>? Noted;

    /// <summary>
    /// Raised when a program that this host took over could not be started, or not again since the host's runtime does not answer any more, though it is
    /// tried further: another host may be able to. On any thread, and quickly handled.
    /// </summary>
    public event Action<ProgramSpec, string>? NotStarted;

    /// <summary>Why this host takes no programs at all now, as an owner is told; null when it does.</summary>
    public string? TakesNone { get; set; }

    /// <summary>Whether a program is here: it runs, starts or waits to start again.</summary>
    public bool Runs(EntryHash id) => _programs.TryGetValue(id, out var program) && !program.IsOver;

    /// <summary>
    /// Ends a program whose lease is lost, at once: another host may run it now. Its process is told before this returns; completes when it has ended.
    /// </summary>
    /// <param name="id">The program.</param>
    /// <param name="why">For its log.</param>
    /// <param name="end">For the feed.</param>
    /// <param name="since">For how long it has done nothing already, since its host slept.</param>
    public Task<bool> RevokeAsync(EntryHash id, string why, RunEnd end, TimeSpan since = default)
    {
        if (since > TimeSpan.Zero && _programs.TryGetValue(id, out var program)) program.StoodStillSince(_time.GetUtcNow() - since);
        return StopAsync(id, why, end, TimeSpan.Zero);
    }

    /// <summary>A program's lease seems to be over: it does nothing more until it is ended or <see cref="Thaw"/> is called. Its process is told before this returns.</summary>
    public void Freeze(EntryHash id)
    {
        if (_programs.TryGetValue(id, out var program)) program.Freeze();
    }

    /// <summary>Its lease is good after all: it goes on.</summary>
    public void Thaw(EntryHash id)
    {
        if (_programs.TryGetValue(id, out var program)) program.Thaw();
    }

    /// <summary>Whether its owner was told that it could not be started here, and has not placed it here again.</summary>
    public bool HasFailedToStart(EntryHash id) => _startFailed.Contains(id);

    /// <summary>Why this host would not run a program now; null when it would.</summary>
    public string? WhyNot(ProgramSpec spec)
    {
        if (_closed) return "this host's daemon is stopping";
        if (Runs(spec.Id)) return null;
        if (_startFailed.Contains(spec.Id)) return "could not start it";
        if (!Languages.Contains(spec.Deployed.Language, StringComparer.Ordinal)) return $"this host cannot run {Quoted.Text(spec.Deployed.Language)}";
        return TakesNone ?? RefusalOf(spec)?.Text ?? Place(spec.Deployed.Language, spec.Deployed.Manifest).Refusal;
    }

    /// <summary>What a program that is here took so far, and under which epoch; null when it is not here or has not run yet.</summary>
    public (ulong Epoch, RunUse Use)? UseOf(EntryHash id) =>
        _programs.TryGetValue(id, out var program) && program.Epoch is { } epoch ? (epoch, program.Meter.Read()) : null;

    // Called when the lease is held: an older version ends only when the newer one may run.
    private async Task EndOlderAsync(ProgramSpec spec, IEnumerable<HostedProgram> namesakes)
    {
        foreach (var older in namesakes.Where(older => !StartsBeside(spec, older))) await StandStillAsync(older.Spec.Id, "was replaced by a newer deploy");
        if (Policy.FavoursFirst) await EnforcePolicyAsync(_programs.GetValueOrDefault(spec.Id));
    }

    private async Task NoteRunAsync(HostedProgram program)
    {
        await Task.Yield();
        _ = TellWhenNotStartedAsync(program);
        await Task.WhenAny(program.Begun, program.Ended);
        var began = _time.GetUtcNow();
        if (program.Begun.IsCompleted)
        {
            Note(program, null, began);
            Journal(program); // after it: a run does not end before it began
        }
        await program.Ended;
        var end = program.Finished ? RunEnd.Finished : program.EndedFor ?? RunEnd.StartFailed;
        var ended = program.StillSince is { } still ? (still > began ? still : began) : _time.GetUtcNow();
        if (program.Begun.IsCompleted || end == RunEnd.StartFailed) Note(program, end, ended);
    }

    private async Task TellWhenNotStartedAsync(HostedProgram program)
    {
        try
        {
            await program.FirstStart;
        }
        catch (Exception failed) when (!program.Ended.IsCompleted && program.EndedFor is null)
        {
            NotStarted?.Invoke(program.Spec, failed.Message);
        }
        catch (Exception)
        {
            // It is over: whoever waits for it is told.
        }
    }

    // It finished when this daemon did not live to write that down, or under an earlier version.
    private void NoteFinishedBefore(SwarmState state, ProgramSpec spec)
    {
        if (state.Programs[spec.Id] is { Finished: false } program && _leases.EpochOf(program) is { } epoch)
            Noted?.Invoke(new RunNote(spec, epoch, _time.GetUtcNow(), RunEnd.Finished, ProgramSupervisor.FinishedDetail, 0, RunUse.None));
    }

    private void Note(HostedProgram program, RunEnd? end, DateTimeOffset time)
    {
        var detail = end is not null ? program.Status.Detail : program.DataAge is { } age ? $"data: {age}" : null;
        Noted?.Invoke(new RunNote(program.Spec, program.Epoch ?? 0, time, end, detail, end is null ? null : program.LastExit?.ExitCode, end is null ? RunUse.None : program.Meter.Read()));
    }
}
