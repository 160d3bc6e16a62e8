using System.Collections.Concurrent;
using System.Collections.Immutable;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Placing;
using PeoplesCloud.Programs.Policy;
using PeoplesCloud.Runtimes;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Programs.Hosting;

/// <summary>
/// The part that asks the policy of the host's owner: before a program is offered a place, before it starts, and every few seconds while it runs.
/// What the policy ends here waits, and starts again when the policy lets it and the feeds still place it here.
/// </summary>
public sealed partial class ProgramHost
{
    /// <summary>How often running programs are looked at: hours end, runs get too long.</summary>
    public static readonly TimeSpan PolicyInterval = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<EntryHash, RunClock> _clocks = [];
    private ImmutableDictionary<EntryHash, ProgramStatus> _held = ImmutableDictionary<EntryHash, ProgramStatus>.Empty;
    private long _counted;

    /// <summary>A clock whose timers ring at once when the machine wakes, so that what an hour ended meanwhile does not go on. Null: the ordinary one.</summary>
    public TimeProvider? BootTime { get; init; }

    /// <summary>What the owner of this host allows now.</summary>
    public HostPolicy Policy => _options.Hosts ? _options.Policy() : _options.Policy() with { Hosts = false };

    /// <summary>Answers an owner that looks for a host. The caller has checked that it is a member.</summary>
    public HostOffer Offer(ProgramAsk ask, PeerId asker)
    {
        var policy = Policy;
        var question = new PolicyQuestion(asker, _options.IsAdmin(ask.Swarm, asker), asker == _self, ask.Language, RuntimeOf(ask.Language, ask.Manifest), ask.Limits, TimeSpan.Zero);
        // What a deploy replaces ends before it starts, and what gives way to it too: neither stands in its way.
        var claim = ClaimOf(policy, ask.Swarm, asker);
        bool IsReplaced(ProgramSpec program) => program.Swarm == ask.Swarm && program.Owner == asker && string.Equals(program.Name, ask.Name, StringComparison.Ordinal);
        var others = UseWithout(program => IsReplaced(program) || ClaimOf(policy, program) < claim);
        return new HostOffer(policy.Hosts, Languages, RankWithout(IsReplaced), TakesNone ?? policy.Refusal(question, others, _time.GetLocalNow())?.Text ?? Place(ask.Language, ask.Manifest).Refusal) { Seals = BundleKey.SealVersion, Schedules = true };
    }

    /// <summary>Why the policy does not let a program run here now; null when it does. A program that runs does not stand in its own way.</summary>
    public PolicyRefusal? RefusalOf(ProgramSpec spec)
    {
        var policy = Policy;
        var claim = ClaimOf(policy, spec);
        return policy.Refusal(QuestionOf(spec), UseWithout(program => program.Id == spec.Id || IsReplacedBy(program, spec) || ClaimOf(policy, program) < claim), _time.GetLocalNow());
    }

    /// <summary>What programs here were promised.</summary>
    public HostUse Use => ProgramsWithout(_ => false, HostUse.None);

    /// <summary>How long a program has run here in all.</summary>
    public TimeSpan RanFor(ProgramSpec spec) => ClockOf(spec).Ran;

    /// <summary>What a program uses now; null when it does not run here.</summary>
    public RunUsage? UsageOf(EntryHash id) => _programs.TryGetValue(id, out var program) ? program.Usage : null;

    /// <summary>
    /// Ends what the policy does not let run any more, older deploys keeping their place before newer ones (with <see cref="HostPolicy.FavoursFirst"/>
    /// those of members that gave more before those of others); each says so in its log and waits. Returns them with the reason when all have
    /// ended. Called after each change of the policy, and by <see cref="WatchPolicyAsync"/>.
    /// </summary>
    public Task<IReadOnlyList<ProgramStatus>> EnforcePolicyAsync() => EnforcePolicyAsync(starting: null);

    // One that is about to start is kept, and those that give way to it end before its first instruction.
    private async Task<IReadOnlyList<ProgramStatus>> EnforcePolicyAsync(HostedProgram? starting)
    {
        CountRuns();
        var (policy, local, kept) = (Policy, _time.GetLocalNow(), _options.Beside());
        var ended = new List<ProgramStatus>();
        var ending = new List<Task>();
        foreach (var program in _programs.Values.Where(program => !program.IsOver && program.EndedFor is null).OrderByDescending(program => ClaimOf(policy, program.Spec)).ThenBy(program => program.Spec.DeployedAt).ThenBy(program => program.Spec.Id))
        {
            // Nobody gives way to one that has no lease yet, and may never get one.
            var isEarly = policy.FavoursFirst && program.Epoch is null;
            var refused = program == starting ? null : isEarly ? RefusalOf(program.Spec) : policy.Refusal(QuestionOf(program.Spec), kept, local);
            if (refused is not { } refusal)
            {
                if (!isEarly) kept = kept.With(program.Spec.Deployed.Limits);
                continue;
            }
            ended.Add(Hold(program.Spec, refusal));
            var end = StopAsync(program.Spec.Id, $"was ended by this host's owner: {refusal.Text}", RunEnd.HostRefused);
            // Two that start at once would wait for each other; what has no process is no hurry.
            if (starting is null || program.Current is not null) ending.Add(end);
        }
        await Task.WhenAll(ending);
        return ended;
    }

    /// <summary>Keeps to the policy as time goes by, until it is cancelled.</summary>
    /// <param name="resume">Called when a program that waits may run again: the feeds are looked at anew.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task WatchPolicyAsync(Action resume, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(PolicyInterval, BootTime ?? _time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            await EnforcePolicyAsync();
            if (_held.Values.Any(held => RefusalOf(held.Spec) is null)) resume();
        }
    }

    // What a member gave, when this host's owner has it count; the owner itself goes before all.
    private long ClaimOf(HostPolicy policy, ProgramSpec spec) => ClaimOf(policy, spec.Swarm, spec.Owner);

    private long ClaimOf(HostPolicy policy, SwarmId swarm, PeerId owner) => !policy.FavoursFirst ? 0 : owner == _self ? long.MaxValue : _options.Balance(swarm, owner);

    private static bool IsReplacedBy(ProgramSpec older, ProgramSpec newer) =>
        older.Swarm == newer.Swarm && older.Owner == newer.Owner && string.Equals(older.Name, newer.Name, StringComparison.Ordinal);

    private PolicyQuestion QuestionOf(ProgramSpec spec) =>
        new(spec.Owner, _options.IsAdmin(spec.Swarm, spec.Owner), spec.Owner == _self, spec.Deployed.Language, RuntimeOf(spec.Deployed.Language, spec.Deployed.Manifest), spec.Deployed.Limits, ClockOf(spec).Ran);

    private string RuntimeOf(string language, ProgramManifest manifest) => Place(language, manifest).Runtime.Name;

    private HostUse UseWithout(Func<ProgramSpec, bool> left) => ProgramsWithout(left, _options.Beside());

    private HostUse ProgramsWithout(Func<ProgramSpec, bool> left, HostUse beside) =>
        _programs.Values.Where(program => !program.IsOver && !left(program.Spec)).Aggregate(beside, (use, program) => use.With(program.Spec.Deployed.Limits));

    private RunClock ClockOf(ProgramSpec spec) => _clocks.GetOrAdd(spec.Id, _ => new RunClock(FolderOf(spec.LocalName)));

    // What passed while the machine slept was no run: a step is never much longer than the pause between two looks.
    private void CountRuns()
    {
        TimeSpan step;
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var elapsed = _counted == 0 ? TimeSpan.Zero : _time.GetElapsedTime(_counted, now);
            step = elapsed < 2 * PolicyInterval ? elapsed : 2 * PolicyInterval;
            _counted = now;
        }
        var save = Policy.LongestRun is not null;
        foreach (var program in _programs.Values.Where(program => program.Status.State == ProgramState.Running)) ClockOf(program.Spec).Add(step, save);
    }

    private ProgramStatus Hold(ProgramSpec spec, PolicyRefusal refusal)
    {
        var status = new ProgramStatus(spec, ProgramState.Waiting, refusal.Text, 0);
        lock (_lock)
        {
            if (_held.TryGetValue(spec.Id, out var known) && known == status) return status;
            _held = _held.SetItem(spec.Id, status);
        }
        OnChanged();
        return status;
    }

    // Whoever is refused by its rules asks for no lease; that it waits for a rule is said all the same, after a restart too.
    private void HoldIfRefused(SwarmState state, SwarmProgram program)
    {
        var spec = ProgramSpec.Of(state.Id, program);
        if (program.Stopped || program.Finished || IsHere(program)) return;
        if (RefusalOf(spec) is { } refusal) Hold(spec, refusal);
        else LetGo(spec.Id);
    }

    private void LetGo(EntryHash id)
    {
        lock (_lock)
        {
            if (!_held.ContainsKey(id)) return;
            _held = _held.Remove(id);
        }
        OnChanged();
    }
}
