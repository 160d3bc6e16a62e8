using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Content;
using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Libp2p;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Hosting;

/// <summary>
/// A guardian has the bundle before it needs it: fetches what the feeds name and this node can open, one after another, so that a program starts
/// here at once when its host dies, and starts even when nobody else who has it is left. What it has is kept for as long as the feeds name it.
/// </summary>
internal sealed class BundleKeeper : IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly SwarmRegistry _swarms;
    private readonly Func<Cid, IReadOnlyList<PeerId>, CancellationToken, Task<Stream>> _open;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _due = new(1, 1);
    private readonly HashSet<Cid> _complete = []; // used by the loop only

    /// <summary>Follows the swarms that there are and those that come.</summary>
    /// <param name="swarms">The swarms.</param>
    /// <param name="open">Opens a bundle's bytes, from the store or its keepers; what is read is in the store.</param>
    /// <param name="time">The clock of pauses.</param>
    /// <param name="logger">The daemon's log.</param>
    public BundleKeeper(SwarmRegistry swarms, Func<Cid, IReadOnlyList<PeerId>, CancellationToken, Task<Stream>> open, TimeProvider time, ILogger logger)
    {
        _swarms = swarms;
        _open = open;
        _time = time;
        _logger = logger;
        foreach (var swarm in swarms.All) swarm.Changed += Look;
        swarms.Added += swarm =>
        {
            swarm.Changed += Look;
            Look(swarm);
        };
    }

    /// <summary>Fetches until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var pause = FirstPause;
        while (true)
        {
            var missing = Wanted().Where(bundle => !_complete.Contains(bundle.Bundle)).ToList();
            var failed = false;
            foreach (var (bundle, keepers) in missing) failed |= !await TryFetchAsync(bundle, keepers, cancellationToken);
            // Its keepers may be asleep, or busy: a change of the swarm or some time may bring it.
            await _due.WaitAsync(failed ? pause : Timeout.InfiniteTimeSpan, cancellationToken);
            pause = failed ? TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks)) : FirstPause;
        }
    }

    /// <summary>Looks no more; <see cref="RunAsync"/> has ended.</summary>
    public void Dispose() => _due.Dispose();

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

    private IEnumerable<(Cid Bundle, IReadOnlyList<PeerId> Keepers)> Wanted()
    {
        foreach (var swarm in _swarms.All.Where(swarm => swarm.Me is not null))
        {
            foreach (var program in swarm.State.Programs.Values.Where(program => program is { Stopped: false, Finished: false } && program.KeyOf(_swarms.Self) is not null))
                yield return (program.Deployed.Bundle, [.. program.Deployed.Keys.Select(key => key.Peer)]);
        }
    }

    private async Task<bool> TryFetchAsync(Cid bundle, IReadOnlyList<PeerId> keepers, CancellationToken cancellationToken)
    {
        try
        {
            await using var bytes = await _open(bundle, keepers, cancellationToken);
            await bytes.CopyToAsync(Stream.Null, cancellationToken);
            _complete.Add(bundle);
            return true;
        }
        catch (Exception e) when (e is PcException or IOException)
        {
            LeaseLog.BundleNotKept(_logger, bundle, e.Message);
            return false;
        }
    }
}
