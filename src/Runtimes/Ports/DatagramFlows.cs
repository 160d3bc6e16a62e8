using System.Buffers;
using System.Net;
using System.Net.Sockets;
using PeoplesCloud.Base;

namespace PeoplesCloud.Runtimes.Ports;

/// <summary>
/// One UDP port of this machine. The datagrams of one sender are a flow: it has a way of its own to the target, opened at its first datagram, and
/// what comes back by it goes to that sender. A way that ends, because the target moved, is opened anew at the next datagram.
/// </summary>
internal sealed class DatagramFlows(Socket socket, IPortTarget target, PortLimits limits, TimeProvider time, Action used) : IDisposable
{
    // How often it is looked for flows that are idle, in a flow's idle time.
    private const int LooksPerIdle = 4;

    // Whoever cannot be served asks no faster than that.
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<SocketAddress, Flow> _flows = [];
    private readonly List<Task> _ending = [];

    /// <summary>How many senders there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _flows.Count;
        }
    }

    /// <summary>Carries until it is cancelled.</summary>
    public async Task RunAsync(Func<string, Task> failed, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var looking = EndIdleAsync(end.Token);
        try
        {
            var from = new SocketAddress(socket.AddressFamily);
            while (true)
            {
                await WaitAsync(cancellationToken);
                var buffer = ArrayPool<byte>.Shared.Rent(PortLimits.MaxDatagramBytes);
                try
                {
                    do await ReceiveAsync(buffer, from, failed, end.Token);
                    while (socket.Available > 0);
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
        }
        finally
        {
            await end.CancelAsync();
            await looking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Task[] left;
            lock (_gate) left = [.. _flows.Values.Select(flow => flow.Ended), .. _ending];
            await Task.WhenAll(left);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    // No buffer is held while nothing comes: most ports are silent most of the time.
    private async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            _ = await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.Peek, cancellationToken);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.MessageSize or SocketError.ConnectionRefused or SocketError.ConnectionReset)
        {
            // More than nothing is there; or a sender that has gone refused an answer.
        }
    }

    private async ValueTask ReceiveAsync(byte[] buffer, SocketAddress from, Func<string, Task> failed, CancellationToken cancellationToken)
    {
        int length;
        try
        {
            length = await socket.ReceiveFromAsync(buffer, SocketFlags.None, from, cancellationToken);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionRefused or SocketError.ConnectionReset)
        {
            return;
        }
        used();
        Flow? oldest = null;
        lock (_gate)
        {
            if (!_flows.TryGetValue(from, out var flow))
            {
                if (_flows.Count >= limits.MaxFlows) Remove(oldest = _flows.Values.MinBy(one => one.LastUsed)!);
                flow = new Flow(this, Copied(from), limits.QueueBytes, cancellationToken);
                _flows.Add(flow.Sender, flow);
                flow.Begin(failed);
            }
            flow.Touch();
            flow.Queue.Add(buffer.AsSpan(0, length));
        }
        oldest?.End();
    }

    private async Task EndIdleAsync(CancellationToken cancellationToken)
    {
        using var clock = new PeriodicTimer(limits.FlowIdle / LooksPerIdle, time);
        while (await clock.WaitForNextTickAsync(cancellationToken))
        {
            List<Flow> idle;
            lock (_gate)
            {
                idle = [.. _flows.Values.Where(flow => time.GetElapsedTime(flow.LastUsed) >= limits.FlowIdle)];
                idle.ForEach(Remove);
            }
            idle.ForEach(flow => flow.End());
        }
    }

    // From here on its sender is a new one. With the gate held.
    private void Remove(Flow flow)
    {
        _ = _flows.Remove(flow.Sender);
        _ending.RemoveAll(ended => ended.IsCompleted);
        _ending.Add(flow.Ended);
    }

    private static SocketAddress Copied(SocketAddress address)
    {
        var copy = new SocketAddress(address.Family, address.Size);
        address.Buffer.Span[..address.Size].CopyTo(copy.Buffer.Span);
        return copy;
    }

    /// <summary>One sender's.</summary>
    private sealed class Flow(DatagramFlows port, SocketAddress sender, int queueBytes, CancellationToken cancellationToken)
    {
        private readonly CancellationTokenSource _end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        private long _lastUsed;

        public SocketAddress Sender => sender;

        public DatagramQueue Queue { get; } = new(queueBytes);

        public long LastUsed => Volatile.Read(ref _lastUsed);

        public Task Ended { get; private set; } = Task.CompletedTask;

        public void Begin(Func<string, Task> failed) => Ended = Task.Run(() => RunAsync(failed), CancellationToken.None);

        public void Touch() => Volatile.Write(ref _lastUsed, port.Now);

        public void End()
        {
            try
            {
                _end.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It has just ended by itself.
            }
        }

        private async Task RunAsync(Func<string, Task> failed)
        {
            try
            {
                while (true)
                {
                    await Queue.WaitAsync(_end.Token);
                    await CarryAsync(failed);
                }
            }
            catch (OperationCanceledException)
            {
                // It was idle, gave way, or the port is closed.
            }
            finally
            {
                port.Forget(this);
                Queue.Dispose();
                _end.Dispose();
            }
        }

        // Until its way ends.
        private async Task CarryAsync(Func<string, Task> failed)
        {
            IDatagramChannel way;
            try
            {
                way = await port.OpenAsync(_end.Token);
            }
            catch (Exception e) when (e is PcException or IOException)
            {
                Queue.Clear();
                await failed(e.Message);
                await port.PauseAsync(_end.Token);
                Queue.Clear();
                return;
            }
            await using (way)
            {
                using var over = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
                Task[] ways = [DatagramWays.DrainAsync(Queue, way, over.Token), DatagramWays.PassAsync(way, ReturnAsync, over.Token)];
                _ = await Task.WhenAny(ways);
                await over.CancelAsync();
                await Task.WhenAll(ways).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            _end.Token.ThrowIfCancellationRequested();
        }

        private ValueTask ReturnAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken)
        {
            Touch();
            return port.ReturnAsync(datagram, sender, cancellationToken);
        }
    }

    private long Now => time.GetTimestamp();

    private ValueTask<IDatagramChannel> OpenAsync(CancellationToken cancellationToken) => target.OpenDatagramsAsync(cancellationToken);

    private Task PauseAsync(CancellationToken cancellationToken) => Task.Delay(AfterFailure, time, cancellationToken);

    private async ValueTask ReturnAsync(ReadOnlyMemory<byte> datagram, SocketAddress to, CancellationToken cancellationToken)
    {
        try
        {
            _ = await socket.SendToAsync(datagram, SocketFlags.None, to, cancellationToken);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Whoever asked has gone: as UDP has it.
        }
    }

    private void Forget(Flow flow)
    {
        lock (_gate)
        {
            if (_flows.TryGetValue(flow.Sender, out var known) && known == flow) _ = _flows.Remove(flow.Sender);
        }
    }
}
