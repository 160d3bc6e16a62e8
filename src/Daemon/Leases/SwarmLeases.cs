using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>
/// The leases of one swarm: one engine under one lock. Tells it what the feeds, presence and this host say, and carries out what it decides, in
/// order and under that lock: ending a program whose lease is lost waits for nothing else. Thread-safe.
/// </summary>
internal sealed class SwarmLeases : IDisposable
{
    /// <summary>How long the lease of a program that was stopped or has finished is kept, so that nobody who did not hear of it starts it.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(5);

    /// <summary>How long this host keeps the lease of a program that it could not start and that its owner is about to place elsewhere.</summary>
    private static readonly TimeSpan OwnerPatience = TimeSpan.FromSeconds(30);

    /// <summary>How long this host does not try again what it could not start, when others might.</summary>
    private static readonly TimeSpan Excused = TimeSpan.FromMinutes(1);

    private readonly LocalSwarm _swarm;
    private readonly LeaseContext _context;
    private readonly LeaseEngine _engine;
    private readonly HashSet<EntryHash> _loaded; // what ran before this daemon started may run again before it has caught up
    private readonly Lock _gate = new();
    private readonly ITimer _alarm;
    private readonly Dictionary<EntryHash, LeaseInput.Watch> _watched = [];
    private readonly Dictionary<EntryHash, ulong> _sealed = []; // the generation in which this node votes no more
    private readonly Dictionary<EntryHash, TaskCompletionSource<ulong>> _waiting = [];
    private readonly Dictionary<EntryHash, TimeSpan> _excusedUntil = [];
    private readonly HashSet<EntryHash> _ended = []; // stopped or finished; their leases linger
    private readonly Dictionary<EntryHash, TimeSpan> _over = []; // since when a held program is not here any more
    private ImmutableDictionary<EntryHash, LeaseHere> _held = ImmutableDictionary<EntryHash, LeaseHere>.Empty;
    private bool _draining;
    private bool _disposed;

    /// <summary>Makes the leases of a swarm; its life as a voter begins now.</summary>
    public SwarmLeases(LocalSwarm swarm, LeaseContext context)
    {
        _swarm = swarm;
        _context = context;
        _engine = new LeaseEngine(context.Self, context.Options, new Random(context.Seed()));
        _loaded = [.. swarm.State.Programs.Keys];
        _alarm = context.Clock.CreateTimer(_ => Ring(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        swarm.Changed += Look;
        swarm.Effect += Hear;
        Look(swarm);
    }

    private ProgramHost Host => _context.Host();

    /// <summary>What this node holds; a snapshot.</summary>
    public IReadOnlyDictionary<EntryHash, LeaseHere> Held => _held;

    /// <summary>What is known of the lease of a program that this node guards; null when it does not.</summary>
    public LeaseView? ViewOf(EntryHash program)
    {
        lock (_gate) return _engine.ViewOf(program);
    }

    /// <summary>The epoch under which this node may run a program now; null when it may not.</summary>
    public ulong? EpochOf(EntryHash program) => _held.TryGetValue(program, out var held) && !held.IsEnding ? held.Epoch : null;

    /// <summary>Asks for a lease at once and waits for it.</summary>
    /// <exception cref="PcException"><see cref="ErrorCode.LeaseNotHad"/>.</exception>
    public async Task<ulong> AcquireAsync(ProgramSpec program, CancellationToken cancellationToken)
    {
        Task<ulong> held;
        lock (_gate)
        {
            UpdateLocked();
            if (EpochOf(program.Id) is { } epoch) return epoch;
            if (!_waiting.TryGetValue(program.Id, out var waiting)) _waiting[program.Id] = waiting = new TaskCompletionSource<ulong>(TaskCreationOptions.RunContinuationsAsynchronously);
            held = waiting.Task;
            HandleLocked(new LeaseInput.Wish(program.Id));
        }
        try
        {
            return await held.WaitAsync(_context.AcquireTimeout, _context.Clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw NotHad(program);
        }
    }

    /// <summary>A message of a member, as it came.</summary>
    public void Receive(PeerId from, ReadOnlySpan<byte> bytes)
    {
        if (!LeaseMessage.TryDecode(bytes, _swarm.Id, _context.Verifier, out var message) || message.Sender != from)
        {
            LeaseLog.Refused(_context.Logger, from, "it could not be read, or was signed by somebody else");
            return;
        }
        lock (_gate)
        {
            UpdateLocked();
            HandleLocked(new LeaseInput.Received(from, message));
        }
    }

    /// <summary>Nothing listens where a member was.</summary>
    public void Gone(PeerId peer)
    {
        lock (_gate)
        {
            if (!_disposed) HandleLocked(new LeaseInput.Gone(peer));
        }
    }

    /// <summary>Looks at everything anew: the feeds, and what this host would run.</summary>
    public void Look() => Look(_swarm);

    /// <summary>This node votes no more in a generation of a program's guardians: it is about to approve the next.</summary>
    public void Seal(EntryHash program, ulong generation)
    {
        lock (_gate)
        {
            _sealed[program] = generation;
            UpdateLocked();
        }
    }

    /// <summary>It did not approve after all.</summary>
    public void Unseal(EntryHash program)
    {
        lock (_gate)
        {
            _sealed.Remove(program);
            UpdateLocked();
        }
    }

    /// <summary>What runs under a lease that is over stands still; waits for no lock.</summary>
    public void FreezeOver()
    {
        var now = Now;
        foreach (var (id, held) in _held)
            if (held.IsShared && held.Until <= now) Host.Freeze(id);
    }

    /// <summary>This node takes no further lease, or does again.</summary>
    public void Drain(bool draining)
    {
        lock (_gate)
        {
            _draining = draining;
            HandleLocked(new LeaseInput.Drain(draining));
        }
    }

    /// <summary>
    /// Ends a program here and gives its lease to another host; completes when that is done. The program has its time to end, and nobody else
    /// starts it before it has ended.
    /// </summary>
    /// <param name="id">A program whose lease this node holds.</param>
    /// <param name="to">Who should take it; null: whoever is first.</param>
    /// <param name="why">For its log.</param>
    /// <param name="end">For the feed.</param>
    public async Task HandOverAsync(EntryHash id, PeerId? to, string why, RunEnd end)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue(id, out var held) || held.IsEnding) return;
            _held = _held.SetItem(id, held with { IsEnding = true });
        }
        LeaseLog.HandsOver(_context.Logger, NameOf(id), to is { } next ? MemberName(next) : "whoever takes it", why);
        await Host.StopAsync(id, why, end);
        lock (_gate) HandleLocked(new LeaseInput.Release(id, to));
    }

    /// <summary>The guardian that should take a program next: one that is awake, hosts and knows the language, the one that the owner chose first, then by rank.</summary>
    public PeerId? NextHostOf(EntryHash id)
    {
        if (!_swarm.State.Programs.TryGetValue(id, out var program)) return null;
        var able = program.Guardians.Where(guardian => guardian != _context.Self && IsAble(guardian, program)).ToList();
        if (able.Count == 0) return null;
        if (program.Host is { } chosen && able.Contains(chosen)) return chosen;
        return able.MinBy(guardian => (_swarm.Presence[guardian].Record!.Info.Rank, guardian));
    }

    /// <summary>Ends all that has to do with time; leases that are held lapse.</summary>
    public void Dispose()
    {
        _swarm.Changed -= Look;
        _swarm.Effect -= Hear;
        lock (_gate)
        {
            _disposed = true;
            foreach (var waiting in _waiting.Values) waiting.TrySetException(new PcException(ErrorCode.Stopping, "the daemon is stopping"));
        }
        _alarm.Dispose();
    }

    // -- What is told to the engine ---------------------------------------------------------------------------

    private TimeSpan Now => _context.Now;

    private void Ring()
    {
        lock (_gate)
        {
            if (_disposed) return;
            HandleLocked(new LeaseInput.Tick());
            UpdateLocked();
        }
    }

    private void Look(LocalSwarm swarm)
    {
        lock (_gate)
        {
            if (!_disposed) UpdateLocked();
        }
    }

    // What gossip says of others: who is there, and what they run under which epoch.
    private void Hear(LocalSwarm swarm, GossipEffect effect)
    {
        if (effect is GossipEffect.Settled) Look(swarm);
        if (effect is not GossipEffect.PresenceChanged { View: var view } || view.Peer == _context.Self) return;
        lock (_gate)
        {
            if (_disposed) return;
            HandleLocked(new LeaseInput.Reachable(view.Peer, view.Liveness == Liveness.Awake && view.Record is { Info.Leaving: false }));
            if (view.Liveness != Liveness.Awake || view.Record is not { Info: { Leaving: false } info }) return;
            foreach (var running in info.Running.Where(running => running.Epoch > 0 && _watched.ContainsKey(running.Program)))
                HandleLocked(new LeaseInput.Heard(running.Program, view.Peer, running.Epoch));
        }
    }

    private void UpdateLocked()
    {
        var state = _swarm.State;
        var isMember = _swarm.Me is not null;
        foreach (var program in state.Programs.Values)
        {
            if (!isMember || !program.Guardians.Contains(_context.Self)) continue;
            if (program.Stopped || program.Finished)
            {
                EndLocked(program);
                continue;
            }
            if (_ended.Remove(program.Id)) UnwatchLocked(program.Id); // somebody wants it started again: under a new epoch
            var watch = WatchOf(program);
            if (_watched.TryGetValue(program.Id, out var before) && IsSame(before, watch)) continue;
            _watched[program.Id] = watch;
            HandleLocked(watch);
        }
        foreach (var id in _watched.Keys.ToList())
        {
            if (isMember && state.Programs.TryGetValue(id, out var program) && program.Guardians.Contains(_context.Self)) continue;
            UnwatchLocked(id);
        }
        if (_held.Count > 0) JudgeHeldLocked(state);
    }

    private LeaseInput.Watch WatchOf(SwarmProgram program)
    {
        var epoch = program.Runs is [.., var last] ? last.Epoch : 0;
        return new LeaseInput.Watch(program.Id, program.GuardianGeneration, program.Guardians, program.WhenAlone, CanRun(program))
        {
            IsFresh = !_loaded.Contains(program.Id),
            EpochFloor = epoch,
            Chosen = program.Host is { } chosen && IsAble(chosen, program) ? chosen : null,
            Placement = program.Generation,
            Sealed = program.IsSealedBy(_context.Self) || (_sealed.TryGetValue(program.Id, out var generation) && generation == program.GuardianGeneration),
        };
    }

    private bool CanRun(SwarmProgram program)
    {
        if (_draining || program.KeyOf(_context.Self) is null || _swarm.Me is not { MayDeployAndHost: true }) return false;
        if (!_loaded.Contains(program.Id) && !_swarm.IsSettled) return false;
        if (_excusedUntil.TryGetValue(program.Id, out var until))
        {
            if (until > Now) return false;
            _excusedUntil.Remove(program.Id);
        }
        return Host.WhyNot(ProgramSpec.Of(_swarm.Id, program)) is null;
    }

    private static bool IsSame(LeaseInput.Watch one, LeaseInput.Watch other) =>
        (one.Generation, one.WhenAlone, one.CanRun, one.Sealed, one.EpochFloor, one.Chosen, one.Placement) == (other.Generation, other.WhenAlone, other.CanRun, other.Sealed, other.EpochFloor, other.Chosen, other.Placement) && one.Guardians.SequenceEqual(other.Guardians);

    // It is over for good. Its host ends it; the lease is kept a little longer, for those who did not hear of that yet.
    private void EndLocked(SwarmProgram program)
    {
        if (!_watched.ContainsKey(program.Id)) return;
        _ended.Add(program.Id);
        if (_held.TryGetValue(program.Id, out var held)) _held = _held.SetItem(program.Id, held with { IsEnding = true });
        if (_held.ContainsKey(program.Id) && (IsHere(program.Id) || Now < SinceOver(program.Id) + Linger)) return; // looked at again soon
        UnwatchLocked(program.Id);
    }

    private void UnwatchLocked(EntryHash id)
    {
        if (_held.ContainsKey(id) && IsHere(id)) _ = Host.RevokeAsync(id, "this host does not guard it any more", RunEnd.Stopped);
        _watched.Remove(id);
        _over.Remove(id);
        _ended.Remove(id);
        _sealed.Remove(id);
        HandleLocked(new LeaseInput.Unwatch(id));
    }

    // Programs whose lease this node has and that should be with another host.
    private void JudgeHeldLocked(SwarmState state)
    {
        foreach (var (id, held) in _held)
        {
            if (held.IsEnding || !state.Programs.TryGetValue(id, out var program) || program.Stopped || program.Finished) continue;
            if (program.Host is { } chosen && chosen != _context.Self && program.Generation > held.Placed && program.Guardians.Contains(chosen))
            {
                HandOver(id, chosen, $"was placed on {MemberName(chosen)}", RunEnd.HandedOver);
                continue;
            }
            if (IsHere(id))
            {
                _over.Remove(id);
                continue;
            }
            // This host holds it and does not run it: it could not start it, or may not any more.
            if (Host.WhyNot(ProgramSpec.Of(_swarm.Id, program)) is not { } why) continue;
            var patience = program.Host == _context.Self && Host.HasFailedToStart(id) ? OwnerPatience : TimeSpan.Zero;
            if (Now >= SinceOver(id) + patience) HandOver(id, NextHostOf(id), why, RunEnd.HandedOver);
        }
    }

    /// <summary>This host could not start a program whose lease it took over: another may be able to.</summary>
    public void CouldNotStart(EntryHash id, string why)
    {
        lock (_gate)
        {
            if (_disposed || !_held.TryGetValue(id, out var held) || held.IsEnding || NextHostOf(id) is not { } next) return;
            _excusedUntil[id] = Now + Excused;
            HandOver(id, next, $"could not be started here: {why}", RunEnd.StartFailed);
        }
    }

    private void HandOver(EntryHash id, PeerId? to, string why, RunEnd end) => _context.Work(() => HandOverAsync(id, to, why, end));

    private TimeSpan SinceOver(EntryHash id) => _over.TryGetValue(id, out var since) ? since : _over[id] = Now;

    private bool IsHere(EntryHash id) => Host.Runs(id);

    // -- What the engine decides ------------------------------------------------------------------------------

    private void HandleLocked(LeaseInput input)
    {
        foreach (var effect in _engine.Handle(input, Now)) CarryOutLocked(effect);
    }

    private void CarryOutLocked(LeaseEffect effect)
    {
        switch (effect)
        {
            case LeaseEffect.Send send:
                _context.Send(_swarm, send.To, send.Message);
                break;
            case LeaseEffect.Acquired acquired:
                AcquiredLocked(acquired);
                break;
            case LeaseEffect.Renewed renewed:
                RenewedLocked(renewed);
                break;
            case LeaseEffect.Lost lost:
                LostLocked(lost);
                break;
            case LeaseEffect.Misbehaved misbehaved:
                LeaseLog.Misbehaved(_context.Logger, misbehaved.Peer, NameOf(misbehaved.Program), misbehaved.What);
                Accuse(misbehaved);
                break;
            case LeaseEffect.WakeAt wake:
                SetAlarmLocked(wake.At);
                break;
        }
    }

    private void AcquiredLocked(LeaseEffect.Acquired acquired)
    {
        var program = _swarm.State.Programs.GetValueOrDefault(acquired.Program);
        _held = _held.SetItem(acquired.Program, new LeaseHere(acquired.Epoch, acquired.Until, acquired.Alone, program?.Generation ?? 0, IsShared(acquired.Program)));
        TellRun(acquired.Program);
        LeaseLog.Acquired(_context.Logger, NameOf(acquired.Program), acquired.Epoch, acquired.Alone ? ", without a majority" : "");
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
        if (lost.Why == LeaseLoss.Expired && !held.IsShared && IsHere(lost.Program))
        {
            HandleSoleLocked(lost.Program);
            return;
        }
        _held = _held.Remove(lost.Program);
        _context.HeldChanged();
        if (lost.Why == LeaseLoss.Released)
        {
            LeaseLog.GaveBack(_context.Logger, NameOf(lost.Program), lost.Epoch);
            return;
        }
        var why = WordsOf(lost);
        LeaseLog.Lost(_context.Logger, NameOf(lost.Program), lost.Epoch, why);
        _ = Host.RevokeAsync(lost.Program, $"was ended: {why}", lost.Why == LeaseLoss.Superseded ? RunEnd.Overlapped : RunEnd.LeaseLost);
    }

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

    // -- Helpers ----------------------------------------------------------------------------------------------

    private bool IsShared(EntryHash program) => _watched.TryGetValue(program, out var watch) && (watch.Guardians.Count > 1 || watch.Generation > 1);

    private bool IsAble(PeerId guardian, SwarmProgram program) =>
        _swarm.State.Find(guardian) is { MayDeployAndHost: true }
        && _swarm.Presence.GetValueOrDefault(guardian) is { Liveness: Liveness.Awake, Record.Info: { Hosts: true, Leaving: false, Draining: false } info }
        && info.Languages.Contains(program.Deployed.Language, StringComparer.Ordinal);

    private PcException NotHad(ProgramSpec program)
    {
        var view = ViewOf(program.Id);
        return view is { Holder: { } holder } && holder != _context.Self
            ? new PcException(ErrorCode.LeaseNotHad, $"{MemberName(holder)} holds the lease of {program.Name}")
            : new PcException(ErrorCode.LeaseNotHad, $"not enough guardians of {program.Name} answer: {string.Join(", ", (_swarm.State.Programs.GetValueOrDefault(program.Id)?.Guardians ?? []).Select(MemberName))}");
    }

    private string WordsOf(LeaseEffect.Lost lost) => lost.Why switch
    {
        LeaseLoss.Superseded when lost.By is { } by => $"{MemberName(by.Holder)} ran it too, with epoch {by.Epoch}, and goes on",
        LeaseLoss.Superseded => "another host ran it too, and goes on",
        LeaseLoss.NoGuardian => "this host does not guard it any more",
        _ => "its lease could not be renewed in time",
    };

    private string NameOf(EntryHash program) => _swarm.State.Programs.TryGetValue(program, out var known) ? known.Deployed.Name : program.ToString();

    private string MemberName(PeerId peer) => _swarm.State.Members.TryGetValue(peer, out var member) ? member.Name : peer.ToString();
}
