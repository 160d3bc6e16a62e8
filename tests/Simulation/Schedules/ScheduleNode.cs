using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Simulation;

/// <summary>
/// One host of a scheduled program, beside its <see cref="LeaseNode"/>: the runner, the process of a run, the ordinary clock, and what it keeps as a
/// guardian, which is on its disk.
/// </summary>
internal sealed class ScheduleNode(ScheduleWorld world, LeaseNode host)
{
    private ScheduleRunner? _runner;
    private int _life;
    private long _lookNumber;
    private (long Due, TimeSpan Until)? _process;
    private (int Heard, ulong Generation, IReadOnlyList<PeerId> Guardians, long Floor)? _set;

    public LeaseNode Host => host;

    /// <summary>By how much its ordinary clock is wrong.</summary>
    public TimeSpan Skew { get; set; }

    public string State => $"gen {GuardianSet.Generation} of {GuardianSet.Guardians.Count} sealed {host.Feeds.ApprovedNext(world.Program, GuardianSet.Generation, host.Peer)} floor {GuardianSet.Floor} claims {_runner?.Claiming}";

    /// <summary>On its disk.</summary>
    public ScheduleRecord Record { get; private set; } = ScheduleRecord.Empty;

    // Read anew when it has heard something: reading takes long.
    private (int Heard, ulong Generation, IReadOnlyList<PeerId> Guardians, long Floor) GuardianSet
    {
        get
        {
            var heard = host.Feeds.Proposals.Count + host.Feeds.Approvals.Count;
            if (_set is { } known && known.Heard == heard) return known;
            var (generation, guardians) = host.Feeds.SetOf(world.Program, world.Leases.FirstGuardians);
            var set = (heard, generation, guardians, world.FloorOf(host, generation));
            _set = set;
            return set;
        }
    }

    private DateTimeOffset Now => ScheduleWorld.Begin + world.Leases.Now + Skew;

    /// <summary>Looks at what changed: the machine, the lease, the process, the time.</summary>
    public void Look()
    {
        if (!host.IsAwake) return;
        if (_life != host.Starts)
        {
            (_life, _process) = (host.Starts, null);
            _runner = new ScheduleRunner(world.Program, ScheduleWorld.NextAfter, host.Peer, (ulong)host.Starts << 8 | (uint)host.Index, world.Options);
            if (world.Options.Without.HasFlag(ScheduleChecks.Durable)) Record = ScheduleRecord.Empty;
        }
        var (_, generation, guardians, floor) = GuardianSet;
        var held = host.Runs.GetValueOrDefault(world.Program);
        if (held is null || host.Clock >= held.Until || !guardians.Contains(host.Peer))
        {
            if (_process is { } ended) End(ended.Due, ScheduledResult.Failed);
            Handle(new ScheduleInput.Holds(null, Record));
            return;
        }
        if (_process is { } process && process.Until <= world.Leases.Now) End(process.Due, ScheduledResult.Ok);
        Handle(new ScheduleInput.Holds(new ScheduleHold(generation, guardians, held.Alone, world.AtLeastOnce, false, ScheduleWorld.Begin, floor), Record));
    }

    /// <summary>What it knows when it approves the next generation.</summary>
    public long Latest() => Math.Max(Record.Due, GuardianSet.Floor);

    public ScheduleAnswer? Judge(PeerId from, byte[] bytes)
    {
        if (!host.IsAwake) return null;
        if (!ScheduleClaim.TryDecode(bytes, out var claim)) throw world.Leases.Fail("a claim cannot be read");
        var (_, generation, guardians, floor) = GuardianSet;
        var sight = new ScheduleSight(host.Peer, generation, guardians, host.Feeds.ApprovedNext(world.Program, generation, host.Peer), host.HolderOf(world.Program), floor, Now);
        (var answer, Record) = ScheduleVoter.Judge(Record, claim, from, sight, world.Options.Without);
        return answer;
    }

    private void End(long due, ScheduledResult result)
    {
        _process = null;
        Handle(new ScheduleInput.Ended(new ScheduledRun(due, host.Peer, result, Now, TimeSpan.Zero, null)));
    }

    private void Handle(ScheduleInput input)
    {
        if (!host.IsAwake || _runner is null) return;
        foreach (var effect in _runner.Handle(input, Now))
        {
            switch (effect)
            {
                case ScheduleEffect.Ask ask:
                    world.Ask(this, ask.To, ask.Claim, (life, answer) =>
                    {
                        if (life == _life && ask.Claim.Due is { } due) Handle(new ScheduleInput.Answered(ask.To, due, answer));
                    }, _life);
                    break;
                case ScheduleEffect.Run run:
                    if (!host.RunsNow(world.Program)) break; // the lease went while the last answer came; the time is claimed all the same
                    if (_process is not null) throw world.Leases.Fail($"node {host.Index} runs two times at once");
                    world.OnRun(host, run.Due);
                    _process = (run.Due, world.Leases.Now + world.DrawLength());
                    break;
                case ScheduleEffect.Tell tell:
                    world.OnTold(host, tell.Not);
                    break;
                case ScheduleEffect.WakeAt { At: { } at }:
                    WakeAt(at);
                    break;
            }
        }
    }

    // Timers are late; the last one counts.
    private void WakeAt(DateTimeOffset at)
    {
        var number = ++_lookNumber;
        var delay = at - Now;
        world.Leases.After((delay > TimeSpan.Zero ? delay : TimeSpan.Zero) + TimeSpan.FromMilliseconds(1 + 20 * world.Leases.Random.NextDouble()), () =>
        {
            if (number == _lookNumber) Look();
        });
    }
}
