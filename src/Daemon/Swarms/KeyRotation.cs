using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PeoplesCloud.Base;
using PeoplesCloud.Swarm;

namespace PeoplesCloud.Daemon.Swarms;

/// <summary>Makes a new key for a swarm whose key is stale, when it is this node's turn: see <see cref="KeyRotationDuty"/>.</summary>
internal sealed class KeyRotation(SwarmRegistry swarms, TimeProvider time, ILogger logger)
{
    private readonly ConcurrentDictionary<SwarmId, KeyRotationDuty> _duties = [];
    private readonly Channel<bool> _look = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Looks after every change of a swarm, and when a turn comes, until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (var swarm in swarms.All) Follow(swarm);
        swarms.Added += Follow;
        swarms.Removed += Forget;
        try
        {
            var started = time.GetTimestamp();
            while (true)
            {
                var now = time.GetElapsedTime(started);
                var next = swarms.All.Select(swarm => Look(swarm, now)).Min();
                await using var timer = time.CreateTimer(_ => Wake(), null, next is { } due ? due - now : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                await _look.Reader.ReadAsync(cancellationToken);
            }
        }
        finally
        {
            swarms.Added -= Follow;
            swarms.Removed -= Forget;
            foreach (var swarm in swarms.All) swarm.Changed -= Changed;
        }
    }

    // Rotates when it is time; else says when that will be.
    private TimeSpan? Look(LocalSwarm swarm, TimeSpan now)
    {
        var due = _duties.GetOrAdd(swarm.Id, _ => new KeyRotationDuty()).DueAt(swarm.State, swarms.Self, swarm.IsAwake, now);
        if (due is null || !swarm.OwnHeadConfirmed.IsCompletedSuccessfully) return due is null ? null : now + KeyRotationDuty.Turn;
        if (due > now) return due;
        try
        {
            if (swarm.RotateStaleKey()) DaemonLog.KeyRotated(logger, swarm.Name, swarm.State.Key.Generation);
            return null;
        }
        catch (PcException e)
        {
            DaemonLog.KeyNotRotated(logger, swarm.Name, e.Message);
            return now + KeyRotationDuty.Turn;
        }
    }

    private void Follow(LocalSwarm swarm)
    {
        swarm.Changed += Changed;
        Wake();
    }

    private void Forget(LocalSwarm swarm)
    {
        swarm.Changed -= Changed;
        _duties.TryRemove(swarm.Id, out _);
    }

    private void Changed(LocalSwarm swarm) => Wake();

    private void Wake() => _look.Writer.TryWrite(true);
}
