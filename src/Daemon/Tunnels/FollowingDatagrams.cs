using PeoplesCloud.Daemon.Swarms;
using PeoplesCloud.Runtimes.Ports;

namespace PeoplesCloud.Daemon.Tunnels;

/// <summary>
/// A way for datagrams that ends when the program is known to be elsewhere. Who sends datagrams notices nothing of a host that was cut off, and its
/// stream may look alive for a while: the next datagram has to find the new host.
/// </summary>
internal sealed class FollowingDatagrams : IDatagramChannel
{
    private readonly IDatagramChannel _inner;
    private readonly LocalSwarm _swarm;
    private readonly Func<bool> _hasMoved;

    /// <summary>Takes over a way and begins to watch.</summary>
    public FollowingDatagrams(IDatagramChannel inner, LocalSwarm swarm, Func<bool> hasMoved)
    {
        (_inner, _swarm, _hasMoved) = (inner, swarm, hasMoved);
        swarm.Changed += Judge;
    }

    /// <inheritdoc/>
    public ValueTask SendAsync(ReadOnlyMemory<byte> datagram, CancellationToken cancellationToken) => _inner.SendAsync(datagram, cancellationToken);

    /// <inheritdoc/>
    public ValueTask WaitAsync(CancellationToken cancellationToken) => _inner.WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => _inner.ReceiveAsync(buffer, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _swarm.Changed -= Judge;
        return _inner.DisposeAsync();
    }

    private void Judge(LocalSwarm changed)
    {
        if (_hasMoved()) _ = _inner.DisposeAsync().AsTask(); // a reset, which completes at once
    }
}
