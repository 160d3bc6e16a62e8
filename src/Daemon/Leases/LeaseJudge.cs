using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Leases;

/// <summary>
/// What the feeds, presence and this host say of the programs of one swarm: which it guards, whether it would run them, who else could, and which it holds
/// and should not. Does nothing about it: that is <see cref="SwarmLeases"/>, under whose lock it is asked.
/// </summary>
internal sealed class LeaseJudge(LocalSwarm swarm, LeaseContext context)
{
    /// <summary>How long the lease of a program that was stopped or has finished is kept, so that nobody who did not hear of it starts it.</summary>
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(5);

    /// <summary>How long this host keeps the lease of a program that it could not start and that its owner is about to place elsewhere.</summary>
    private static readonly TimeSpan OwnerPatience = TimeSpan.FromSeconds(30);

    /// <summary>How long this host does not try again what it could not start, when others might.</summary>
    private static readonly TimeSpan Excused = TimeSpan.FromMinutes(1);

    private readonly HashSet<EntryHash> _loaded = [.. swarm.State.Programs.Keys]; // what ran before this daemon started may run again before it has caught up
    private readonly Dictionary<EntryHash, ulong> _sealed = []; // the generation in which this node votes no more
    private readonly Dictionary<EntryHash, TimeSpan> _excusedUntil = [];
    private readonly Dictionary<EntryHash, TimeSpan> _over = []; // since when a held program is not here any more

    /// <summary>Whether this node takes no further lease.</summary>
    public bool IsDraining { get; set; }

    private ProgramHost Host => context.Host();

    // -- What is watched --------------------------------------------------------------------------------------

    /// <summary>Whether this node guards a program.</summary>
    public bool Guards(SwarmProgram program) => swarm.Me is not null && program.Guardians.Contains(context.Self);

    /// <summary>All that the engine must know of a program.</summary>
    public LeaseInput.Watch WatchOf(SwarmProgram program)
    {
        var epoch = program.Runs is [.., var last] ? last.Epoch : 0;
        return new LeaseInput.Watch(program.Id, program.GuardianGeneration, program.Guardians, program.WhenAlone, CanRun(program))
        {
            IsFresh = !_loaded.Contains(program.Id),
            EpochFloor = epoch,
            Chosen = program.Host is { } chosen && IsAble(chosen, program) ? chosen : null,
            Placement = program.Generation,
            Sealed = IsSealed(program),
        };
    }

    /// <summary>Whether this node votes no more in the present generation of a program's guardians.</summary>
    public bool IsSealed(SwarmProgram program) =>
        program.IsSealedBy(context.Self) || (_sealed.TryGetValue(program.Id, out var generation) && generation == program.GuardianGeneration);

    /// <summary>Whether there is nothing new to tell.</summary>
    public static bool IsSame(LeaseInput.Watch one, LeaseInput.Watch other) => one with { Guardians = other.Guardians } == other && one.Guardians.SequenceEqual(other.Guardians);

    /// <summary>This node votes no more in a generation; null: it does again.</summary>
    public void Seal(EntryHash program, ulong? generation)
    {
        if (generation is { } number) _sealed[program] = number;
        else _sealed.Remove(program);
    }

    /// <summary>A program is not guarded here any more.</summary>
    public void Forget(EntryHash program)
    {
        _over.Remove(program);
        _sealed.Remove(program);
    }

    private bool CanRun(SwarmProgram program)
    {
        if (IsDraining || program.KeyOf(context.Self) is null || swarm.Me is not { MayDeployAndHost: true }) return false;
        if (!_loaded.Contains(program.Id) && !swarm.IsSettled) return false;
        if (_excusedUntil.TryGetValue(program.Id, out var until))
        {
            if (until > context.Now) return false;
            _excusedUntil.Remove(program.Id);
        }
        return Host.WhyNot(ProgramSpec.Of(swarm.Id, program)) is null;
    }

    // -- Who should have it -----------------------------------------------------------------------------------

    /// <summary>The guardian that should take a program next: one that is awake, hosts and knows the language, the one that the owner chose first, then by rank. Needs no lock.</summary>
    public PeerId? NextHostOf(EntryHash id)
    {
        if (!swarm.State.Programs.TryGetValue(id, out var program)) return null;
        var able = program.Guardians.Where(guardian => guardian != context.Self && IsAble(guardian, program)).ToList();
        if (able.Count == 0) return null;
        if (program.Host is { } chosen && able.Contains(chosen)) return chosen;
        return able.MinBy(guardian => (swarm.Presence[guardian].Record!.Info.Rank, guardian));
    }

    /// <summary>The owner chose another host after this one had taken the lease: which.</summary>
    public PeerId? PlacedElsewhere(SwarmProgram program, LeaseHere held) =>
        program.Host is { } chosen && chosen != context.Self && program.Generation > held.Placed && program.Guardians.Contains(chosen) ? chosen : null;

    /// <summary>Why this host should give away what it holds and does not run: it could not start it, or may not any more. Null while it may keep it.</summary>
    public string? WhyNotKept(SwarmProgram program)
    {
        if (Host.Runs(program.Id))
        {
            _over.Remove(program.Id);
            return null;
        }
        if (Host.WhyNot(ProgramSpec.Of(swarm.Id, program)) is not { } why) return null;
        var patience = program.Host == context.Self && Host.HasFailedToStart(program.Id) ? OwnerPatience : TimeSpan.Zero;
        return context.Now >= SinceOver(program.Id) + patience ? why : null;
    }

    /// <summary>Whether the lease of a program that is over for good is kept a little longer.</summary>
    public bool Lingers(EntryHash id) => Host.Runs(id) || context.Now < SinceOver(id) + Linger;

    /// <summary>This host could not start a program: it does not try again for a while.</summary>
    public void Excuse(EntryHash id) => _excusedUntil[id] = context.Now + Excused;

    private TimeSpan SinceOver(EntryHash id) => _over.TryGetValue(id, out var since) ? since : _over[id] = context.Now;

    private bool IsAble(PeerId guardian, SwarmProgram program) =>
        swarm.State.Find(guardian) is { MayDeployAndHost: true }
        && swarm.Presence.GetValueOrDefault(guardian) is { Liveness: Liveness.Awake, Record.Info: { Hosts: true, Leaving: false, Draining: false } info }
        && info.Languages.Contains(program.Deployed.Language, StringComparer.Ordinal);
}
