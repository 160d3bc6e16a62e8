using System.Buffers;

namespace PeoplesCloud.Runtimes.Ports;

/// <summary>Carries datagrams between a port and a slower way. Buffers are taken only while there is something to carry.</summary>
public static class DatagramWays
{
    /// <summary>
    /// Carries both ways until one of the channels ends or it is cancelled, and then ends both. What <paramref name="port"/> sends faster than
    /// <paramref name="way"/> takes waits in a queue that loses the oldest.
    /// </summary>
    public static async Task JoinAsync(IDatagramChannel port, IDatagramChannel way, PortLimits limits, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var queue = new DatagramQueue(limits.QueueBytes);
        Task[] ways = [PassAsync(port, Queued, end.Token), DrainAsync(queue, way, end.Token), PassAsync(way, port.SendAsync, end.Token)];
        _ = await Task.WhenAny(ways);
        await end.CancelAsync();
        await port.DisposeAsync();
        await way.DisposeAsync();
        await Task.WhenAll(ways).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        ValueTask Queued(ReadOnlyMemory<byte> datagram, CancellationToken _)
        {
            queue.Add(datagram.Span);
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Hands on what a channel receives, until it ends.</summary>
    /// <exception cref="IOException">The channel has ended.</exception>
    public static async Task PassAsync(IDatagramChannel from, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> to, CancellationToken cancellationToken)
    {
        while (true)
        {
            await from.WaitAsync(cancellationToken);
            var buffer = ArrayPool<byte>.Shared.Rent(PortLimits.MaxDatagramBytes);
            try
            {
                var length = await from.ReceiveAsync(buffer, cancellationToken);
                await to(buffer.AsMemory(0, length), cancellationToken);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    /// <summary>Sends what waits in a queue, until the channel ends. What it did not take any more stays in the queue.</summary>
    /// <exception cref="IOException">The channel has ended.</exception>
    public static async Task DrainAsync(DatagramQueue queue, IDatagramChannel to, CancellationToken cancellationToken)
    {
        while (true)
        {
            await queue.WaitAsync(cancellationToken);
            var buffer = ArrayPool<byte>.Shared.Rent(PortLimits.MaxDatagramBytes);
            try
            {
                while (queue.TryTake(buffer, out var length))
                {
                    try
                    {
                        await to.SendAsync(buffer.AsMemory(0, length), cancellationToken);
                    }
                    catch (Exception)
                    {
                        queue.Return(buffer.AsSpan(0, length)); // ended or cancelled: it is for the next way
                        throw;
                    }
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
