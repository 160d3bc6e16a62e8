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
/// order and under that lock: ending a program whose lease is lost waits for nothing else. The main path: something is heard or rings
/// (<see cref="Hear"/>, <see cref="Receive"/>, <see cref="Ring"/>), what the <see cref="LeaseJudge"/> says of it is told to the engine
/// (<see cref="UpdateLocked"/>), and what that decides is done (<see cref="CarryOutLocked"/>). Thread-safe.
/// </summary>
internal sealed partial class SwarmLeases : IDisposable
{
    private readonly LocalSwarm _swarm;
    private readonly LeaseContext _context;
    private readonly LeaseEngine _engine;
    private readonly LeaseJudge _judge;
    private readonly LeaseWords _words;
    private readonly Lock _gate = new();
    private readonly ITimer _alarm;
    private readonly Dictionary<EntryHash, LeaseInput.Watch> _watched = [];
    private readonly Dictionary<EntryHash, TaskCompletionSource<ulong>> _waiting = [];
    private readonly HashSet<EntryHash> _ended = []; // stopped or finished; their leases linger
    private ImmutableDictionary<EntryHash, LeaseHere> _held = ImmutableDictionary<EntryHash, LeaseHere>.Empty;
    private bool _disposed;

    /// <summary>Makes the leases of a swarm; its life as a voter begins now.</summary>
    public SwarmLeases(LocalSwarm swarm, LeaseContext context)
    {
        _swarm = swarm;
        _context = context;
        _engine = new LeaseEngine(context.Self, context.Options, new Random(context.Seed()));
        _judge = new LeaseJudge(swarm, context);
        _words = new LeaseWords(swarm);
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
            throw _words.NotHad(program, ViewOf(program.Id)?.Holder is { } holder && holder != _context.Self ? holder : null);
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
            _judge.Seal(program, generation);
            UpdateLocked();
        }
    }

    /// <summary>Whether this node votes no more in the present generation of a program's guardians.</summary>
    public bool IsSealed(SwarmProgram program)
    {
        lock (_gate) return _judge.IsSealed(program);
    }

    /// <summary>It did not approve after all.</summary>
    public void Unseal(EntryHash program)
    {
        lock (_gate)
        {
            _judge.Seal(program, null);
            UpdateLocked();
        }
    }

    /// <summary>What runs under a lease that is over stands still; waits for no lock. Then the engine is asked, and what it keeps goes on.</summary>
    public void FreezeOver()
    {
        var now = Now;
        var frozen = _held.Where(held => held.Value.IsShared && held.Value.Until <= now).Select(held => held.Key).ToList();
        foreach (var id in frozen) Host.Freeze(id);
        if (frozen.Count == 0) return;
        _context.Work(() =>
        {
            Ring();
            // Renewed at the last moment, by an answer that was being looked at just then.
            foreach (var id in frozen.Where(_held.ContainsKey)) Host.Thaw(id);
            return Task.CompletedTask;
        });
    }

    /// <summary>This node takes no further lease, or does again.</summary>
    public void Drain(bool draining)
    {
        lock (_gate)
        {
            _judge.IsDraining = draining;
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
        LeaseLog.HandsOver(_context.Logger, _words.Of(id), to is { } next ? _words.Of(next) : "whoever takes it", why);
        await Host.StopAsync(id, why, end);
        lock (_gate) HandleLocked(new LeaseInput.Release(id, to));
    }

    /// <summary>The guardian that should take a program next; null when none can.</summary>
    public PeerId? NextHostOf(EntryHash id) => _judge.NextHostOf(id);

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
        foreach (var program in state.Programs.Values.Where(_judge.Guards))
        {
            if (program.Stopped || program.Finished)
            {
                EndLocked(program);
                continue;
            }
            if (_ended.Remove(program.Id)) UnwatchLocked(program.Id); // somebody wants it started again: under a new epoch
            var watch = _judge.WatchOf(program);
            if (_watched.TryGetValue(program.Id, out var before) && LeaseJudge.IsSame(before, watch)) continue;
            _watched[program.Id] = watch;
            HandleLocked(watch);
        }
        foreach (var id in _watched.Keys.ToList())
        {
            if (!state.Programs.TryGetValue(id, out var program) || !_judge.Guards(program)) UnwatchLocked(id);
        }
        if (_held.Count > 0) GiveAwayLocked(state);
    }

    // It is over for good. Its host ends it; the lease is kept a little longer, for those who did not hear of that yet.
    private void EndLocked(SwarmProgram program)
    {
        if (!_watched.ContainsKey(program.Id)) return;
        _ended.Add(program.Id);
        if (_held.TryGetValue(program.Id, out var held)) _held = _held.SetItem(program.Id, held with { IsEnding = true });
        if (_held.ContainsKey(program.Id) && _judge.Lingers(program.Id)) return; // looked at again soon
        UnwatchLocked(program.Id);
    }

    private void UnwatchLocked(EntryHash id)
    {
        if (_held.ContainsKey(id) && Host.Runs(id)) Revoke(id, "this host does not guard it any more", RunEnd.Stopped);
        _watched.Remove(id);
        _ended.Remove(id);
        _judge.Forget(id);
        HandleLocked(new LeaseInput.Unwatch(id));
    }

    // Programs whose lease this node has and that should be with another host.
    private void GiveAwayLocked(SwarmState state)
    {
        foreach (var (id, held) in _held)
        {
            if (held.IsEnding || !state.Programs.TryGetValue(id, out var program) || program.Stopped || program.Finished) continue;
            if (_judge.PlacedElsewhere(program, held) is { } chosen) HandOver(id, chosen, $"was placed on {_words.Of(chosen)}", RunEnd.HandedOver);
            else if (_judge.WhyNotKept(program) is { } why) HandOver(id, NextHostOf(id), why, RunEnd.HandedOver);
        }
    }

    /// <summary>This host could not start a program whose lease it took over: another may be able to.</summary>
    public void CouldNotStart(EntryHash id, string why)
    {
        lock (_gate)
        {
            if (_disposed || !_held.TryGetValue(id, out var held) || held.IsEnding || NextHostOf(id) is not { } next) return;
            _judge.Excuse(id);
            HandOver(id, next, $"could not be started here: {why}", RunEnd.StartFailed);
        }
    }

    private void HandOver(EntryHash id, PeerId? to, string why, RunEnd end) => _context.Work(() => HandOverAsync(id, to, why, end));

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
                LeaseLog.Misbehaved(_context.Logger, misbehaved.Peer, _words.Of(misbehaved.Program), misbehaved.What);
                Accuse(misbehaved);
                break;
            case LeaseEffect.WakeAt wake:
                SetAlarmLocked(wake.At);
                break;
        }
    }
}
