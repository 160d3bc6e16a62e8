using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

// What the engine decides, done in order and under the lock: nothing here waits.
internal sealed partial class SwarmLeases
{
    private void AcquiredLocked(LeaseEffect.Acquired acquired)
    {
        var program = _swarm.State.Programs.GetValueOrDefault(acquired.Program);
        _held = _held.SetItem(acquired.Program, new LeaseHere(acquired.Epoch, acquired.Until, acquired.Alone, program?.Generation ?? 0, IsShared(acquired.Program)));
        TellRun(acquired.Program);
        LeaseLog.Acquired(_context.Logger, _words.Of(acquired.Program), acquired.Epoch, acquired.Alone ? ", without a majority" : "");
        if (_waiting.Remove(acquired.Program, out var waiting)) waiting.TrySetResult(acquired.Epoch);
        else _context.Reconcile(_swarm);
        _context.HeldChanged();
    }

    private void RenewedLocked(LeaseEffect.Renewed renewed)
    {
        if (!_held.TryGetValue(renewed.Program, out var held)) return;
        _held = _held.SetItem(renewed.Program, held with { Epoch = renewed.Epoch, Until = renewed.Until, Alone = renewed.Alone, IsShared = IsShared(renewed.Program) });
        TellRun(renewed.Program);
        _context.HeldChanged();
        if (held.Alone != renewed.Alone || held.Epoch != renewed.Epoch) _context.Say();
    }

    // A container outlives this process: its guard is told until when it may.
    private void TellRun(EntryHash program) => _context.Host().RunsUntil(program, _held[program] is { IsShared: true } held ? _context.SinceBoot(held.Until) : null);

    private void LostLocked(LeaseEffect.Lost lost)
    {
        if (!_held.TryGetValue(lost.Program, out var held)) return;
        // Nobody else may run what only this node guards: after a sleep it goes on, and the engine has the lease back within moments.
        if (lost.Why == LeaseLoss.Expired && !held.IsShared && Host.Runs(lost.Program))
        {
            HandleSoleLocked(lost.Program);
            return;
        }
        _held = _held.Remove(lost.Program);
        _context.HeldChanged();
        if (lost.Why == LeaseLoss.Released)
        {
            LeaseLog.GaveBack(_context.Logger, _words.Of(lost.Program), lost.Epoch);
            return;
        }
        var why = _words.Of(lost);
        LeaseLog.Lost(_context.Logger, _words.Of(lost.Program), lost.Epoch, why);
        Revoke(lost.Program, $"was ended: {why}", lost.Why == LeaseLoss.Superseded ? RunEnd.Overlapped : RunEnd.LeaseLost, SleptSince(held, lost));
    }

    // The process is told now. The lease may be back before it has ended, when it cannot be started again yet: then that is looked at once more.
    private void Revoke(EntryHash program, string why, RunEnd end, TimeSpan since = default)
    {
        var ended = Host.RevokeAsync(program, why, end, since);
        _context.Work(async () =>
        {
            await ended;
            _context.Reconcile(_swarm);
        });
    }

    // Who slept did nothing after its lease, and another may have run the program all night: that it ended when the machine woke would be read as a double run.
    // A daemon that is this late and did not sleep is not there any more: the kernel has ended it.
    private TimeSpan SleptSince(LeaseHere held, LeaseEffect.Lost lost) =>
        lost.Why == LeaseLoss.Expired && Now - held.Until is var late && late > BootTimeProvider.WakeNotice ? late : TimeSpan.Zero;

    private void HandleSoleLocked(EntryHash program) => _context.Work(() =>
    {
        lock (_gate)
        {
            if (!_disposed) HandleLocked(new LeaseInput.Wish(program));
        }
        return Task.CompletedTask;
    });

    private void SetAlarmLocked(TimeSpan at)
    {
        if (_disposed) return;
        _alarm.Change(at == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : at > Now ? at - Now : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private void Accuse(LeaseEffect.Misbehaved misbehaved)
    {
        if (_swarm.State.Accusations.Any(known => known.Said.Peer == misbehaved.Peer && known.Said.Program == misbehaved.Program)) return;
        _context.Work(async () =>
        {
            try
            {
                await _swarm.AppendAsync(new GuardianMisbehaved(misbehaved.Program, misbehaved.Peer, misbehaved.What, [.. misbehaved.Evidence.Select(bytes => bytes.ToArray())]), CancellationToken.None);
            }
            catch (PcException)
            {
                // Somebody else said it at this moment, or the program is unknown here now.
            }
        });
    }

    private bool IsShared(EntryHash program) => _watched.TryGetValue(program, out var watch) && (watch.Guardians.Count > 1 || watch.Generation > 1);
}
