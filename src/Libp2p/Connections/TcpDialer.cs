using System.Net;
using System.Net.Sockets;

namespace PeoplesCloud.Libp2p.Connections;

/// <summary>
/// Connects to the first of several end points that answers: they are tried in order, and one that does not answer soon is joined by
/// the next ("happy eyeballs", RFC 8305). Only TCP is raced; there is never a second handshake with one peer at the same time.
/// </summary>
internal sealed class TcpDialer(Libp2pLimits limits, TimeProvider time)
{
    /// <summary>Takes end points from the queue until one is connected; those that had not answered yet go back to its end.
    /// Null when none is left; the reasons are added to <paramref name="failures"/>.</summary>
    public async Task<(Socket Socket, IPEndPoint EndPoint)?> ConnectFirstAsync(Queue<IPEndPoint> endPoints, List<string> failures, CancellationToken cancellationToken)
    {
        using var losers = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var attempts = new List<(Task<Socket> Task, IPEndPoint EndPoint)>();
        try
        {
            while (true)
            {
                if (endPoints.TryDequeue(out var next)) attempts.Add((ConnectAsync(next, losers.Token), next));
                if (attempts.Count == 0) return null;
                var any = Task.WhenAny(attempts.Select(a => a.Task));
                if (endPoints.Count > 0) await Task.WhenAny(any, Task.Delay(limits.DialStagger, time, losers.Token));
                else await any;
                foreach (var attempt in attempts.Where(a => a.Task.IsCompleted).ToArray())
                {
                    attempts.Remove(attempt);
                    try
                    {
                        return (await attempt.Task, attempt.EndPoint);
                    }
                    catch (Exception e) when (e is SocketException or Libp2pException)
                    {
                        failures.Add($"{Multiaddr.FromEndPoint(attempt.EndPoint)}: {e.Message}");
                    }
                }
            }
        }
        finally
        {
            await losers.CancelAsync();
            foreach (var (task, endPoint) in attempts)
            {
                endPoints.Enqueue(endPoint);
                _ = task.ContinueWith(static t => { if (t.IsCompletedSuccessfully) t.Result.Dispose(); else _ = t.Exception; },
                    CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
    }

    private async Task<Socket> ConnectAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            return await TimeLimit.RunAsync(limits.ConnectTimeout, time, "connecting", async token =>
            {
                await socket.ConnectAsync(endPoint, token);
                return socket;
            }, cancellationToken);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
