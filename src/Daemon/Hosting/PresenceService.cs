using PeoplesCloud.Daemon.Leases;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Programs.Bundles;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// Says what this node is doing: at once when a program changes, every ten seconds when its rank has changed by a step. What has
/// not changed is not said again, because every change travels to all members.
/// </summary>
internal sealed class PresenceService(ProgramHost programs, LeaseService leases, Func<EntryHash, ScheduledRun?> lastTimeOf, Func<IReadOnlyList<string>> addresses, TimeProvider time)
{
    /// <summary>The smallest change of the rank that is told.</summary>
    public const double RankStep = 5;

    /// <summary>How often the rank and the addresses are looked at.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<EntryHash, (string State, DateTimeOffset Since)> _since = [];
    private readonly Dictionary<EntryHash, DateTimeOffset> _aloneSince = [];
    private IReadOnlyList<string> _addresses = [];
    private double _rank = double.NaN;
    private bool _leaving;

    /// <summary>What this node says in a swarm now; programs of other swarms are not mentioned.</summary>
    public PresenceInfo InfoFor(SwarmId swarm)
    {
        lock (_gate)
        {
            if (double.IsNaN(_rank)) Measure();
            return new PresenceInfo
            {
                Addresses = _addresses,
                Hosts = programs.Policy.Hosts,
                Languages = programs.Languages,
                Rank = _rank,
                Running = [.. programs.Programs.Where(program => program.Spec.Swarm == swarm).Select(Describe).OrderByDescending(running => running.Epoch > 0)],
                Leaving = _leaving,
                Draining = leases.IsDraining,
                Seals = BundleKey.SealVersion,
                Version = typeof(PresenceService).Assembly.GetName().Version?.ToString(3) ?? "",
            };
        }
    }

    /// <summary>Looks at rank and addresses until it is cancelled.</summary>
    public async Task RunAsync(SwarmRegistry swarms, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            bool changed;
            lock (_gate) changed = Measure();
            if (changed) swarms.Say();
        }
    }

    /// <summary>Says at once where this node is now.</summary>
    public void AddressesChanged(SwarmRegistry swarms)
    {
        lock (_gate) Measure();
        swarms.Say();
    }

    /// <summary>Says goodbye: the others need not find out.</summary>
    public void Leave(SwarmRegistry swarms)
    {
        lock (_gate) _leaving = true;
        swarms.Say();
    }

    private bool Measure()
    {
        var rank = programs.Rank;
        var now = addresses();
        var changed = !now.SequenceEqual(_addresses, StringComparer.Ordinal);
        _addresses = now;
        if (Math.Abs(rank - _rank) < RankStep) return changed;
        _rank = Math.Round(rank / RankStep) * RankStep;
        return true;
    }

    private RunningProgram Describe(ProgramStatus status)
    {
        var state = ProgramWords.Of(status.State);
        if (!_since.TryGetValue(status.Spec.Id, out var known) || !string.Equals(known.State, state, StringComparison.Ordinal))
            _since[status.Spec.Id] = known = (state, time.GetUtcNow());
        var held = leases.Of(status.Spec.Swarm)?.Held.GetValueOrDefault(status.Spec.Id);
        return new RunningProgram(status.Spec.Id, state, status.Detail, status.Restarts, known.Since, held?.Epoch ?? 0, held?.Alone ?? false)
        {
            AloneSince = AloneSince(status.Spec.Id, held is { Alone: true }),
            Last = status.Spec.Deployed.Manifest.Schedule is not null && lastTimeOf(status.Spec.Id) is { } last ? (last.Due, last.Result) : null,
        };
    }

    // How long another host may have run it too: who reads the list wants to know.
    private DateTimeOffset? AloneSince(EntryHash program, bool alone)
    {
        if (!alone)
        {
            _aloneSince.Remove(program);
            return null;
        }
        if (!_aloneSince.TryGetValue(program, out var since)) _aloneSince[program] = since = time.GetUtcNow();
        return since;
    }
}
