using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Relay;

/// <summary>
/// Two streams made one: what comes from either goes to the other, ends included. What passes is the two peers' own encrypted
/// connection; the relay counts it and sees nothing of it.
/// </summary>
internal sealed class Circuit(Libp2pStream from, Libp2pStream to, RelayLimits limits, RateCap shared, TimeProvider time, Action<long> count)
{
    private readonly RateCap _own = new(limits.MaxCircuitBytesPerSecond, time);

    /// <summary>Forwards until both directions ended, one of the streams broke, a limit is reached or it is cancelled; then both streams are over.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limits.MaxCircuitDuration > TimeSpan.Zero ? limits.MaxCircuitDuration : Timeout.InfiniteTimeSpan, time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken, from.Closed, to.Closed);
        try
        {
            await Task.WhenAll(RunOneWayAsync(from.Input, to.Output, ended), RunOneWayAsync(to.Input, from.Output, ended));
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            from.Reset();
            to.Reset();
        }
    }

    private async Task RunOneWayAsync(PipeReader input, PipeWriter output, CancellationTokenSource ended)
    {
        try
        {
            var left = limits.MaxCircuitBytes > 0 ? limits.MaxCircuitBytes : long.MaxValue;
            while (true)
            {
                var result = await input.ReadAsync(ended.Token);
                var length = result.Buffer.Length;
                if ((left -= length) < 0) throw new Libp2pException(Libp2pError.LimitReached, $"the circuit carried {limits.MaxCircuitBytes} bytes, as many as it may");
                await _own.TakeAsync(length, ended.Token);
                await shared.TakeAsync(length, ended.Token);
                foreach (var segment in result.Buffer)
                {
                    var written = await output.WriteAsync(segment, ended.Token);
                    if (written.IsCompleted) throw new Libp2pException(Libp2pError.Reset, "one end of the circuit reads no more");
                }
                input.AdvanceTo(result.Buffer.End);
                count(length);
                if (!result.IsCompleted) continue;
                await output.CompleteAsync();
                return;
            }
        }
        catch
        {
            await ended.CancelAsync(); // the other direction waits for nothing any more
            throw;
        }
    }
}
