using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Programs;
using PeoplesCloud.Programs.Hosting;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// A guardian has the packages before it needs them: installs what the programs that it guards list, one after another, once they have run somewhere:
/// what nobody can install is not tried by all. What failed is tried again after a pause that grows.
/// </summary>
internal sealed class PackageKeeper : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    private readonly SwarmRegistry _swarms;
    private readonly ProgramHost _host;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _due = new(1, 1);
    private readonly Dictionary<EntryHash, (DateTimeOffset Next, TimeSpan Pause)> _later = []; // used by the loop only
    private readonly HashSet<EntryHash> _done = []; // used by the loop only

    /// <summary>Follows the swarms that there are and those that come.</summary>
    public PackageKeeper(SwarmRegistry swarms, ProgramHost host, TimeProvider time, ILogger logger)
    {
        (_swarms, _host, _time, _logger) = (swarms, host, time, logger);
        foreach (var swarm in swarms.All) swarm.Changed += Look;
        swarms.Added += swarm =>
        {
            swarm.Changed += Look;
            Look(swarm);
        };
    }

    /// <summary>Installs until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var wanted = Wanted().ToList();
            _done.IntersectWith(wanted.Select(spec => spec.Id));
            foreach (var gone in _later.Keys.Except(wanted.Select(spec => spec.Id)).ToList()) _later.Remove(gone);
            foreach (var spec in wanted)
            {
                if (!_done.Contains(spec.Id) && !(_later.TryGetValue(spec.Id, out var later) && later.Next > _time.GetUtcNow())) await InstallAsync(spec, cancellationToken);
            }
            var wait = _later.Count == 0 ? Timeout.InfiniteTimeSpan : _later.Values.Min(later => later.Next) - _time.GetUtcNow();
            await WaitAsync(wait < TimeSpan.Zero && wait != Timeout.InfiniteTimeSpan ? TimeSpan.Zero : wait, cancellationToken);
        }
    }

    /// <summary>Looks no more; <see cref="RunAsync"/> has ended.</summary>
    public void Dispose() => _due.Dispose();

    private async Task InstallAsync(ProgramSpec spec, CancellationToken cancellationToken)
    {
        try
        {
            if (await _host.InstallAheadAsync(spec, cancellationToken))
            {
                _done.Add(spec.Id);
                _later.Remove(spec.Id);
                return;
            }
        }
        catch (Exception failed) when (failed is PcException or IOException or UnauthorizedAccessException)
        {
            ProgramKeepingLog.NotInstalledAhead(_logger, spec.Name, failed.Message);
        }
        var pause = _later.TryGetValue(spec.Id, out var later) && later.Pause * 2 is var twice ? (twice < LongestPause ? twice : LongestPause) : FirstPause;
        _later[spec.Id] = (_time.GetUtcNow() + pause, pause);
    }

    private async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(atMost, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await _due.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It is time.
        }
    }

    private IEnumerable<ProgramSpec> Wanted()
    {
        foreach (var swarm in _swarms.All.Where(swarm => swarm.Me is not null))
        {
            foreach (var program in swarm.State.Programs.Values.Where(program => program is { Stopped: false, Finished: false, Runs.Count: > 0 } && program.Guardians.Contains(_swarms.Self) && program.KeyOf(_swarms.Self) is not null))
                yield return ProgramSpec.Of(swarm.Id, program);
        }
    }

    private void Look(LocalSwarm swarm)
    {
        if (_due.CurrentCount > 0) return;
        try
        {
            _due.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // Somebody else was quicker, and one look is enough; or nobody looks any more.
        }
    }
}

/// <summary>What guardians do beforehand, in the daemon's log; events 1158 to 1159.</summary>
internal static partial class ProgramKeepingLog
{
    [LoggerMessage(1158, LogLevel.Information, "The packages of {Program}, which this node guards, are not installed yet: {Why}")]
    public static partial void NotInstalledAhead(ILogger logger, string program, string why);
}
