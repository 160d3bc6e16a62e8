using System.Net.Sockets;

namespace PeoplesCloud.Libp2p.Connections;

/// <summary>
/// Connects to the first of several addresses that answers: they are tried in order, and one that does not answer soon is joined by
/// the next ("happy eyeballs", RFC 8305). Only bare connections are raced; there is never a second handshake with one peer at the same time.
/// </summary>
internal sealed class DialRace(Libp2pLimits limits, TimeProvider time)
{
    /// <summary>Takes targets from the queue until one is connected; those that had not answered yet go back to its end.
    /// Null when none is left; the reasons are added to <paramref name="failures"/>.</summary>
    public async Task<(Stream Stream, DialTarget Target)?> ConnectFirstAsync(PeerId? peer, Queue<DialTarget> targets, DialFailures failures, CancellationToken cancellationToken)
    {
        using var losers = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attempts = new List<(Task<Stream> Task, DialTarget Target)>();
        try
        {
            while (true)
            {
                if (targets.TryDequeue(out var next)) attempts.Add((next.Transport.DialAsync(peer is { } known ? next.Address.WithPeer(known) : next.Address, losers.Token).AsTask(), next));
                if (attempts.Count == 0) return null;
                var any = Task.WhenAny(attempts.Select(a => a.Task));
                if (targets.TryPeek(out var later)) await Task.WhenAny(any, Task.Delay(later.Address.IsRelayed ? limits.RelayedDialDelay : limits.DialStagger, time, losers.Token));
                else await any;
                foreach (var attempt in attempts.Where(a => a.Task.IsCompleted).ToArray())
                {
                    attempts.Remove(attempt);
                    try
                    {
                        return (await attempt.Task, attempt.Target);
                    }
                    catch (Exception e) when (e is SocketException or IOException)
                    {
                        failures.Add(attempt.Target.Address, e);
                    }
                }
            }
        }
        finally
        {
            await losers.CancelAsync();
            foreach (var (task, target) in attempts)
            {
                targets.Enqueue(target);
                _ = task.ContinueWith(static t => { if (t.IsCompletedSuccessfully) t.Result.Dispose(); else _ = t.Exception; },
                    CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
    }
}
