using System.IO.Pipelines;

namespace PeoplesCloud.Libp2p.Relay;

/// <summary>
/// Two streams made one: what comes from either goes to the other, ends included. What passes is the two peers' own encrypted
/// connection; the relay counts it and sees nothing of it.
/// </summary>
/// <param name="from">The stream of whoever asked for it.</param>
/// <param name="to">The stream of the other end.</param>
/// <param name="limit">Bytes in each direction and seconds.</param>
/// <param name="own">The rate of this circuit.</param>
/// <param name="shared">The rate of all circuits.</param>
/// <param name="time">The clock.</param>
/// <param name="count">Hears of all bytes.</param>
internal sealed class Circuit(Libp2pStream from, Libp2pStream to, CircuitLimit limit, RateCap own, RateCap shared, TimeProvider time, Action<long> count)
{
    /// <summary>Forwards until both directions ended, one of the streams broke, a limit is reached or it is cancelled; then both streams are over.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit.DurationSeconds > 0 ? limit.Duration : Timeout.InfiniteTimeSpan, time);
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
            var left = limit.DataBytes > 0 ? (long)limit.DataBytes : long.MaxValue;
            while (true)
            {
                var result = await input.ReadAsync(ended.Token);
                var length = result.Buffer.Length;
                if ((left -= length) < 0) throw new Libp2pException(Libp2pError.LimitReached, $"the circuit carried {limit.DataBytes} bytes, as many as it may");
                await own.TakeAsync(length, ended.Token);
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
